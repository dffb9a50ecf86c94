"""
How much to spend on keeping customers
======================================

A list of whom to call is half of the answer: the other half is where to stop, and what to
offer whom. With two offers and a limited budget, the best choice is no ranking any more.
This page lets the budget grow, looks at what the next euro would still bring, and plays
every choice out with customers whose true intentions are known.
"""

# %%
# The customers
# -------------
# 6,000 of them: how likely each is to leave, and what they are worth if they stay. A
# churn model would deliver the first (see `Who is about to leave, and whom to call
# <plot_churn.html>`_) and a lifetime value the second. Here both are drawn, so that it is
# known what happens in the end.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

import crmkit as crm

rng = np.random.default_rng(3)
n = 6_000
ids = [f"C{i:04d}" for i in range(n)]
p = pd.Series(rng.beta(1.2, 4.0, n), index=ids)  # of leaving
value = pd.Series(rng.gamma(1.5, 80.0, n), index=ids)  # EUR, if they stay
p.describe().round(2)

# %%
# Two offers
# ----------
# A letter costs 1 and wins back one leaver in ten. A call costs 6 and wins back one in
# three, by a discount of 15, which those who would have stayed anyway gladly take, too.

offers = {
    "letter": {"cost": 1.0, "offer_cost": 0.0, "accept": 0.10},
    "call": {"cost": 6.0, "offer_cost": 15.0, "accept": 1 / 3},
}
choice = crm.targeting.choose(p, value=value, cost=0.0, offers=offers, budget=8_000)
choice

# %%
# The second line is what a plan should be made with: what the next euro would add to the
# profit, when it has paid for itself. Above zero, the budget is too small.

# %%
# Let the budget grow
# -------------------

budgets = [500, 1_000, 2_000, 4_000, 8_000, 12_000, 16_000, 24_000, 32_000]
rows = []
for budget in budgets:
    best = crm.targeting.choose(p, value=value, cost=0.0, offers=offers, budget=budget)
    counts = best.customers["offer"].value_counts()
    rows.append(
        {
            "budget": budget,
            "spent": best.expected_cost,
            "profit": best.expected_profit,
            "next_euro": best.budget_price,
            "letters": counts.get("letter", 0),
            "calls": counts.get("call", 0),
        }
    )
plan = pd.DataFrame(rows).set_index("budget")
plan.round(2)

# %%
# Beside it the usual rule: call from the top of the churn ranking until the money is out.

call = offers["call"]
cost = call["cost"] + call["offer_cost"] * (p * call["accept"] + 1 - p)  # expected
gain = p * call["accept"] * value - cost
ranked = pd.DataFrame({"cost": cost, "gain": gain}).loc[p.sort_values().index[::-1]]
spent, earned = ranked["cost"].cumsum(), ranked["gain"].cumsum()
by_churn = [earned[spent <= budget].iloc[-1] for budget in budgets]

fig, axes = plt.subplots(1, 2, figsize=(11, 4.4), layout="constrained")
axes[0].plot(plan.index, plan["profit"], "o-", label="best choice of letter or call")
axes[0].plot(plan.index, by_churn, "s--", color="0.5", label="calls by churn probability")
axes[0].axhline(0, color="0.8", linewidth=1)
axes[0].set(
    xlabel="budget (EUR)",
    ylabel="expected profit (EUR)",
    title=f"What {n:,} customers bring",
)
axes[0].legend(frameon=False)
axes[1].stackplot(
    plan.index,
    plan["letters"],
    plan["calls"],
    labels=["letter", "call"],
    colors=["#9bb8d3", "#1b4f72"],
)
axes[1].set(xlabel="budget (EUR)", ylabel="customers contacted", title="Who gets what")
axes[1].legend(frameon=False, loc="upper left")
axes[1].set_ylim(0, 1.2 * (plan["letters"] + plan["calls"]).max())
plt.show()

# %%
# More money buys letters first, then calls for those who are worth one. Beyond some
# budget nothing is added: whoever is left costs more to contact than it brings. The
# ranking by churn does not see that: it calls many who are worth little.

# %%
# Played out
# ----------
# Expected profit is a promise. Now every customer leaves or not, and every offer is taken
# or not, by the chances above, a thousand times.

chosen = choice.customers["offer"].astype(str)
terms = pd.DataFrame(offers).T.reindex(chosen).fillna(0.0).set_axis(ids)
profits = []
for _ in range(1_000):
    would_leave = rng.random(n) < p
    won_back = would_leave & (rng.random(n) < terms["accept"])
    takes_it = won_back | ~would_leave
    profit = value * won_back - terms["offer_cost"] * takes_it - terms["cost"]
    profits.append(profit.sum())
low, high = np.quantile(profits, [0.025, 0.975])
print(
    f"expected {choice.expected_profit:,.0f}, in the mean of all {np.mean(profits):,.0f}"
)
print(f"in 95 of 100 cases between {low:,.0f} and {high:,.0f}")

# %%
# Had the probabilities been wrong, the choice would be, too: `Profit by the share
# contacted <../howto/profit_curve.html>`_ measures that on customers of the past.
