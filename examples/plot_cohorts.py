"""
Who comes back, and who moves
=============================

A shop wins new customers every month. Do they stay? Do the new ones stay as the old ones
did? And which customers change what they are worth? This page answers with cohort tables,
churn and transitions between segments, on simulated purchases.
"""

# %%
# The purchases
# -------------
# The simulated shop knows which of its customers have left; a real one does not, and the
# functions below are not told.

import matplotlib.pyplot as plt
import pandas as pd

import crmkit as crm

shop = crm.datasets.make_transactions(n_customers=4_000, weeks=104, acquisition_weeks=90)
log = crm.events(shop.transactions, order="order_id")
log

# %%
# Cohorts
# -------
# A cohort is everybody whose first purchase lies in one quarter. ``value`` is the share
# of them who bought again in each later quarter, ``mature`` says whether that quarter is
# over: the last one is not, and what has been seen of it is no retention yet.

table = crm.cohort.retention(log, period="Q")
table.head()

# %%
# The wide view leaves open what is not over:

crm.cohort.triangle(table).round(3)

# %%
# In the picture it is hatched.

fig, ax = plt.subplots(figsize=(8, 4.5), layout="constrained")
crm.plot.cohort_heatmap(table, ax=ax)
plt.show()

# %%
# The average weighs cohorts by their size and takes no quarter before it is over. Later
# quarters rest on fewer cohorts, which the intervals show.

average = crm.cohort.average(table)
average

# %%
fig, ax = plt.subplots(figsize=(8, 4.5), layout="constrained")
crm.plot.cohort_retention(table, ax=ax)
plt.show()

# %%
# Revenue
# -------
# The same customers, by what they spend. Net retention compares a cohort's revenue with
# that of its first quarter; a cohort can grow although customers leave it, if those who
# stay spend more.

money = crm.cohort.retention(log, period="Q", measure="net_revenue")
crm.cohort.average(money)[["period", "n", "value", "ci_low", "ci_high"]].round(3)

# %%
# And what a customer has brought so far, in the currency of the amounts: the line to hold
# against what it cost to win them.

so_far = crm.cohort.retention(log, period="Q", measure="cumulative_revenue")
fig, ax = plt.subplots(figsize=(8, 4.5), layout="constrained")
crm.plot.cohort_retention(so_far, ax=ax)
plt.show()

# %%
# Churn
# -----
# Who has not bought for ninety days is counted as lost, and as resurrected if they come
# back. Every customer is accounted for: ``active`` is ``retained``, ``new`` and
# ``resurrected``, and it is ``n`` of the next month.

churn = crm.cohort.churn_rate(log, inactivity="90D")
over = churn[churn["mature"]]
over.set_index("period").tail().round(3)

# %%
fig, ax = plt.subplots(figsize=(8, 4.5), layout="constrained")
gained = over.set_index("period")[["new", "resurrected"]]
gained.index = gained.index.strftime("%b %y")
gained.plot.bar(ax=ax, stacked=True, width=0.8, color=["tab:blue", "lightsteelblue"])
ax.bar(range(len(over)), -over["churned"], width=0.8, color="tab:orange", label="churned")
ax.set(ylabel="customers", xlabel="", title="Customers won, won back and lost per month")
ax.legend(frameon=False)
plt.show()

# %%
# Segments, and who moved
# -----------------------
# Scored at two dates with the same cut points, so that nobody moves because others did.

middle = log.span.start + (log.span.end - log.span.start) / 2
then, now = crm.rfm.summarize(log, as_of=middle), crm.rfm.summarize(log)
thresholds = crm.rfm.thresholds(now, bins=5, method="rank")
before, after = (
    crm.rfm.segment(crm.rfm.score(summary, thresholds=thresholds))
    for summary in (then, now)
)
crm.rfm.profile(after, now).round(2)

# %%
fig, ax = plt.subplots(figsize=(9, 7), layout="constrained")
crm.plot.rfm_transitions(crm.rfm.transitions(before, after), ax=ax)
plt.show()

# %%
# How much hangs on few
# ---------------------

concentration = crm.rfm.concentration(log)
fig, ax = plt.subplots(figsize=(6, 5), layout="constrained")
crm.plot.rfm_lorenz(concentration, ax=ax)
plt.show()

# %%
# Groups that nobody drew
# -----------------------
# The clusters of k-means come with a warning light: how often they come back when half of
# the customers are drawn anew. Below about 0.8 they are a convenience, not a finding.

found = crm.rfm.cluster(now)
found.model

# %%
pd.DataFrame(
    found.model.centers,
    columns=["recency_days", "frequency", "monetary"],
    index=range(1, found.model.k + 1),
).rename_axis("cluster").round(1).assign(customers=found.model.sizes)
