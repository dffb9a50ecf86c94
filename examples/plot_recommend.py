"""
What to offer next
==================

Customers buy some things again and again, and now and then something new. This page
recommends both: it learns from past baskets, asks honestly which model foresees the next
ones, makes lists under the rules of a shop, and says why an item is on them. The baskets
are simulated, so that the lists can be held against the true chances in the end.
"""

# %%
# The baskets
# -----------
# One row per order and item. Tastes and habits differ from customer to customer; the
# functions below are not told.

import matplotlib.pyplot as plt
import pandas as pd

import crmkit as crm

shop = crm.datasets.make_interactions(n_customers=1_500, n_items=300)
shop.lines.head()

# %%
# A past and a future
# -------------------
# Models learn from what was bought before October and are judged by what was bought
# after. A random split would let them learn from the future of other customers.

split = crm.recommend.split_by_time(shop.lines, when="2023-10-01", order="order_id")
split

# %%
# Models
# ------
# All of them are fitted to one table of who bought what, how often.

seen = crm.recommend.interactions(split.train)
models = {
    "popularity": crm.recommend.fit_popularity(seen),
    "frequency": crm.recommend.fit_frequency(seen),
    "customers alike": crm.recommend.fit_user_knn(seen),
    "items alike": crm.recommend.fit_item_knn(seen, k=50),
    "EASE": crm.recommend.fit_ease(seen, penalty=100.0),
    "ALS": crm.recommend.fit_als(seen, factors=16, sweeps=30, penalty=0.02),
}
seen

# %%
# Which one foresees best?
# ------------------------
# Repeat purchases and new items are two questions. A count of what each customer bought
# before answers the first better than any model that does not count; it knows nothing
# about the second.

found = crm.recommend.evaluate(models, split, k=[3, 5, 10, 20])
recall = found.metrics.query("metric == 'recall' and k == 10")
recall.pivot_table(
    index="model", columns="items", values="value", observed=True, sort=False
).round(3)

# %%
fig, both = plt.subplots(1, 2, figsize=(10, 4.5), layout="constrained")
crm.plot.recommend_metrics(found, items="all", ax=both[0])
crm.plot.recommend_metrics(found, items="new", ax=both[1])
both[1].get_legend().remove()
plt.show()

# %%
# Intervals of two models may overlap although one is surely better: the same customers
# were asked. The difference from the first model has an interval of its own.

apart = found.differences.query("metric == 'recall' and k == 10 and items == 'new'")
apart[["model", "value", "ci_low", "ci_high", "n"]].round(3)

# %%
# Lists
# -----
# What a customer has is left out, unless repeat purchases are what is wanted.

habits, tastes = models["frequency"], models["ALS"]
someone = seen.customers.values[7]
crm.recommend.top_items(habits, [someone], k=5, exclude="nothing")

# %%
crm.recommend.top_items(tastes, [someone], k=5)

# %%
# Rules of the shop: what is in stock, at most two of one kind, nothing bought in the last
# 60 days. A customer nobody knows gets what was popular of late, and the column source
# says so.

kinds = shop.items["taste"].astype(str).to_dict()
stock = shop.items.index[shop.items["price"] > 3.0]
crm.recommend.top_items(
    tastes,
    [someone, "C99999"],
    k=4,
    exclude="60D",
    allow=stock,
    categories=kinds,
    per_category=2,
    fallback=crm.recommend.fit_popularity(seen, within="30D"),
)

# %%
# How far down the long tail do lists reach? Popularity recommends the same few items to
# everybody, and so do habits where a list has room to fill.

lists = {name: crm.recommend.top_items(model, k=10) for name, model in models.items()}
crm.plot.recommend_coverage(lists, seen)
plt.show()

# %%
# Why?
# ----
# A score can be taken apart into what the customer bought: the contributions add up to
# it.

crm.recommend.explain(models["items alike"], someone, k=1)

# %%
# For habits: how often, how long ago, and how many days usually lie between.

crm.recommend.explain(habits, someone, k=3).round(2)

# %%
# What stands beside an item in the shop may as well stand beside it on the page.

favourite = crm.recommend.top_items(habits, [someone], k=1, exclude="nothing")
crm.plot.recommend_neighbours(models["items alike"], favourite["item_id"][0])
plt.show()

# %%
# The truth
# ---------
# The simulation knows the chance of every item to be the next one. How much of it do five
# items hold: those with the highest chances, and those that the models name? Fitted to
# all baskets, now.

everything = crm.recommend.interactions(shop.lines, order="order_id", amount=None)
final = {
    "frequency": crm.recommend.fit_frequency(everything),
    "ALS": crm.recommend.fit_als(everything, factors=16, sweeps=30, penalty=0.02),
    "popularity": crm.recommend.fit_popularity(everything),
}
some = shop.customers.index[:100]
chances = {customer: shop.chances(customer) for customer in some}
held = {"the best five": [chance.iloc[:5].sum() for chance in chances.values()]}
for name, model in final.items():
    top = crm.recommend.top_items(model, some, k=5, exclude="nothing")
    held[name] = [
        chances[customer][items].sum()
        for customer, items in top.groupby("customer_id")["item_id"]
    ]
pd.Series({name: sum(values) / len(values) for name, values in held.items()}).round(3)

# %%
# Where to go from here
# ---------------------
# The how-to pages evaluate recommenders, serve a model and start without a past; the
# explanation compares the models on a real shop, and has the mathematics of two of them.
