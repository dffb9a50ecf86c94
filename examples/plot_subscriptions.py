"""
How long will they stay?
========================

A subscription has lost some of its customers every month. How many will be left in two
years? To go on with the churn rate of today is to be wrong in one direction: those who
leave easily leave first. This page compares three answers given after eight months with
what came to pass.
"""

# %%
# The contracts
# -------------
# Renewed every month; the simulated customers differ in how firmly they stay, and nobody
# changes their mind. All that changes over time is who is still there.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

import crmkit as crm

rng = np.random.default_rng(7)
n = 4_000
leaves = rng.beta(0.7, 4.0, n)  # each customer's own probability of leaving at a renewal
months = rng.geometric(leaves)
mean_rate = leaves.mean()
print(f"true mean probability of leaving at a renewal: {mean_rate:.1%}")

# %%
# They joined in eight monthly groups, and it is the end of the eighth month: of the
# first group eight renewals were seen, of the last one.

seen = np.repeat(np.arange(8, 0, -1), n // 8)
contracts = pd.DataFrame({"age": np.minimum(months, seen), "lost": months <= seen})
contracts.groupby(seen).agg(customers=("lost", "size"), lost=("lost", "sum"))

# %%
# What has been seen
# ------------------
# The Kaplan-Meier curve counts everybody as long as they were watched. Contracts that
# still run are not left out, nor taken for ended.

curve = crm.survival.curve(contracts, duration="age", event="lost")
curve.round(3)

# %%
# The churn rate falls from month to month, though no customer has become more loyal:

rate = curve["events"] / curve["at_risk"]
print((100 * rate).round(1).to_list())

# %%
# Three answers
# -------------
# The first goes on with the average churn rate of all months. The shifted
# beta-geometric model says what is going on instead: each customer leaves at a
# probability of their own, and these are spread over customers. The beta-discrete-Weibull
# lets them also change with age, which here they do not.

constant = contracts["lost"].sum() / contracts["age"].sum()
sbg = crm.clv.fit_sbg(contracts)
bdw = crm.clv.fit_bdw(contracts)
sbg

# %%
# The model found what the simulation was made of: its mean probability of leaving is
# alpha / (alpha + beta).

print(f"constant {constant:.1%}, model {sbg.alpha / (sbg.alpha + sbg.beta):.1%} at first")

# %%
# And two years on
# ----------------

ages = np.arange(25)
truth = np.array([(months > age).mean() for age in ages])
said = {
    "constant churn": (1 - constant) ** ages,
    "shifted beta-geometric": sbg.survival(ages.astype(float)),
    "beta-discrete-Weibull": bdw.survival(ages.astype(float)),
}
fig, ax = plt.subplots(figsize=(8, 4.8), layout="constrained")
ax.axvspan(0, 8, color="0.95")
ax.text(0.3, 4, "seen", color="0.4")
ax.plot(
    ages, 100 * truth, color="0.2", linewidth=4, alpha=0.35, label="what came to pass"
)
for (name, share), style in zip(said.items(), ["--", "-", ":"], strict=True):
    ax.plot(ages, 100 * share, style, label=name)
ax.set(
    xlabel="months since joining",
    ylabel="still there (%)",
    title=f"Forecasts of {n:,} contracts after eight months",
    ylim=(0, 100),
    xlim=(0, 24),
)
ax.legend(frameon=False)
plt.show()

# %%
# In figures, at the end of two years:

curves = pd.DataFrame(said | {"truth": truth}, index=ages)
curves.iloc[-1].round(3)

# %%
# What a new customer is worth
# ----------------------------
# Months to be paid by a new customer over those two years, from each answer: the average
# churn rate gives away a part of the income that is sure to come.

curves.iloc[:-1].sum().round(2)

# %%
# Where to go from here
# ---------------------
# `Churn of contracts <../howto/contracts.html>`_ asks what makes contracts end sooner,
# with curves by group, hazard ratios, and the probability of each running one.
