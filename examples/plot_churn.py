"""
Who is about to leave, and whom to call
=======================================

Customers of a shop do not say goodbye. They buy, and at some point they no longer do.
This page goes from purchases to a list of customers to call: what silence means, features
that know nothing of the future, a model tested on a time it has not seen, what a campaign
would earn, and whom it should reach.
"""

# %%
# The purchases
# -------------
# Simulated, two years of them.

import matplotlib.pyplot as plt
import numpy as np

import crmkit as crm

shop = crm.datasets.make_transactions(n_customers=3_000, weeks=104, acquisition_weeks=90)
log = crm.events(shop.transactions, order="order_id")
log

# %%
# How long is too long?
# ---------------------
# After a short silence most customers come back, after a long one few do. The silence
# that still goes on today counts too: it is only known to be at least so long.

window = crm.churn.suggest_window(log, at_most=0.2)
fig, ax = plt.subplots(figsize=(8, 4.5), layout="constrained")
crm.plot.churn_window(window, ax=ax)
plt.show()

# %%
# Waiting so long before anything is done would be late. Below, a customer has churned if
# no purchase comes in the next 90 days: a question that can be asked of everybody, today.

# %%
# What was known, and what came after
# -----------------------------------
# A panel stands at several moments of the past, the cutoffs. Features are made of events
# before the cutoff, the label of the 90 days from it on. Customers who have not bought
# for a year are left out: nobody would call them, and to foretell their absence is no
# feat.

options = {"horizon": "90D", "eligible_within": "365D"}
past = crm.churn.panel(
    log, cutoffs=["2023-10-01", "2024-01-01", "2024-04-01", "2024-07-01"], **options
)
past.groupby("cutoff")["churned"].agg(["size", "mean"]).round(3)

# %%
# The last cutoff is kept for the test. The windows of the others are over by then.

later = crm.churn.panel(log, cutoffs=["2024-10-01"], **options)

# %%
# The model
# ---------
# By default a logistic regression and two gradient boostings are tried, each cutoff being
# foretold from earlier ones only, and the one with the best probabilities is taken. All
# that is said below is of the held-out cutoff, which none of this has seen.

model = crm.churn.fit(past)
p = crm.churn.predict(model, later)
report = crm.metrics.ranking_report(later["churned"], p, baseline=later["recency_days"])
report.comparison.round(4)

# %%
# The baseline is what anybody can do without a model: sort by the days since the last
# purchase. It is hard to beat by much where purchases come at random, as here. A high AUC
# alone says little: how high it is depends above all on who is in the panel.

fig, axes = plt.subplots(1, 2, figsize=(11, 4.5), layout="constrained")
depths = np.arange(1, 51) / 50
crm.plot.churn_gains(
    crm.metrics.gains(later["churned"], p, at=depths),
    baseline=crm.metrics.gains(later["churned"], later["recency_days"], at=depths),
    ax=axes[0],
)
crm.plot.churn_calibration(report.calibration, ax=axes[1])
plt.show()

# %%
# What the model goes by: how much worse it gets where a feature is shuffled. Features
# that say the same are shuffled together, or each would stand in for the others.

drivers = crm.churn.drivers(model, later)
fig, ax = plt.subplots(figsize=(8, 4.5), layout="constrained")
crm.plot.churn_drivers(drivers, top=8, ax=ax)
plt.show()

# %%
# What a recency of today would do
# --------------------------------
# A file that was written after the 90 days knows the days since the last purchase *on the
# day it was written*. Added to the panel of July, it makes the model look wonderful in
# cross-validation: it all but holds the label. At the next cutoff nobody has such a file.


def last_seen(known):
    return crm.rfm.summarize(log.until(known), as_of=known)["recency_days"]


def with_it(panel, known):
    panel = panel.droplevel("cutoff").drop(columns="label_end")
    return panel.assign(days_since_last=last_seen(known).reindex(panel.index))


july = past.xs("2024-07-01", level="cutoff", drop_level=False)
leaky = crm.churn.fit(with_it(july, "2024-09-29"), model="boosting")
honest = crm.churn.fit(
    july.droplevel("cutoff").drop(columns="label_end"), model="boosting"
)
for name, fitted, table in (
    ("with the file", leaky, with_it(later, "2024-10-01")),
    ("without it", honest, later),
):
    inside = fitted.metrics["auc"]
    outside = crm.metrics.auc(
        later["churned"], crm.churn.predict(fitted, table).to_numpy()
    )
    print(f"{name:<14} AUC {inside:.3f} inside, {outside:.3f} at the next cutoff")

# %%
# `crm.churn.panel` cannot make this mistake: its features, your own included, only get to
# see the log as it was at the cutoff.

# %%
# What a campaign would earn
# --------------------------
# Say that a churner kept makes three more orders, of the size that a model of spending
# expects of them, from what was known at the cutoff. The offer costs EUR 15, for all who
# take it; a call costs 3; one churner in five accepts.

known = crm.clv.summarize(log.until("2024-10-01"), end="2024-09-30")
worth = 3 * crm.clv.expected_spend(crm.clv.fit_gamma_gamma(known), known)
curve = crm.targeting.profit_curve(
    later["churned"], p, value=worth, offer_cost=15, contact_cost=3, accept=0.2
)
curve

# %%
fig, ax = plt.subplots(figsize=(8, 4.8), layout="constrained")
crm.plot.targeting_profit(curve, currency="EUR", ax=ax)
plt.show()

# %%
# The point is where the probabilities themselves say to stop, with no look at what
# happened. What counts is its profit over contacting everybody, which needs no model.

# %%
# Whom to call today
# ------------------
# The panel of today has features only: its labels lie ahead. Calls and the offers that
# are taken up may cost 1,500 in all.

today = crm.churn.panel(log, cutoffs=[log.span.end], horizon=None, eligible_within="365D")
choice = crm.targeting.choose(
    crm.churn.predict(model, today),
    value=worth,
    cost=3,
    offer_cost=15,
    accept=0.2,
    budget=1_500,
)
choice

# %%
# The list, the most profitable first:

calls = choice.customers[choice.customers["contact"]]
calls.sort_values("expected_profit", ascending=False).head()

# %%
# Would it have picked the right ones?
# ------------------------------------
# A rule can be played again at past moments: it gets the log as it was then, and what
# those it picks did afterwards is compared. The first picks those most likely to leave by
# a model, fitted inside on what was known; the second, simply those silent for longest.


def likely(past):
    cutoffs = [
        f"{past.span.end - np.timedelta64(days, 'D'):%Y-%m-%d}" for days in (270, 180, 91)
    ]
    model = crm.churn.fit(
        crm.churn.panel(past, cutoffs=cutoffs, **options), model="logistic"
    )
    now = crm.churn.panel(
        past, cutoffs=[past.span.end], horizon=None, eligible_within="365D"
    )
    return crm.targeting.choose(
        crm.churn.predict(model, now), value=100.0, cost=0.5, capacity=300
    )


def silent(past):
    recency = crm.rfm.summarize(past)["recency_days"]
    return recency[recency <= 365].nlargest(300).index


replay = crm.targeting.backtest(
    log,
    {"likely to leave": likely, "longest silent": silent},
    cutoffs=["2024-07-01", "2024-10-01"],
    measure="churned",
)
replay.overall.round(3)

# %%
replay.differences.round(3)

# %%
fig, ax = plt.subplots(figsize=(8, 4.5), layout="constrained")
crm.plot.targeting_backtest(replay, ax=ax)
plt.show()

# %%
# What this cannot say is written into the answer:

print(replay.limits)
