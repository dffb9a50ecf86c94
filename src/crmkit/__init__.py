"""Customer analytics as pure functions on DataFrames.

Importing crmkit imports none of its topics: each is loaded when it is first touched.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from crmkit import (
        basket,
        churn,
        clv,
        cohort,
        datasets,
        dedupe,
        errors,
        experiment,
        feedback,
        intervals,
        metrics,
        plot,
        recommend,
        results,
        rfm,
        survival,
        targeting,
        uplift,
    )
    from crmkit._batches import score_batches
    from crmkit._customers import Customers, customers
    from crmkit._events import EventLog, events
    from crmkit._report import report
    from crmkit._warmup import warmup

# name -> the private module a function or class lives in; None: the name is a module itself
_HOME: dict[str, str | None] = {
    "Customers": "_customers",
    "EventLog": "_events",
    "basket": None,
    "churn": None,
    "clv": None,
    "cohort": None,
    "customers": "_customers",
    "datasets": None,
    "dedupe": None,
    "errors": None,
    "events": "_events",
    "experiment": None,
    "feedback": None,
    "intervals": None,
    "metrics": None,
    "plot": None,
    "recommend": None,
    "report": "_report",
    "results": None,
    "rfm": None,
    "score_batches": "_batches",
    "survival": None,
    "targeting": None,
    "uplift": None,
    "warmup": "_warmup",
}

__all__ = [
    "Customers",
    "EventLog",
    "__version__",
    "basket",
    "churn",
    "clv",
    "cohort",
    "customers",
    "datasets",
    "dedupe",
    "errors",
    "events",
    "experiment",
    "feedback",
    "intervals",
    "metrics",
    "plot",
    "recommend",
    "report",
    "results",
    "rfm",
    "score_batches",
    "survival",
    "targeting",
    "uplift",
    "warmup",
]

__version__ = "1.0.0rc1"


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        msg = f"module 'crmkit' has no attribute {name!r}"
        raise AttributeError(msg)
    home = _HOME[name]
    module = importlib.import_module(f"crmkit.{home or name}")
    value = module if home is None else getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return list(__all__)
