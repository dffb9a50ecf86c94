"""What every model of repeat purchases can be asked, on arrays; a model says how, for customers who are still there."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from crmkit import _threads
from crmkit._frame import readonly
from crmkit._kernels import histories as _k
from crmkit.clv._fitted import FittedModel
from crmkit.clv._rows import as_float_arrays, check_histories
from crmkit.errors import FitError, LimitError, OptionError

__all__ = ["Past", "PoissonModel", "PurchaseModel"]

Floats = npt.NDArray[np.float64]


class Past(NamedTuple):
    """Checked histories, as flat arrays of one length."""

    x: Floats
    t_x: Floats
    T: Floats


Kernel = Callable[[Floats, Past, Floats], None]

_CHUNK = 4096  # distinct rows in one piece of work
_CELLS = 500_000_000  # probabilities in one answer: 4 GB
_SAMPLE = 4096  # rows looked at to tell whether rows repeat


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False, kw_only=True)
class PurchaseModel(FittedModel):
    """A fitted model of repeat purchases and of silently leaving.

    What is to come depends on the history through x and T alone once a customer is known to be alive at T; a model supplies
    that part, P(alive at T), and its likelihood.
    """

    CAPABILITIES: ClassVar[tuple[str, ...]] = (
        "p_alive",
        "expected_purchases",
        "purchase_distribution",
        "discounted_purchases",
    )

    # whether the future of a customer alive at T depends on when the last purchase was
    WAITS: ClassVar[bool] = False

    # in what customers differ, by the name it has in simulations and pictures, and the two parameters of its distribution: first
    # how they buy, then how they leave
    _CHARACTERS: ClassVar[Mapping[str, tuple[str, str]]] = MappingProxyType({})

    # parameters that covariates can scale: by exp(sign * coefficient * covariate)
    SIGNS: ClassVar[Mapping[str, float]] = MappingProxyType({})

    unit: str | None
    coefficients: Mapping[str, Mapping[str, float]] = dataclasses.field(default_factory=dict)

    def _numbers(self) -> list[tuple[str, Any, float | None]]:
        effects = {f"{column} on {name}": effect for name, own in self.coefficients.items() for column, effect in own.items()}
        of_traits = [(name, effect, self.standard_errors.get(name, math.nan)) for name, effect in effects.items()]
        return [*super(PurchaseModel, self)._numbers(), *of_traits]

    def of(self, covariates: Mapping[str, float]) -> Self:
        """Give the model of customers with these traits: one without covariates, whose methods score them.

        Parameters
        ----------
        covariates : mapping
            The value of each column that the model was fitted with.

        Returns
        -------
        PurchaseModel
            A model of the same kind with the parameters of such customers.
        """
        scaled = {}
        for parameter, own in self.coefficients.items():
            missing = sorted(set(own) - set(covariates))
            if missing:
                msg = f"the model needs a value of {', '.join(map(repr, missing))}, which scales {parameter}"
                raise OptionError(msg)
            by = math.fsum(coefficient * float(covariates[column]) for column, coefficient in own.items())
            scaled[parameter] = getattr(self, parameter) * math.exp(self.SIGNS[parameter] * by)
        return dataclasses.replace(self, **scaled, coefficients={}, covariance=(), standard_errors={})

    def p_alive(self, x: Any, t_x: Any, T: Any, t: Any = 0.0) -> Any:
        """Give the probability that a customer with this history has not left by T + t.

        Parameters
        ----------
        x : int or array
            Repeat purchases.
        t_x, T : float or array
            Time of the last purchase and of the end of observation, both since the first purchase, in `unit`.
        t : float or array, default 0.0
            Time after T, in `unit`, whether or not the customer buys in it.

        Returns
        -------
        float or ndarray
            Between 0 and 1.
        """
        single, shape, (ahead, *history) = self._read(t, x, t_x, T)
        out = self._alive(*history)
        if ahead.any():
            out = out * self._on_distinct(self._stays, ahead, history, None)
        return self._shaped(out, single, shape)

    def expected_purchases(self, t: Any, x: Any = None, t_x: Any = None, T: Any = None, *, n_threads: int | None = None) -> Any:
        """Give the purchases to expect in the next `t` after T, or in the first `t` of a new customer.

        Parameters
        ----------
        t : float or array
            Length of the horizon, in `unit`.
        x, t_x, T : number or array, optional
            The history, as in `p_alive`. Without them: a customer who has just made the first purchase.
        n_threads : int, optional
            Threads; the answer does not depend on it.

        Returns
        -------
        float or ndarray
            Expected number of purchases.
        """
        single, shape, (ahead, *history) = self._read(t, x, t_x, T)
        out = self._alive(*history) * self._on_distinct(self._purchases, ahead, history, n_threads)
        return self._shaped(out, single, shape)

    def discounted_purchases(
        self,
        rate: float,
        x: Any = None,
        t_x: Any = None,
        T: Any = None,
        *,
        t: Any = math.inf,
        n_threads: int | None = None,
    ) -> Any:
        """Give the purchases to expect after T, each discounted to T at a continuous rate.

        Parameters
        ----------
        rate : float
            A purchase at T + u counts exp(-rate u); per `unit`, zero or more.
        x, t_x, T : number or array, optional
            The history, as in `p_alive`. Without them: a customer who has just made the first purchase, which is not counted.
        t : float or array, default inf
            Length of the horizon, in `unit`; an endless one needs a positive rate.
        n_threads : int, optional
            Threads; the answer does not depend on it.

        Returns
        -------
        float or ndarray
            Discounted expected number of purchases (DERT where the horizon is endless).
        """
        discount = float(rate)
        if not 0.0 <= discount < math.inf:
            msg = f"rate={rate!r} is not a discount rate of zero or more per unit of time"
            raise OptionError(msg)
        single, shape, (ahead, *history) = self._read(t, x, t_x, T, endless=discount > 0.0)

        def kernel(ahead: Floats, past: Past, out: Floats) -> None:
            self._discounted(discount, ahead, past, out)

        out = self._alive(*history) * self._on_distinct(kernel, ahead, history, n_threads)
        return self._shaped(out, single, shape)

    def purchase_distribution(self, n: int, t: Any, x: Any = None, t_x: Any = None, T: Any = None) -> Floats:
        """Give the probabilities of 0, 1, ..., n purchases in the next `t` after T, and of more than n.

        Parameters
        ----------
        n : int
            Largest number of purchases told apart.
        t : float or array
            Length of the horizon, in `unit`.
        x, t_x, T : number or array, optional
            The history, as in `p_alive`. Without them: a customer who has just made the first purchase.

        Returns
        -------
        ndarray
            n + 2 probabilities along the last axis; they add up to 1.

        Raises
        ------
        LimitError
            There would be more than 500 million probabilities, 4 GB; the work takes up to three times as much.
        """
        single, shape, (ahead, *history) = self._read(t, x, t_x, T)
        if ahead.size * (n + 2) > _CELLS:
            msg = f"{ahead.size:,} rows of {n + 2:,} probabilities are more than {_CELLS:,}; ask fewer rows, or a smaller n"
            raise LimitError(msg)
        alive = self._alive(*history)
        out = self._on_distinct(self._count_probabilities, ahead, history, None, columns=n + 2) * alive[:, None]
        out[:, 0] += 1.0 - alive
        return out[0] if single else out.reshape((*shape, n + 2))

    # what a model supplies: checked flat arrays in, one number per row out, for customers alive at T

    def _alive(self, x: Floats, t_x: Floats, T: Floats) -> Floats:
        raise NotImplementedError

    def _stays(self, t: Floats, past: Past, out: Floats) -> None:
        raise NotImplementedError

    def _purchases(self, t: Floats, past: Past, out: Floats) -> None:
        raise NotImplementedError

    def _discounted(self, rate: float, t: Floats, past: Past, out: Floats) -> None:
        raise NotImplementedError

    def _count_probabilities(self, t: Floats, past: Past, out: Floats) -> None:
        raise NotImplementedError

    def _future(self, x: Floats, t_x: Floats, T: Floats) -> tuple[int, Floats]:  # noqa: ARG002 - models that have one read them
        """Tell what a customer alive at T goes on by: a kind, and six numbers per row, as `_kernels.futures` reads them."""
        msg = (
            f"futures of a {self.TITLE} cannot be drawn, so it has no intervals, simulations or equity; clv.p_alive,"
            " clv.expected_purchases and the like do answer"
        )
        raise FitError(msg)

    # how it is asked

    def _same_for_all(self) -> None:
        """Refuse to answer without covariates where there are some."""
        if self.coefficients:
            columns = sorted({column for own in self.coefficients.values() for column in own})
            msg = (
                f"this {self.TITLE} has covariates ({', '.join(columns)}): score tables that hold them with clv.p_alive,"
                " clv.expected_purchases and the like, or one kind of customer with model.of({...})"
            )
            raise FitError(msg)

    def _read(
        self, t: Any, x: Any, t_x: Any, T: Any, *, endless: bool = False
    ) -> tuple[bool, tuple[int, ...], tuple[Floats, Floats, Floats, Floats]]:
        self._same_for_all()
        given = [value is not None for value in (x, t_x, T)]
        if any(given) and not all(given):
            msg = "a history is x, t_x and T together; none of them stands for a new customer"
            raise OptionError(msg)
        single, shape, arrays = as_float_arrays(t, *((x, t_x, T) if any(given) else (0.0, 0.0, 0.0)))
        ahead, counts, last, end = arrays
        check_histories(counts, last, end)
        fine = (ahead >= 0.0).all() and (endless or not np.isinf(ahead).any())
        if not fine:
            msg = "the horizon t must be zero or more, and finite" + (
                "" if endless else "; where purchases are discounted at a positive rate it may be infinite"
            )
            raise OptionError(msg)
        return single, shape, (ahead, counts, last, end)

    def _on_distinct(
        self, kernel: Kernel, t: Floats, history: list[Floats], n_threads: int | None, *, columns: int | None = None
    ) -> Floats:
        """Answer each distinct row once: the answers cost what the distinct rows cost."""
        x, t_x, T = history
        tail = () if columns is None else (columns,)
        if x.size == 1:
            out = np.empty((1, *tail))
            kernel(t, Past(x, t_x, T), out)
            return out
        which = None
        if _repeats(t, x, t_x, T, waits=self.WAITS):
            first, which = _distinct(t, x, T)
            if self.WAITS:
                first, which = _distinct(which, t_x, which)
            t, x, t_x, T = (values[first] for values in (t, x, t_x, T))
        # kernels prepare each count of purchases once; short integers sort in linear time
        short = x.astype(np.uint16) if x.max(initial=0.0) < 65_536.0 else x
        order = np.argsort(short, kind="stable")
        t, x, t_x, T = (readonly(values[order]) for values in (t, x, t_x, T))
        answers = np.empty((order.size, *tail))

        def work(piece: tuple[int, int]) -> None:
            part = slice(*piece)
            kernel(t[part], Past(x[part], t_x[part], T[part]), answers[part])

        _threads.run(work, _threads.chunks(order.size, _CHUNK), n_threads=n_threads)
        out = np.empty_like(answers)
        out[order] = answers
        return out if which is None else out[which]

    def _shaped(self, out: Floats, single: object, shape: tuple[int, ...]) -> Any:
        if not np.isfinite(out).all():
            msg = f"the answer is beyond the numbers of the machine at these parameters ({self.diagnosis})"
            raise FitError(msg)
        return float(out[0]) if single else out.reshape(shape)


def _repeats(t: Floats, x: Floats, t_x: Floats, T: Floats, *, waits: bool) -> bool:
    """Tell whether it pays to look for equal rows: of a sample of a large table, spread over it, some are equal."""
    if x.size <= _SAMPLE:
        return True
    at = np.linspace(0, x.size - 1, _SAMPLE).astype(np.int64)
    some = [values[at] for values in ((t, x, T, t_x) if waits else (t, x, T))]
    order = np.lexsort(some)
    same = np.ones(_SAMPLE - 1, np.bool_)
    for values in some:
        ordered = values[order]
        same &= ordered[1:] == ordered[:-1]
    return bool(np.count_nonzero(same) > _SAMPLE // 100)


def _distinct(*columns: Any) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return where each distinct row of three columns appears first, and which of them each row is."""
    first, which = np.empty(columns[0].size, np.int64), np.empty(columns[0].size, np.int64)
    u, v, w = (readonly(values.view(np.int64)) for values in columns)
    return first[: _k.distinct(u, v, w, first, which)], which


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class PoissonModel(PurchaseModel):
    """A model whose customers, while they stay, buy at times of a Poisson process, with rates Gamma(r, alpha) over customers."""

    CAPABILITIES: ClassVar[tuple[str, ...]] = (*PurchaseModel.CAPABILITIES, "next_purchase")

    r: float
    alpha: float

    def next_purchase(self, quantile: Any, x: Any = None, t_x: Any = None, T: Any = None) -> Any:
        r"""Give the time after T by which a customer who stays makes the next purchase with a given probability.

        Parameters
        ----------
        quantile : float or array
            Probability, from 0 to below 1; 0.5 is the median.
        x, t_x, T : number or array, optional
            The history, as in `p_alive`. Without them: a customer who has just made the first purchase.

        Returns
        -------
        float or ndarray
            Time after T, in `unit`.

        Notes
        -----
        Gaps between purchases of a customer who stays are Lomax with shape r + x and scale alpha + T: the quantile is
        :math:`(\alpha + T)((1-q)^{-1/(r+x)} - 1)`.
        """
        single, shape, (level, x, t_x, T) = self._read(quantile, x, t_x, T)
        if (level >= 1.0).any():
            msg = "a quantile is a probability from 0 to below 1"
            raise OptionError(msg)
        return self._shaped(self._wait(level, Past(x, t_x, T)), single, shape)

    def p_again(self, x: Any = None, t_x: Any = None, T: Any = None) -> Any:
        """Give the probability that the customer buys at least once more, however much later.

        Parameters
        ----------
        x, t_x, T : number or array, optional
            The history, as in `p_alive`. Without them: a customer who has just made the first purchase.

        Returns
        -------
        float or ndarray
            Between 0 and 1: still there at T, and not leaving before the next purchase.
        """
        single, shape, (_, *history) = self._read(0.0, x, t_x, T)
        return self._shaped(self._alive(*history) * self._again(Past(*history)), single, shape)

    # unless a model says otherwise, every event is a purchase, and customers leave at one, never before it

    def _wait(self, level: Floats, past: Past) -> Floats:
        with np.errstate(over="ignore"):
            waited: Floats = (self.alpha + past.T) * np.expm1(-np.log1p(-level) / (self.r + past.x))
        return waited

    def _again(self, past: Past) -> Floats:
        """P(the next purchase is made before leaving), of a customer alive at T."""
        return np.ones(past.x.size)
