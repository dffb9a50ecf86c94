"""
When those who answer are not your customers
============================================

Happy shop customers answer surveys, busy marketplace customers do not. The mean of the
answers is then the mean of the wrong people. If it is known how the customer base is made
up, answers can be weighted back to it; often it is known only by one feature at a time,
and raking is for that. The survey is simulated, so that there is a truth to aim at.
"""

# %%
# The base and the answers
# ------------------------
# 40,000 customers, by channel and by age group. The chance of an answer depends on both,
# and so does what they think.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

import crmkit as crm

rng = np.random.default_rng(11)
n = 40_000
young = rng.random(n) < 0.45
channel = np.where(
    rng.random(n) < np.where(young, 0.3, 0.6),
    "shop",
    np.where(rng.random(n) < 0.6, "online", "marketplace"),
)
happiness = (
    pd.Series(channel).map({"shop": 8.4, "online": 7.6, "marketplace": 6.6}).to_numpy()
    - 0.8 * young
)
score = np.clip(np.round(rng.normal(happiness, 1.9)), 0, 10).astype(int)
base = pd.DataFrame(
    {
        "channel": channel,
        "age": np.where(young, "under 40", "40 or older"),
        "score": score,
    }
)
truth = crm.feedback.nps(base)
print(f"true score of all customers: {truth.value:.1f}")

# %%
answers_of = {"shop": 0.06, "online": 0.03, "marketplace": 0.015}
chance = base["channel"].map(answers_of) * np.where(young, 0.5, 1.3)
answers = base[rng.random(n) < chance].reset_index(drop=True)
pd.DataFrame(
    {
        "customers": base["channel"].value_counts(normalize=True),
        "answers": answers["channel"].value_counts(normalize=True),
    }
).round(3)

# %%
# As they came in
# ---------------
# The interval is narrow, and far from the truth: it tells of chance, not of who was
# missing.

plain = crm.feedback.nps(answers)
print(plain)

# %%
# One margin, then two
# --------------------
# Known of the base: so many customers per channel, and so many per age group; not, how
# many young ones shop where. Raking fits the weights to one margin after the other until
# both hold.

margins = {
    name: base[name].value_counts(normalize=True).to_dict() for name in ("channel", "age")
}
by_channel = crm.feedback.rake(answers, margins={"channel": margins["channel"]})
raked = crm.feedback.rake(answers, margins=margins)
print(raked)

# %%
scores = {
    "as they came in": plain,
    "weighted by channel": crm.feedback.nps(answers, weight=by_channel),
    "raked by channel and age": crm.feedback.nps(answers, weight=raked),
}
for name, found in scores.items():
    print(f"{name:<25} {found:.1f} ({found.ci_low:.1f} to {found.ci_high:.1f})")

# %%
fig, ax = plt.subplots(figsize=(8, 3.2), layout="constrained")
for place, found in enumerate(scores.values()):
    ax.plot([found.ci_low, found.ci_high], [place, place], color="#1b4f72", linewidth=2)
    ax.plot(found.value, place, "o", color="#1b4f72")
ax.axvline(truth.value, color="#e08a1e", linestyle="--")
ax.text(truth.value, -0.75, " truth", color="#9a5c0b", va="center")
ax.set_yticks(
    range(3), [f"{name}\n(n = {found.n:,.0f})" for name, found in scores.items()]
)
ax.set(
    xlabel="Net Promoter Score, −100 to 100, with 95 % intervals",
    title=f"{len(answers):,} answers of {n:,} customers",
    ylim=(2.6, -1.1),
)
ax.grid(axis="x", color="0.9")
plt.show()

# %%
# What weights cost
# -----------------
# An answer that stands for many customers makes the result depend on few people. By the
# spread of the weights alone, so many answers with equal weights would tell as much:

print(
    f"{len(answers):,} answers tell as much as {raked.effective_n:,.0f} would unweighted"
)

# %%
# The n in the picture is larger, for it counts what is gained as well: channels and age
# groups now have their true sizes in every sample, and no longer add to the error of the
# score. Very uneven weights can be bounded (``bounds=``), at the price of margins that no
# longer hold exactly.

# %%
# And what they cannot do
# -----------------------
# Weighting assumes that, within a channel and an age group, those who answer think like
# those who do not. If the angry ones answer more often *there*, no weight knows it. Here
# half of the detractors in every group keep silent, and raking does not notice.

silent = (answers["score"] <= 6) & (rng.random(len(answers)) < 0.5)
kept = answers[~silent].reset_index(drop=True)
still = crm.feedback.nps(kept, weight=crm.feedback.rake(kept, margins=margins))
print(f"raked: {still:.1f} ({still.ci_low:.1f} to {still.ci_high:.1f})")
print(f"truth: {truth:.1f}")
