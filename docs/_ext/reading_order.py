"""The order in which a newcomer reads the examples: from the first file to whole stores, then topic by topic."""

from pathlib import Path

ORDER = (
    "segments_and_values",
    "store",
    "contacts",
    "cohorts",
    "lifetime_value",
    "regular_buyers",
    "subscriptions",
    "churn",
    "budget",
    "experiment",
    "uplift",
    "recommend",
    "baskets",
    "survey",
    "survey_size",
    "weights",
    "fit_cost",
)


def place(filename: str) -> tuple[int, str]:
    """Return what to sort an example by; one without a place comes last."""
    name = Path(filename).stem.removeprefix("plot_")
    return (ORDER.index(name) if name in ORDER else len(ORDER), name)
