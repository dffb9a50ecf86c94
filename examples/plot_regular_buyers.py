"""
Customers who buy like clockwork
================================

Coffee, contact lenses, cat food: some things are bought again when they run out. A model
that takes purchases for random is slow to notice that such a customer has left, because
to it a long gap may always be chance. This page lets three models judge the same regular
customers, first on months they have not seen, and then against the truth about who is
still there.
"""

# %%
# The customers
# -------------
# 3,000 of them, each with an interval of their own of 2 to 20 weeks, most around six.
# They keep to it give or take a third. After each purchase some stop for good: one in
# ten on average, of some customers more and of others fewer.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

import crmkit as crm

rng = np.random.default_rng(2)
start, end = pd.Timestamp("2023-01-02"), pd.Timestamp("2024-12-29")
rows, stays = [], {}
for number in range(3_000):
    customer = f"C{number:04d}"
    usual = np.clip(
        rng.gamma(4.0, 11.0), 14.0, 140.0
    )  # days from one purchase to the next
    restless = rng.beta(1.0, 9.0)
    day, last = rng.uniform(0, 270), (end - start).days
    while True:
        if day > last:  # the next purchase would have come after the end
            stays[customer] = True
            break
        rows.append((customer, start + pd.Timedelta(days=int(day))))
        if rng.random() < restless:
            stays[customer] = False
            break
        day += max(rng.gamma(8.0, usual / 8.0), 1.0)
purchases = pd.DataFrame(rows, columns=["customer_id", "timestamp"])
log = crm.events(purchases, amount=None)
log

# %%
# Three models, one holdout
# -------------------------
# Purchases up to the end of June 2024 are known; the half year after that is to be
# foretold. BG/NBD and Pareto/NBD take the gaps of a customer for random. The BG/CNBD
# counts only every k-th event of a random stream as a purchase, which makes gaps more
# alike, and finds the k that fits.

known = crm.clv.split(log, calibration_end="2024-06-30", logs=True).known
models = {
    "BG/NBD": crm.clv.fit_bg_nbd(known),
    "Pareto/NBD": crm.clv.fit_pareto_nbd(known),
    "BG/CNBD": crm.clv.fit_bg_cnbd(known),
}
models["BG/CNBD"]

# %%
# ``skill`` is the share of the squared error of the best forecast without a model that is
# saved, with its standard error.

comparison = crm.clv.compare(models, known).set_index("model")
comparison[["log_score", "rmse", "bias", "skill", "skill_se"]].round(3)

# %%
# Who is still there?
# -------------------
# With all of the data, by the probability that each model gives to having stayed.

today = crm.clv.summarize(log, end="2024-12-29", logs=True)
truth = pd.Series(stays).reindex(today.index)
fitted = {
    "BG/NBD": crm.clv.fit_bg_nbd(today),
    "Pareto/NBD": crm.clv.fit_pareto_nbd(today),
    "BG/CNBD": crm.clv.fit_bg_cnbd(today),
}
fig, axes = plt.subplots(1, 3, figsize=(12, 3.9), layout="constrained", sharey=True)
for ax, (name, model) in zip(axes, fitted.items(), strict=True):
    said = crm.clv.p_alive(model, today)
    for stayed, color, word in (
        (True, "#1b4f72", "still there"),
        (False, "#e08a1e", "gone"),
    ):
        ax.hist(
            said[truth == stayed],
            bins=np.linspace(0, 1, 21),
            color=color,
            alpha=0.75,
            label=f"{word} (n = {(truth == stayed).sum():,})",
        )
    score = crm.metrics.brier(truth, said)
    ax.set(xlabel="P(alive) by the model", title=f"{name}, Brier score {score:.3f}")
axes[0].set_ylabel("customers")
axes[0].legend(frameon=False)
plt.show()

# %%
# One customer
# ------------
# Ten purchases, six weeks apart, and then silence. How long until each model gives up?

weeks = np.arange(0, 41)
silent = pd.DataFrame(
    {
        "frequency": 9,
        "recency": 54.0,
        "T": 54.0 + weeks,
        "log_gaps": 9 * np.log(6.0),
        "unit": "W",
    }
)
fig, ax = plt.subplots(figsize=(8, 4.2), layout="constrained")
for (name, model), style in zip(fitted.items(), ["--", ":", "-"], strict=True):
    ax.plot(weeks, 100 * crm.clv.p_alive(model, silent), style, label=name)
ax.axvline(6, color="0.8", linewidth=1)
ax.text(6.4, 3, "the usual gap", color="0.4")
ax.set(
    xlabel="weeks since the last of ten purchases",
    ylabel="P(alive) (%)",
    title="The same silence, to three models",
    ylim=(0, 102),
)
ax.legend(frameon=False)
plt.show()

# %%
# Where to go from here
# ---------------------
# `Choose a purchase model <../howto/choose_model.html>`_ goes through the models by the
# business they are made for. Where purchases are no more regular than chance, the
# BG/CNBD says so: it finds k = 1, and is then the MBG/NBD.
