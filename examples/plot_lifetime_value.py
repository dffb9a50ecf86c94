"""
What customers are worth, and how sure that is
==============================================

A shop without contracts never hears of a customer who leaves. This page fits models
that infer it, checks them on weeks they have not seen, and ends with the value of every
customer and of the base, each with bounds. The purchases are simulated to be like those
of CDNOW, a music shop whose first customers of 1997 half of the literature is about; at
the end it says how to run the page on the real file.
"""

# %%
# The purchases
# -------------
# 2,357 customers whose first purchase lies in the first twelve weeks, watched for 78
# weeks. They buy as a BG/NBD model with the parameters published for CDNOW says, so
# that the truth is known.

import matplotlib.pyplot as plt
import pandas as pd

import crmkit as crm

shop = crm.datasets.make_transactions(
    n_customers=2357,
    weeks=78,
    acquisition_weeks=12,
    start="1997-01-01",
    r=0.243,
    alpha=4.414,
    a=0.793,
    b=2.426,
    p=6.25,
    q=3.74,
    v=15.44,
    rng=1,
)
log = crm.events(shop.transactions, order="order_id")
log

# %%
# Two halves
# ----------
# A model is fitted on the first 39 weeks, and must foretell the other 39.
# :func:`crmkit.clv.split` cuts there. Each customer becomes a row: ``frequency`` counts
# the days with a repeat purchase, ``recency`` is the time from the first purchase to
# the last, ``T`` the time from the first purchase to the end, all in weeks.

known, new = crm.clv.split(log, calibration_end="1997-09-30", end="1998-06-30")
known.head()

# %%
# Three models
# ------------
# All three let customers buy at random, each at a rate of their own, until they leave.
# In the BG/NBD they leave after a repeat purchase, in the MBG/NBD maybe after the very
# first, in the Pareto/NBD at any time. Each fit tells what it found, how sure it is of
# it, and whether the data determine it.

models = {
    "BG/NBD": crm.clv.fit_bg_nbd(known),
    "MBG/NBD": crm.clv.fit_mbg_nbd(known),
    "Pareto/NBD": crm.clv.fit_pareto_nbd(known),
}
models["BG/NBD"]

# %%
# Are they worth it?
# ------------------
# The last three rows need no model. ``skill`` is the share of the squared error of the
# best of them that a model saves: a model whose skill is not clearly above zero is not
# worth it.

comparison = crm.clv.compare(models, known).set_index("model")
comparison[["log_score", "mae", "rmse", "bias", "skill", "skill_se"]].round(3)

# %%
# One model in detail. The prediction intervals at 80 % should hold the total in 80 of
# 100 shops like this one. For single customers they hold more often than that, because
# counts are whole numbers.

model = models["BG/NBD"]
checked = crm.clv.evaluate(model, known)
checked

# %%
# Customers with the same number of repeat purchases, and what they did afterwards:

crm.plot.clv_calibration(checked.by_frequency)
plt.show()

# %%
# Week by week. What is expected here does not look at anybody's purchases, only at when
# customers joined: the curve shows whether the model describes the cohort.

weeks = crm.clv.tracking(
    [models["BG/NBD"], models["Pareto/NBD"]], log, calibration_end="1997-09-30"
)
fig, axes = plt.subplots(1, 2, figsize=(11, 4), layout="constrained")
crm.plot.clv_tracking(weeks, ax=axes[0])
crm.plot.clv_tracking(weeks, cumulative=True, ax=axes[1])
plt.show()

# %%
# Who is still a customer?
# ------------------------
# With the whole file, the model reads the probability from two numbers: how often
# somebody bought, and how long ago the last time was. A long silence weighs more the
# more often somebody used to buy: look along the line of 50 %.

today = crm.clv.summarize(log, end="1998-06-30")
model = crm.clv.fit_bg_nbd(today)
fig, axes = plt.subplots(1, 2, figsize=(11, 4.4), layout="constrained")
crm.plot.clv_p_alive(model, T="78W", ax=axes[0])
crm.plot.clv_expectation(model, T="78W", horizon="39W", ax=axes[1])
plt.show()

# %%
# The simulation knows who is still there. Of customers with about the same probability,
# that share should be:

alive = crm.clv.p_alive(model, today)
truth = shop.truth["alive"].reindex(alive.index)
pd.DataFrame({"said": alive, "true": truth}).groupby(
    pd.cut(alive, [0, 0.25, 0.5, 0.75, 1], include_lowest=True), observed=True
).agg(customers=("said", "size"), said=("said", "mean"), true=("true", "mean")).round(2)

# %%
# How customers differ
# --------------------
# Three quarters buy less often than the mean: a mean customer does not exist. The band
# is what the fit leaves open.

fig, axes = plt.subplots(1, 2, figsize=(11, 4), layout="constrained")
crm.plot.clv_heterogeneity(model, ax=axes[0])
crm.plot.clv_heterogeneity(model, of="dropout", ax=axes[1])
plt.show()

# %%
# What they will spend
# --------------------
# A customer's own mean says little after one or two purchases. The Gamma-Gamma model
# draws it towards the mean of all, the more the fewer purchases there are.

spend = crm.clv.fit_gamma_gamma(today)
pd.DataFrame(
    {
        "frequency": today["frequency"],
        "own mean": today["monetary_value"],
        "expected": crm.clv.expected_spend(spend, today),
    }
).sort_values("own mean").iloc[[1500, 1900, 2300, -1]].round(2)

# %%
# The value of each customer
# --------------------------
# ``current`` is what was earned so far, ``residual`` what is still to come, discounted
# by 10 % a year; both are multiplied by the margin.

value = crm.clv.lifetime_value(model, spend, today, margin=0.3, annual_discount=0.10)
value.describe().round(2)

# %%
fig, axes = plt.subplots(1, 2, figsize=(11, 4), layout="constrained")
crm.plot.clv_value_histogram(value["residual"], ax=axes[0])
crm.plot.clv_value(value["residual"], ax=axes[1])
plt.show()

# %%
# Between which bounds?
# ---------------------
# An expectation of 0.4 purchases never comes true.
# :func:`crmkit.clv.prediction_interval` draws parameters from what the fit leaves open,
# and lets every customer buy by chance.

year = crm.clv.prediction_interval(model, today, horizon="1Y", level=0.8, spend=spend)
year

# %%
year.customers.sort_values("value", ascending=False).head().round(1)

# %%
# And the value of the whole base, by how often customers have bought:

today["bought"] = pd.cut(
    today["frequency"], [-1, 0, 2, 1000], labels=["once", "2 or 3 times", "more often"]
)
crm.clv.equity(model, spend, today, by="bought", margin=0.3, draws=400)[
    ["value", "ci_low", "ci_high", "n", "share"]
].round(2)

# %%
# On the real file
# ----------------
# CDNOW's sample is the file ``CDNOW_sample.txt`` of the literature (also inside the
# wheel of the library lifetimes): one row per purchase day, with the customer, the
# number in the sample, the date, the number of discs and the amount. With it, the page
# begins like this, and the rest stays as it is, but for the comparison with the truth,
# which only a simulation has::
#
#     import importlib.metadata
#
#     files = importlib.metadata.files("lifetimes")
#     path = next(file for file in files if file.name == "CDNOW_sample.txt").locate()
#     names = ["customer_id", "sample_id", "date", "discs", "amount"]
#     lines = pd.read_csv(path, sep=r"\s+", header=None, names=names)
#     lines["timestamp"] = pd.to_datetime(lines["date"].astype(str), format="%Y%m%d")
#     log = crm.events(lines)
#
# Some purchases have an amount of zero. They count as purchases, but the spend model
# knows positive amounts only: fit it on the rows with ``(frequency == 0) |
# (monetary_value > 0)``. `How often prediction intervals hold
# <../explanation/clv_coverage.html>`_ shows what comes of it on CDNOW, and on a shop
# where the models fail.
