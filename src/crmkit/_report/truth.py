"""What is true of simulated customers, beside which the estimates are shown."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from crmkit.errors import DataError, OptionError

if TYPE_CHECKING:
    import pandas as pd

    from crmkit.datasets import Store

__all__ = ["Truth"]


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """The true rates of the customers of a log, and the simulated store where the log is one.

    Attributes
    ----------
    of_customer : DataFrame
        One row per customer with a purchase: ``purchase_rate`` per week, ``dropout``, ``alive``, ``expected_spend``, and
        ``share``: where two customers are one person whom nobody recognised, each stands for half of them.
    store : Store or None
        The simulation.
    """

    of_customer: pd.DataFrame
    store: Store | None

    @classmethod
    def of(cls, given: Any, customers: Any) -> Truth:
        """Look up what is true of each customer; `given` is a frame by customer, or a store, which knows who is behind an id."""
        from crmkit import datasets

        if isinstance(given, datasets.Store):
            person = given.people.reindex(customers)
            known = given.truth.reindex(person.array)
            place = given.truth.index.get_indexer(person.array)
            share = 1.0 / np.bincount(place[place >= 0], minlength=len(given.truth))[place]
        elif hasattr(given, "index") and hasattr(given, "columns"):
            place, share = given.index.get_indexer(customers), np.ones(len(customers))
            known = given.reindex(customers)
        else:
            msg = "truth is neither a frame indexed by customer nor a simulated store; pass what crmkit.datasets returned"
            raise OptionError(msg)
        if (place < 0).any():
            msg = f"truth: {int((place < 0).sum()):,} customers of the log are not in it; pass the truth of the same simulation"
            raise DataError(msg)
        columns = ["purchase_rate", "dropout", "alive", "expected_spend"]
        table = known[columns].astype({"alive": bool}).set_axis(customers, axis=0)
        return cls(table.assign(share=share), given if isinstance(given, datasets.Store) else None)

    def purchases(self, weeks: float) -> Any:
        """Return each customer's expected purchases in the weeks to come."""
        known = self.of_customer
        rate, dropout = known["purchase_rate"].to_numpy(), known["dropout"].to_numpy()
        # a customer who stays buys at `rate`; leaving after each purchase with probability p makes it (1 - exp(-rate p t)) / p
        exponent = rate * dropout * weeks
        ratio = np.divide(-np.expm1(-exponent), exponent, out=np.ones_like(exponent), where=exponent > 0)
        return known["alive"].to_numpy() * rate * weeks * ratio

    def silence(self, weeks: float) -> Any:
        """Return each customer's probability of buying nothing in the weeks to come."""
        known = self.of_customer
        return 1.0 - known["alive"].to_numpy() * -np.expm1(-known["purchase_rate"].to_numpy() * weeks)
