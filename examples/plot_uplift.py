"""
Whom to mail
============

A voucher costs money. Some customers come because of it, some would have come anyway,
and some are put off. An experiment knows what it did on average; this page asks for whom,
and what it is worth to mail only them.
"""

# %%
# The experiment
# --------------

import matplotlib.pyplot as plt

import crmkit as crm

campaign = crm.datasets.make_experiment(n_customers=30_000)
mailing = campaign.customers[campaign.customers["arm"] != "letter"].reset_index(drop=True)
features = [
    "recency_days", "orders", "spend_before", "newsletter", "channel", "region"
]  # fmt: skip
print(crm.experiment.compare_means(mailing, outcome="spend"))

# %%
# Is there anything to find?
# --------------------------
# Every customer is predicted by models that have not seen that customer. The ranking by
# predicted effect is then held against the two that are used instead: by who is likely to
# come when mailed, and by who is likely to stay away.

scores = crm.uplift.cross_fitted(
    mailing, treatment="arm", outcome="visited", features=features
)
scored = mailing.join(scores).assign(
    likely=scores["outcome_treated"], lost=-scores["outcome_control"]
)
found = crm.uplift.evaluate(
    scored,
    outcome="visited",
    treatment="arm",
    score=["uplift", "likely", "lost"],
    outcome_control="outcome_control",
    outcome_treated="outcome_treated",
)
print(found)

# %%
# Ranked by effect, against each of the others, customer by customer:

found.differences.round(5)

# %%
fig, axes = plt.subplots(1, 2, figsize=(12, 4.6), layout="constrained")
area = crm.uplift.qini(scored["visited"], scored["uplift"], scored["arm"] == "voucher")
crm.plot.uplift_qini(area, ax=axes[0])
crm.plot.uplift_calibration(found, ax=axes[1])
plt.show()

# %%
# Other libraries give the same area other names and other scales. They are all here, so
# that a number from elsewhere can be compared.

area.named

# %%
# What is it worth?
# -----------------
# In money: what customers spend, less 2 for each voucher. The value of a rule is measured
# on the customers whom the experiment happened to treat as the rule would.

worth = crm.uplift.policy_value(
    scored, outcome="spend", treatment="arm", score="uplift", cost=2.0
)
fig, ax = plt.subplots(figsize=(8, 4.6), layout="constrained")
crm.plot.uplift_policy(worth, unit="EUR", ax=ax)
plt.show()

# %%
worth[
    ["policy", "value", "over_none", "over_none_low", "over_none_high", "over_all"]
].round(3)

# %%
# The next campaign
# -----------------
# The model for new customers is fitted on all of them. It reports what it found in the
# rows it had not seen, and draws its predictions towards the effect on everybody as far
# as they were too far apart.

model = crm.uplift.fit(mailing, treatment="arm", outcome="visited", features=features)
model

# %%
next_customers = crm.datasets.make_experiment(n_customers=5_000, rng=1)
effect = crm.uplift.predict(model, next_customers.customers)
mailed = effect.nlargest(1_500).index
truth = next_customers.truth["visited_voucher"]

# the true effect on those mailed, and on all
truth[mailed].mean().round(3), truth.mean().round(3)

# %%
# When there is nothing to find
# -----------------------------
# The letter did nearly the same for everybody. The answer says so instead of ranking
# noise.

letter = campaign.customers[campaign.customers["arm"] != "voucher"].reset_index(drop=True)
flat = crm.uplift.cross_fitted(
    letter, treatment="arm", outcome="visited", features=features
)
print(
    crm.uplift.evaluate(
        letter.join(flat), outcome="visited", treatment="arm", score="uplift"
    )
)
