"""
What a survey can tell
======================

Customers were asked how likely they are to recommend a shop, in six monthly waves. This
page goes from their answers to a score, and from the score to what is behind it: how
sure it is, whether it moved, why, and what goes with it. The survey is simulated, so
that every answer can be held against the truth.
"""

# %%
# The answers
# -----------

import matplotlib.pyplot as plt

import crmkit as crm

simulated = crm.datasets.make_survey(
    n_customers=4000,
    waves=6,
    drift=2.5,
    response_rate={"Marketplace": 0.15, "Online": 0.25, "Shop": 0.5},
    drivers={"service": 0.65, "quality": 0.45, "price": 0.2, "parking": 0.0},
)
answers = simulated.survey
answers.head()

# %%
# The score
# ---------
# Promoters answer 9 or 10, detractors 0 to 6; the score is the share of the first less
# that of the second, times 100. Only the last wave is of interest for now.

latest = answers[answers["wave"] == 6]
print(crm.feedback.nps(latest))

# %%
# The picture of the answers says more than the number: a score of 20 can be made of
# very different customers.

crm.plot.feedback_distribution(latest)
plt.show()

# %%
# Segments
# --------
# Each with its interval, and the truth beside it:

by_segment = crm.feedback.nps(latest, by="segment")
truth = simulated.truth["nps"].xs(6, level="wave")
by_segment[["value", "ci_low", "ci_high", "answers"]].join(truth).round(1)

# %%

crm.plot.feedback_nps(by_segment, overall=crm.feedback.nps(latest))
plt.show()

# %%
# Those who answer are not those who were asked
# ---------------------------------------------
# Shop customers answer more than three times as often as those of the marketplace, and
# they are happier. Weights make up for it, since it is known how many customers of each
# kind were asked.

base = simulated.truth["customers"].xs(6, level="wave")
weights = crm.feedback.poststratify(latest, by="segment", targets=base.to_dict())
print(weights)
print("as they answered:", crm.feedback.nps(latest))
print("weighted:        ", crm.feedback.nps(latest, weight=weights))
print(f"truth:            {(truth * base).sum() / base.sum():.1f}")

# %%
# Did it move?
# ------------
# The true scores rise by 2.5 points a month. Single months lie within the limits of
# chance; the slope of all of them does not.

trend = crm.feedback.trend(answers)
print(trend.slope)
crm.plot.feedback_trend(trend)
plt.show()

# %%
# The last wave against the first, and why they differ: better scores within the segments,
# or another mix of who answered.

first = answers[answers["wave"] == 1]
print(crm.feedback.nps_difference(latest, first))
change = crm.feedback.decompose_change(crm.feedback.nps(first, by="segment"), by_segment)
crm.plot.feedback_change(change)
plt.show()

# %%
# What goes with the score
# ------------------------
# Four ratings were asked as well. Ratings go together, so coefficients of a regression
# would mislead; each rating's average gain over all orders of entry does not. The
# simulation made service matter most, and parking not at all.

drivers = crm.feedback.key_drivers(
    answers, drivers=["service", "quality", "price", "parking"]
)
crm.plot.feedback_drivers(drivers)
plt.show()

# %%
# What goes with the score need not move it: that is for an experiment to say.
#
# Where to go from here
# ---------------------
# The how-to pages compare waves, report small groups and weight answers to the customer
# base; the explanation shows how often each interval holds the truth.
