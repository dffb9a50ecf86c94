"""
Read an A/B test
================

Two campaigns went to customers drawn at random, a third group got nothing. Did they work,
by how much, and is what we see more than chance? The simulated campaign knows the answer,
so that at the end it can be looked up.
"""

# %%
# Before anything else: were the groups drawn as planned?
# -------------------------------------------------------

import matplotlib.pyplot as plt
import pandas as pd

import crmkit as crm

campaign = crm.datasets.make_experiment(n_customers=30_000)
customers = campaign.customers
print(crm.experiment.sample_ratio(customers))

# %%
# Had one customer in eight of the voucher group been lost on the way to this table, the
# check would say so, and nothing below should be believed.

lost = customers[~((customers["arm"] == "voucher") & (customers.index % 8 == 0))]
print(crm.experiment.sample_ratio(lost))

# %%
# Did more of them come?
# ----------------------
# Every comparison runs that check again and reports it first.

visits = crm.experiment.compare_rates(customers, outcome="visited")
visits

# %%
# Did they spend more?
# --------------------
# Spend is mostly zeros and a long tail, which makes for wide intervals. Much of what
# customers spend differs between them anyway, and was known before: taking that out
# (CUPED) leaves the effect and narrows its interval.

spend = crm.experiment.compare_means(customers, outcome="spend")
sharper = crm.experiment.cuped(
    customers, outcome="spend", covariate=["spend_before", "orders"]
)
columns = ["arm", "value", "ci_low", "ci_high", "se", "p_adjusted"]
pd.concat({"as it is": spend.table[columns], "CUPED": sharper.table[columns]}).round(3)

# %%
# Where did it work?
# ------------------
# Segments multiply the chances of a false alarm: p-values are adjusted for all rows of
# the table. And that one segment's interval leaves zero out while another's does not is
# no evidence that they differ. The test for that is a row of its own.

parts = crm.experiment.compare_rates(customers, outcome="visited", by="channel")
fig, ax = plt.subplots(figsize=(8, 4.5), layout="constrained")
crm.plot.experiment_effects(parts, ax=ax)
plt.show()

# %%
parts.heterogeneity.round(4)

# %%
# Looking before the end
# ----------------------
# Who looks at 5 % after every batch of customers finds an effect of nothing in far more
# than 5 % of experiments. Bounds planned for five looks keep the promise.

crm.experiment.boundaries(5).round(4)

# %%
looks = []
for share in (0.2, 0.4, 0.6, 0.8, 1.0):
    so_far = customers.iloc[: int(share * len(customers))]
    table = crm.experiment.compare_rates(so_far, outcome="visited").table
    looks.append(table[table["arm"] == "voucher"][["value", "se"]])
path = crm.experiment.sequential(pd.concat(looks, ignore_index=True))
fig, ax = plt.subplots(figsize=(8, 4.5), layout="constrained")
crm.plot.experiment_looks(path, ax=ax)
plt.show()

# %%
# Without a plan, an interval that holds at every moment is wider, but one may look daily.

always = crm.experiment.sequential(
    pd.concat(looks, ignore_index=True), method="always_valid", effect=0.03
)
always[["look", "value", "ci_low", "ci_high", "decision"]].round(4)

# %%
# How many customers would it have taken?
# ---------------------------------------

print(crm.experiment.power(baseline=0.19, effect=0.02, power=0.8))

# %%
# The truth
# ---------

campaign.truth[
    ["visited_letter", "visited_voucher", "spend_letter", "spend_voucher"]
].mean().round(4)
