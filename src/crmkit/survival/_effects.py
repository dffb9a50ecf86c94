"""What models of the hazard share: coefficients of terms, what they mean, and how they are read from a customer."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from crmkit import _frame
from crmkit.errors import OptionError
from crmkit.results import Model, critical_value
from crmkit.survival import _covariates

__all__ = ["Effects"]

Floats = npt.NDArray[np.float64]


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class Effects(Model):
    """A fitted model in which terms multiply the hazard, or its odds."""

    columns: Mapping[str, str]
    features: tuple[str, ...]
    terms: tuple[str, ...]
    categories: Mapping[str, tuple[str, ...]]
    dropped: tuple[str, ...]
    coefficients: Floats
    covariance: Floats
    means: Floats
    ranges: Mapping[str, Any]
    penalty: float
    log_likelihood: float
    null_log_likelihood: float
    n: float
    n_events: float
    converged: bool
    iterations: int

    @property
    def _ratio(self) -> str:
        return "hazard_ratio"

    @property
    def standard_errors(self) -> dict[str, float]:
        """Standard error of each coefficient."""
        return dict(zip(self.terms, np.sqrt(np.diag(self.covariance)).tolist(), strict=True))

    def effects(self, *, level: float = 0.95) -> Any:
        """Tell what each term does to the hazard, with intervals.

        Parameters
        ----------
        level : float, default 0.95
            Confidence level of the intervals, between 0 and 1.

        Returns
        -------
        DataFrame
            One row per term: `term`, `coefficient`, `se`, `z`, `p_value`, `hazard_ratio`, `ci_low`, `ci_high`. A hazard ratio
            of 2 means: at any time, twice as likely to leave next. A logistic hazard has `odds_ratio` in its place.
        """
        from scipy.special import erfc

        z = critical_value(level)
        se = np.sqrt(np.diag(self.covariance))
        ratio = self.coefficients / se
        columns = {
            "term": np.array(self.terms, object),
            "coefficient": self.coefficients.copy(),
            "se": se,
            "z": ratio,
            "p_value": erfc(np.abs(ratio) / math.sqrt(2.0)),
            self._ratio: np.exp(self.coefficients),
            "ci_low": np.exp(self.coefficients - z * se),
            "ci_high": np.exp(self.coefficients + z * se),
        }
        return _frame.table(columns)

    def likelihood_ratio(self) -> tuple[float, int, float]:
        """Test whether any term matters, all rows taken to be independent; of a fit with a penalty, which lowers it, a bound.

        Returns
        -------
        tuple of (float, int, float)
            Chi-square statistic, degrees of freedom, and the probability of one this large if no term mattered.
        """
        from scipy.special import chdtrc

        statistic = max(2.0 * (self.log_likelihood - self.null_log_likelihood), 0.0)
        return statistic, len(self.terms), float(chdtrc(len(self.terms), statistic))

    def log_ratio(self, values: Mapping[str, Any]) -> Any:
        """Give the log hazard (or log odds) of one customer, or of many, less that at the means.

        Parameters
        ----------
        values : mapping of str to number, str or array
            Every feature of the model, as single values or as arrays of one length.

        Returns
        -------
        float or ndarray
            0 for a customer at the means. A category the model has not seen is taken for an average, and warned of, as are
            numbers beyond `bounds`.
        """
        out = self._log_ratio(values)
        single = all(np.ndim(values[name]) == 0 for name in self.features)
        return float(out[0]) if single else out

    def bounds(self) -> dict[str, tuple[float, float]]:
        """Return below and above which numbers a prediction is the formula carried on, not anything seen.

        Returns
        -------
        dict
            Low and high of each feature of numbers: beyond them the hazard (or its odds) moves by more than a factor of twenty
            from what it is at the end of the range fitted on.
        """
        return _frame.far_bounds(self.ranges, dict(zip(self.terms, self.coefficients, strict=True)))

    def _log_ratio(self, source: Any) -> Floats:
        X = _covariates.matrix_of(source, self.features, self.terms, self.categories, self.means, self.bounds())
        # term by term: the same sum for a row alone and among others, which a matrix product does not promise
        out = np.zeros(X.shape[0])
        for k in range(X.shape[1]):
            out += self.coefficients[k] * (X[:, k] - self.means[k])
        return out

    def _checked(self, t: Any, survived: Any, longest: float) -> tuple[Floats, Floats]:
        late, early = np.asarray(t, np.float64), np.asarray(survived, np.float64)
        if not ((early >= 0.0) & (early <= late)).all():
            msg = "times are zero or more, and t is not before survived"
            raise OptionError(msg)
        if (late > longest).any():
            msg = f"nothing is known beyond time {longest:g}, the longest observed; t reaches {late.max():g}"
            raise OptionError(msg)
        return late, early

    def _shown(self, how: str) -> list[str]:
        name = self._ratio
        table = self.effects()
        width = max(len(term) for term in self.terms)
        lines = [f"{self.TITLE}: {self.columns['duration']!r} until {self.columns['event']!r}, {how}"]
        lines.append(f"  {'':<{width}}  {name.replace('_', ' '):>12}  {'95 % interval':>19}  {'p':>7}")
        for row in table.to_dict("records"):
            interval = f"{row['ci_low']:.4g} to {row['ci_high']:.4g}"
            lines.append(f"  {row['term']:<{width}}  {row[name]:>12.4f}  {interval:>19}  {row['p_value']:>7.4f}")
        references = ", ".join(f"{name} {levels[0]!r}" for name, levels in self.categories.items())
        if references:
            lines.append(f"  against: {references}")
        lines.append(
            f"  n {self.n:,g}, events {self.n_events:,g}; log-likelihood {self.log_likelihood:.6g}, without terms"
            f" {self.null_log_likelihood:.6g}; converged {self.converged}"
        )
        return lines
