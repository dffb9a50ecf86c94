"""
From a purchase file to segments and values
===========================================

You have a file of purchases and two questions: which customers deserve which attention,
and how much will each of them buy? This page goes from the one to the other. It works
on simulated purchases, because then the truth is known, and the answers can be checked
against it.
"""

# %%
# The purchases
# -------------
# One row is one item on one order. To use a file of your own, read it with pandas or
# polars and go on from there.

import warnings

import matplotlib.pyplot as plt
import pandas as pd

import crmkit as crm

shop = crm.datasets.make_transactions()
lines = shop.transactions
lines.head()

# %%
# :func:`crmkit.events` names the columns, checks every value, encodes the ids and sorts
# once. Rows that share an order number become one order. The defaults are the column
# names of this table; yours go in as ``customer="CustomerID"`` and so on. Had a row no
# customer, no date or a negative amount, this is where you would hear of it.

log = crm.events(lines, order="order_id", item="item_id")
log

# %%
# Segments
# --------
# Recency, frequency and monetary value are the oldest description of a customer, and
# still a good one. ``as_of`` defaults to the last event in the log, so that the same
# file gives the same answer tomorrow.

summary = crm.rfm.summarize(log)
summary.head()

# %%
# Scores rank each of the three from 1 to 5, where 5 is good; segments give the usual
# names to ranges of scores. Many customers share the lowest numbers of orders, so that
# some score may go to nobody. crmkit warns of that; here it is expected, and the
# warning is silenced.

with warnings.catch_warnings():
    warnings.simplefilter("ignore", crm.errors.DataWarning)
    scores = crm.rfm.score(summary)
segments = crm.rfm.segment(scores)

overview = summary.groupby(segments, observed=True).agg(
    customers=("frequency", "size"),
    orders=("frequency", "mean"),
    revenue=("monetary", "sum"),
)
overview["share"] = overview["revenue"] / overview["revenue"].sum()
overview.sort_values("revenue", ascending=False).round(2)

# %%
# A segment's size and its worth are different things:

shares = overview.assign(
    customers=overview["customers"] / overview["customers"].sum()
).sort_values("share")
fig, ax = plt.subplots(figsize=(8, 5), layout="constrained")
shares[["customers", "share"]].mul(100).plot.barh(
    ax=ax, width=0.8, color=["0.75", "tab:blue"]
)
ax.legend(["customers", "revenue"], frameon=False)
ax.set(
    xlabel=f"% of {len(summary)} customers and of their revenue",
    ylabel="",
    title="Segments",
)
plt.show()

# %%
# Values
# ------
# Scores describe the past. How much somebody *will* buy depends on whether they are
# still a customer, which nobody announces. The BG/NBD model reads both from the rhythm
# of purchases: a long silence means little from somebody who buys twice a year, and a
# lot from somebody who bought every week. It needs three numbers per customer: repeat
# purchases, the time from the first to the last of them, and the time under
# observation.
#
# To see whether it tells the truth, the model gets the first two thirds of the period
# and predicts the last third. ``log.until`` is the past as it was known just before a
# moment: here a midnight, so that the day before is the last that was observed.

first, last = lines["timestamp"].min(), lines["timestamp"].max()
cut = (first + (last - first) * 2 / 3).normalize()
observed = cut - pd.Timedelta(days=1)

known = crm.clv.summarize(log.until(cut), unit="W", end=observed)
model = crm.clv.fit_bg_nbd(known)
model

# %%
# What it expects of each customer in the weeks that follow, and the probability that
# they are still a customer:

weeks = (last.normalize() - observed) / pd.Timedelta(weeks=1)
forecast = pd.DataFrame(
    {
        "alive": crm.clv.p_alive(model, known),
        "expected": crm.clv.expected_purchases(model, known, horizon=weeks),
    }
)
forecast.sort_values("expected", ascending=False).head()

# %%
# And what they did: the days on which each customer bought after the cut.

later = lines[lines["timestamp"] >= cut]
days = later["timestamp"].dt.normalize().groupby(later["customer_id"]).nunique()
forecast["actual"] = days.reindex(forecast.index, fill_value=0)

by_past = forecast.groupby(known["frequency"].clip(upper=7))[
    ["expected", "actual"]
].mean()
fig, ax = plt.subplots(figsize=(8, 4), layout="constrained")
by_past.plot(ax=ax, marker="o")
ax.set(
    xlabel="repeat purchases until the cut (7: seven or more)",
    ylabel=f"purchases per customer in the next {weeks:.0f} weeks",
    title=f"Expected and actual purchases of {len(known)} customers",
    ylim=(0, None),
)
ax.legend(frameon=False)
plt.show()

# %%
# The total is the figure a plan is made with:

forecast[["expected", "actual"]].sum().round(1)

# %%
# Is it right about who is still a customer?
# ------------------------------------------
# In a real file nobody knows: a customer who left and one who pauses look alike. The
# simulation knows. Among customers to whom the model gives about the same probability,
# that share should still be there.

today = crm.clv.summarize(log, unit="W")
alive = crm.clv.p_alive(crm.clv.fit_bg_nbd(today), today)
checked = pd.DataFrame(
    {"probability": alive, "alive": shop.truth["alive"].reindex(alive.index)}
)
checked.groupby(
    pd.cut(alive, [0, 0.2, 0.4, 0.6, 0.8, 1], include_lowest=True), observed=True
).agg(
    customers=("alive", "size"),
    mean_probability=("probability", "mean"),
    share_alive=("alive", "mean"),
).round(2)

# %%
# Where to go from here
# ---------------------
# `One table for everything <plot_store.html>`_ asks all topics at once, after finding out
# which contacts are one person. `Bring your own columns <../howto/columns.html>`_ helps
# with a file of your own, and ``python -m crmkit report orders.csv --customer … --time …
# --amount …`` makes one page of HTML from it.
