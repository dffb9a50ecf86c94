"""
Clean your contacts
===================

One customer is often several records: typed twice, moved, married, entered once in the
shop and once by the call centre. This page finds them without labels, says how sure it
is, and makes one record of each. The contacts are simulated, so that every answer can be
held against the truth; among the traps are families who share a surname, an address and
a phone.
"""

# %%
# The records
# -----------

import matplotlib.pyplot as plt

import crmkit as crm

contacts = crm.datasets.make_records(n_records=5000, duplicates=0.25, rng=7)
records = contacts.records
records.head()

# %%
# One call
# --------
# All it needs to know is what each column holds.

fields = {
    "first_name": "name",
    "last_name": "name",
    "date_of_birth": "date",
    "email": "email",
    "phone": "phone",
    "street": "address",
    "postcode": "id",
    "city": "text",
}
found = crm.dedupe.deduplicate(records, fields)
print(found)

# %%
# The last lines are the result's own account of itself: how many of its links are right,
# how many of the matches among the compared pairs it found, and how many were compared at
# all. Here the truth is known:

candidates = crm.dedupe.candidate_pairs(
    records, blocking=list(found.model.rules.values()), fields=fields
)
print(crm.dedupe.evaluate_clusters(found.clusters, contacts.truth, pairs=candidates))

# %%
# Its recall is a little higher than what the result told, which counted links: a cluster
# also joins records that are linked only through a third.

# %%
# How sure are the links?
# -----------------------
# Most pairs are plainly one person or plainly not; the few between are for people to
# judge.

crm.plot.dedupe_scores(found.pairs)
plt.show()

# %%

crm.dedupe.uncertain_pairs(found.pairs, n=5)

# %%
# Why are two records one person?
# -------------------------------
# Every match weight is a sum. Agreement on an address says nothing here, since people who
# live together agree on it as well.

pair = found.pairs.iloc[800]
why = crm.dedupe.explain_pair(found.model, records, pair["left"], pair["right"])
crm.plot.dedupe_waterfall(why)
plt.show()

# %%
# What each level of agreement weighs, against two strangers:

crm.plot.dedupe_weights(found.model)
plt.show()

# %%
# Is any cluster too large to be believed?
# ----------------------------------------

crm.plot.dedupe_clusters(found.sizes)
plt.show()

# %%
# One record of each person
# -------------------------
# The most frequent value of each field survives, of equals the most recent; street,
# postcode and town always come from one record. Where each value came from is kept.

golden = crm.dedupe.golden_records(
    records,
    found.clusters,
    updated="updated",
    groups=[("street", "postcode", "city")],
    rules={"phone": "most_recent", "email": "most_recent"},
)
golden.records.head()

# %%

golden.provenance.head()

# %%
# Households
# ----------
# People who share surname and address, each of them once:

homes = crm.dedupe.deduplicate(
    records, fields, household=["last_name", "street", "postcode"]
).households
print(f"{found.clusters.nunique():,} people in {homes.nunique():,} households")
