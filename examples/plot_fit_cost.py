"""
What a fit costs
================

A purchase model sees a customer as three numbers: how many repeat purchases, the time of
the last, and how long the customer has been known. Customers with the same three count as
one row with a weight, so that a fit costs what the *distinct* rows cost, however many
customers stand behind them.
"""

# %%
# The same shop with more and more customers, observed by the day and by periods of four
# weeks, which leave far fewer different histories.

import time

import matplotlib.pyplot as plt

import crmkit as crm

rows, grains = [], (1, 28)
for n_customers in (1_000, 4_000, 16_000, 64_000):
    shop = crm.datasets.make_transactions(n_customers=n_customers, lines_per_order=1)
    for grain in grains:
        table = crm.clv.summarize(shop.transactions, unit="D", order="order_id")
        time_columns = ["recency", "T"]
        table[time_columns] = (table[time_columns] // grain) * grain
        # a repeat purchase in the first period is not at time zero
        again = table["frequency"] > 0
        table.loc[again, "recency"] += grain
        table["T"] = table["T"] + 2 * grain
        distinct = crm.clv.compress(table)
        crm.clv.fit_bg_nbd(distinct, weight="weight")  # compiled on the first call
        fits = []
        for _ in range(3):
            start = time.perf_counter()
            crm.clv.fit_bg_nbd(distinct, weight="weight")
            fits.append(time.perf_counter() - start)
        rows.append((grain, n_customers, len(distinct), 1000 * min(fits)))

# %%
# Against customers the two lines part; against distinct rows they are one.

fig, axes = plt.subplots(1, 2, figsize=(11, 4.4), layout="constrained", sharey=True)
for axis, place, label in ((axes[0], 1, "customers"), (axes[1], 2, "distinct rows")):
    for grain, name, style in ((1, "days", "o-"), (28, "periods of 4 weeks", "s--")):
        of_grain = [row for row in rows if row[0] == grain]
        axis.plot(
            [r[place] for r in of_grain], [r[3] for r in of_grain], style, label=name
        )
    axis.set_xscale("log")
    axis.set_yscale("log")
    axis.set_xlabel(label)
    axis.legend(frameon=False, title="observed in")
axes[0].set_ylabel("fit of BG/NBD (milliseconds)")
plt.show()
