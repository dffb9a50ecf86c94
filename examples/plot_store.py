"""
One table for everything
========================

A retailer has contacts in two systems, two years of orders with refunds, and a survey.
The people behind the contacts are found first; then one table says of each of them what
segments, lifetime values, churn, recommendations and the survey know. The store is
simulated, so that the table can be held against the truth.
"""

# %%
# The store
# ---------

import warnings

import matplotlib.pyplot as plt
import pandas as pd

import crmkit as crm

store = crm.datasets.make_store(n_customers=1_500)
store

# %%
# One person, one id
# ------------------
# Every fifth contact is a further record of somebody, misspelt or out of date. Taken for
# customers, records would cut their owners' purchases to pieces.

people = crm.dedupe.deduplicate(store.contacts, fields=store.fields)
people

# %%
# The truth knows who is who:

crm.dedupe.evaluate_clusters(people.clusters, store.people)

# %%
# From here on a customer is a person, in all three tables.

orders, survey, contacts = (
    frame.assign(customer_id=frame["contact_id"].map(people.clusters))
    for frame in (store.orders, store.survey, store.contacts.reset_index())
)
log = crm.events(orders, order="order_id", refunds="subtract")
log

# %%
# The table
# ---------
# :func:`crmkit.customers` calls one topic after the other. What it warns of is expected
# here: many customers share the lowest numbers of orders, so that some score goes to
# nobody, and a few answers and contacts belong to people who bought nothing.

with warnings.catch_warnings():
    warnings.simplefilter("ignore", crm.errors.DataWarning)
    found = crm.customers(log, survey=survey, contacts=contacts, margin=0.4)
found

# %%
# What is printed is the frame ``found.columns``: of each column what it is, in which
# unit, and which function to read about. ``found.table`` has one row per person; here are
# some of its columns.

found.table[
    [
        "orders",
        "revenue",
        "segment",
        "p_alive",
        "expected_purchases",
        "value_residual",
        "churn_probability",
        "next_item",
        "last_answer",
    ]
].head().round(2)

# %%
# What it is good for
# -------------------
# Questions across topics become one line. Who is worth a call: worth more than nine in
# ten, and more likely than not to be gone? And have they complained?

table = found.table
valuable = table["value_residual"] > table["value_residual"].quantile(0.9)
leaving = table["churn_probability"] > 0.5
table[valuable & leaving].groupby("last_answer", observed=True).agg(
    customers=("orders", "size"),
    mean_value=("value_residual", "mean"),
    mean_churn=("churn_probability", "mean"),
).round(2)

# %%
# Segments look back, the residual value looks forward, and they part where somebody
# bought a lot and then fell silent. A box holds the middle half of a segment, its line
# the median; the most extreme people are left out of the picture.

names = table.groupby("segment", observed=True)["value_residual"].median().sort_values()
fig, ax = plt.subplots(figsize=(9, 5), layout="constrained")
ax.boxplot(
    [table.loc[table["segment"] == name, "value_residual"] for name in names.index],
    orientation="horizontal",
    showfliers=False,
    medianprops={"color": "tab:orange", "linewidth": 2},
)
sizes = table["segment"].value_counts()
ax.set_yticks(
    range(1, len(names) + 1), [f"{name} (n = {sizes[name]})" for name in names.index]
)
ax.set(
    xlabel="residual value per person, in the currency of the orders (margin 40 %)",
    title=f"What is still to come from {len(table):,} people, by what they were",
)
ax.grid(axis="x", color="0.9")
plt.show()

# %%
# Is it true?
# -----------
# The store knows who is still a customer. Each person of the table is one of the truth if
# the contacts were put together rightly, so the table is asked by the truth's names.

owner = store.people.groupby(people.clusters.reindex(store.people.index)).first()
truth = store.truth.reindex(owner.reindex(table.index).to_numpy())
checked = pd.DataFrame(
    {"said": table["p_alive"].to_numpy(), "alive": truth["alive"].to_numpy()}
)
groups = pd.cut(checked["said"], [0, 0.2, 0.4, 0.6, 0.8, 1], include_lowest=True)
checked.groupby(groups, observed=True).agg(
    people=("said", "size"), said=("said", "mean"), true=("alive", "mean")
).round(2)

# %%
# Where to go from here
# ---------------------
# Every column comes from a function with options of its own: where the table's defaults
# do not suit you, call that function. ``log.until("2024-07-01")`` makes the table of an
# earlier day, with nothing in it that was not known then.
