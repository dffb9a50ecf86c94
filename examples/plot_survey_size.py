"""
How many answers does it take?
==============================

Before a survey goes out somebody asks how many answers are needed, and afterwards
somebody reads a story into a difference of four points. Both questions have the same
answer: the margin of error. This page plans a survey, checks the plan by simulation, and
shows what a change must be to be seen at all.
"""

# %%
# The margin of error
# -------------------
# A score of 30 can come from a split or a lukewarm crowd; what matters for the margin is
# how many promoters and detractors there are. Say from the last wave: half are promoters,
# a fifth detractors.

import matplotlib.pyplot as plt
import numpy as np

import crmkit as crm

promoters, detractors = 0.5, 0.2
variance = promoters + detractors - (promoters - detractors) ** 2
for margin in (10, 5, 3, 2):
    needed = crm.feedback.nps_sample_size(margin=margin, variance=variance)
    print(f"for a margin of ± {margin:>2} points: {needed:,} answers")

# %%
# Half the margin costs four times the answers.
#
# Does the interval keep its word?
# --------------------------------
# At each number of answers, 1,000 surveys of customers with a true score of 30: how wide
# the intervals are, and how many of them hold the truth. That share is itself known to
# within 1.4 percentage points, with so many surveys.

rng = np.random.default_rng(5)
sizes = [20, 50, 100, 200, 500, 1_000, 2_000]
widths, held = [], []
for n in sizes:
    counts = rng.multinomial(n, [0.5, 0.3, 0.2], size=1_000)
    inside, width = 0, []
    for count in counts:
        found = crm.feedback.nps(np.repeat([10, 8, 3], count))
        inside += found.ci_low <= 30 <= found.ci_high
        width.append((found.ci_high - found.ci_low) / 2)
    widths.append(np.mean(width))
    held.append(inside / len(counts))

fig, axes = plt.subplots(1, 2, figsize=(11, 4.2), layout="constrained")
axes[0].loglog(sizes, widths, "o-", color="#1b4f72")
axes[0].set_xticks(sizes, [f"{size:,}" for size in sizes])
axes[0].set_yticks([2, 3, 5, 10, 20, 30], ["2", "3", "5", "10", "20", "30"])
axes[0].minorticks_off()
axes[0].set(xlabel="answers", ylabel="margin of error (± NPS points)", title="How wide")
axes[1].semilogx(sizes, 100 * np.array(held), "o-", color="#1b4f72")
axes[1].axhline(95, color="#e08a1e", linestyle="--")
axes[1].set_xticks(sizes, [f"{size:,}" for size in sizes])
axes[1].minorticks_off()
axes[1].set(
    xlabel="answers",
    ylabel="intervals that hold the truth (%)",
    title="How often right, of 1,000 surveys each",
    ylim=(90, 100),
)
for ax in axes:
    ax.grid(color="0.9")
plt.show()

# %%
# What a change must be to be seen
# --------------------------------
# Two waves differ by the margins of both. With 500 answers each, this is the probability
# of calling a true change a change, at the usual 5 %:

for points in (3, 5, 8, 12):
    chance = crm.feedback.nps_power(difference=points, n=500, variance=variance)
    print(f"a change of {points:>2} points is seen in {chance:.0%} of the cases")

# %%
# And so many in each wave, to see one in four cases out of five:

for points in (3, 5, 8, 12):
    needed = crm.feedback.nps_sample_size(difference=points, variance=variance)
    print(f"a change of {points:>2} points needs {needed:,} answers in each wave")

# %%
# Where to go from here
# ---------------------
# `Compare waves <../howto/compare_waves.html>`_ reads changes, `Report small groups
# <../howto/small_samples.html>`_ those with few answers.
