"""
What goes with what
===================

Which items are bought together, which rules follow from it, and which of them can be
relied on? This page mines baskets of a simulated grocery, keeps the rules that chance
does not explain, and asks whether they hold in later baskets.
"""

# %%
# The baskets
# -----------
# Thirty-six items for six occasions. Who shops for one occasion takes items of it; that
# is all there is behind the rules.

import matplotlib.pyplot as plt

import crmkit as crm

OCCASIONS = [
    ["milk", "bread", "butter", "jam", "coffee", "yogurt"],
    ["sausages", "beer", "charcoal", "mustard", "steak", "corn"],
    ["flour", "sugar", "eggs", "yeast", "vanilla", "chocolate"],
    ["lettuce", "tomatoes", "cucumber", "olive oil", "vinegar", "feta"],
    ["soap", "sponges", "bleach", "paper towels", "detergent", "bin bags"],
    ["cat food", "cat litter", "dog food", "treats", "straw", "seeds"],
]
shop = crm.datasets.make_interactions(
    n_customers=3_000, n_items=36, n_tastes=6, orders=2.0, habit=0.0, focus=0.6, tail=0.9
)
place = shop.items.groupby("taste").cumcount()
names = {
    item: OCCASIONS[taste][n]
    for item, taste, n in zip(shop.items.index, shop.items["taste"], place, strict=True)
}
lines = shop.lines.assign(item_id=shop.lines["item_id"].map(names))
log = crm.events(lines, order="order_id")
past, later = log.until("2023-10-01"), log.between("2023-10-01", "2024-01-02")
past

# %%
# Sets
# ----
# All sets of items in at least one basket of a hundred. ``closed`` sets carry all the
# information, ``maximal`` ones are the largest.

sets = crm.basket.frequent_itemsets(past, min_support=0.01)
sets[sets["items"].map(len) == 3].head()

# %%
# Rules
# -----
# Who buys this, buys that: the surest first. Confidence alone is misleading where
# everybody buys the second item anyway; lift says how much more often than by chance.

rules = crm.basket.rules(sets, min_confidence=0.05, max_consequent=1, adjust="holm")
columns = ["antecedent", "consequent", "support", "confidence", "lift", "p_value"]
rules[columns].head(8).round(3)

# %%
fig, ax = plt.subplots(figsize=(8, 5.5), layout="constrained")
crm.plot.basket_rules(rules, ax=ax)
plt.show()

# %%
# Which of them are more than chance?
# -----------------------------------
# Of many rules, some look strong by luck. The p-values above are adjusted for the number
# of rules; those below 0.05 are kept. The simulation knows the truth: every rule that is
# kept should stay within one occasion.

kept = rules[(rules["p_value"] < 0.05) & (rules["lift"] > 1.0)]
occasion = {item: n for n, items in enumerate(OCCASIONS) for item in items}
mixed = [
    len({occasion[item] for item in (*left, *right)}) > 1
    for left, right in zip(kept["antecedent"], kept["consequent"], strict=True)
]
print(f"{len(rules)} rules, {len(kept)} kept, {sum(mixed)} of these across occasions")

# %%
# Do they hold?
# -------------
# The best of many rules are those that were lucky too: in later baskets they are a little
# weaker. Look before a campaign is built on one.

again = crm.basket.frequent_itemsets(later, min_support=0.002)
rules_later = crm.basket.rules(again, min_confidence=0.0, max_consequent=1)
both = kept.merge(rules_later, on=["antecedent", "consequent"], suffixes=("", "_later"))
best = both.nlargest(15, "lift")
best[["antecedent", "consequent", "lift", "lift_later"]].round(2)

# %%
for name, rows in {"the best 15": best, "all that were kept": both}.items():
    then, now = rows["lift"].mean(), rows["lift_later"].mean()
    print(f"{name}: a mean lift of {then:.2f}, later {now:.2f}")

# %%
# To offer
# --------
# Rules read well. To show something beside every item, a model of items alike answers
# from the same purchases; with shrinkage, a few shared customers make no neighbour.

seen = crm.recommend.interactions(past)
model = crm.recommend.fit_item_knn(seen, measure="lift", shrinkage=20.0)
crm.recommend.similar_items(model, ["flour"], k=4)
