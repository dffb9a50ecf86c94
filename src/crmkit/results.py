"""What functions return: an estimate that carries its uncertainty, and the base of every fitted model."""

from __future__ import annotations

import dataclasses
import html
import itertools
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from statistics import NormalDist
from types import MappingProxyType, UnionType
from typing import Any, ClassVar, Self, Union, get_args, get_origin, get_type_hints

import numpy as np

from crmkit import _options
from crmkit.errors import CrmkitError, DataError

__all__ = ["Estimate", "Model"]

# what a file that was changed by hand, or cut short, raises on its way to a model
_MISFITS = (TypeError, ValueError, KeyError, IndexError, AttributeError, OverflowError)


def confidence_level(level: object) -> float:
    """Return `level` as a float, or say that it is not strictly between 0 and 1 (95 is a common slip for 0.95)."""
    return _options.number("level", level, low=0, high=1, ends=False)


def critical_value(level: object) -> float:
    """Return the standard normal quantile that leaves ``(1 - level) / 2`` above it: 1.96 for 0.95."""
    # through the lower tail: 1 - tail loses digits as level nears 1
    return -NormalDist().inv_cdf((1.0 - confidence_level(level)) / 2.0)


def in_percent(level: float) -> str:
    """Write a level so that 99.5% does not read as certainty."""
    return f"{100.0 * level:.10g}%"


class Shown:
    """Base of results: a notebook shows what they print, and the tables in them that are about no single customer."""

    __slots__ = ()
    TABLES: ClassVar[tuple[str, ...]] = ()

    # a result says in words what it is, in one of the two
    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        title, _, more = str(self).partition("\n")
        parts = [f"<p><b>{html.escape(title)}</b></p>"]
        parts += [f'<pre style="overflow-x:auto">{html.escape(more)}</pre>'] if more else []
        # pandas and polars write their tables for notebooks themselves, escaped
        tables = (getattr(getattr(self, name), "_repr_html_", None) for name in self.TABLES)
        parts += [table() or "" for table in tables if table is not None]
        return f"<div>{''.join(parts)}</div>"


@dataclasses.dataclass(frozen=True, slots=True)
class Estimate(Shown):
    """A number with its uncertainty; it formats and converts like the number.

    Attributes
    ----------
    value : float
        The point estimate.
    ci_low, ci_high : float
        Ends of the interval at `level`.
    se : float
        Standard error.
    n : int or float
        Observations behind it; weighted estimates carry the effective number.
    level : float
        Confidence level of the interval.
    method : str
        How the interval was computed.

    Examples
    --------
    >>> from crmkit.results import Estimate
    >>> share = Estimate.normal(0.25, 0.05, n=75, level=0.95, method="wald", bounds=(0.0, 1.0))
    >>> f"{share:.1%}"
    '25.0%'
    >>> round(share.ci_high, 3)
    0.348
    """

    value: float
    ci_low: float
    ci_high: float
    se: float
    n: float
    level: float
    method: str

    @classmethod
    def normal(
        cls,
        value: float,
        se: float,
        *,
        n: float,
        level: float,
        method: str,
        bounds: tuple[float, float] = (-math.inf, math.inf),
    ) -> Self:
        """Build the symmetric normal interval, cut off at the ends of the scale."""
        if not (math.isfinite(value) and math.isfinite(se) and se >= 0):
            msg = f"an estimate needs a finite value and a standard error of zero or more, not {value!r} and {se!r}"
            raise DataError(msg)
        margin = critical_value(level) * se
        low, high = max(bounds[0], value - margin), min(bounds[1], value + margin)
        return cls(float(value), float(low), float(high), float(se), n, float(level), method)

    def __float__(self) -> float:
        return self.value

    def __format__(self, spec: str) -> str:
        return format(self.value, spec) if spec else str(self)

    def __str__(self) -> str:
        around = f"{in_percent(self.level)} {self.method} interval {self.ci_low:.6g} to {self.ci_high:.6g}"
        return f"{self.value:.6g} ({around}, n={self.n:g})"

    def _repr_html_(self) -> str:
        own = {field.name for field in dataclasses.fields(Estimate)}
        rows = [
            ("value", self.value),
            (in_percent(self.level).replace("%", " % interval"), f"{self.ci_low:.6g} to {self.ci_high:.6g}"),
            ("standard error", self.se),
            ("n", f"{self.n:,.6g}"),
            ("method", self.method),
        ]
        more = {field.name: getattr(self, field.name) for field in dataclasses.fields(self) if field.name not in own}
        rows += [(name, value) for name, value in more.items() if isinstance(value, (bool, int, float, str)) and value != ""]
        return html_table(rows, caption=type(self).__name__)

    def to_dict(self) -> dict[str, float | str]:
        """Return the fields as plain values for JSON."""
        return dataclasses.asdict(self)


class Frozen(Shown):
    """Base of frozen dataclasses with read-only mappings, which do not pickle by themselves."""

    __slots__ = ()

    # results cross process boundaries in services and joblib
    def __reduce__(self) -> tuple[Any, ...]:
        fields = {field.name: _thawed(getattr(self, field.name)) for field in dataclasses.fields(self)}  # type: ignore[arg-type]
        return _rebuild, (type(self), fields)


class Model(Frozen):
    """Base of the fitted models, which are frozen dataclasses: what was learned, how well, and from what; never the data.

    A subclass is declared ``@dataclass(frozen=True, slots=True, eq=False, repr=False)`` and names its parameters in
    `PARAMETERS`; the fields `standard_errors`, `log_likelihood`, `n` and `converged` are printed where it has them.
    """

    __slots__ = ()
    PARAMETERS: ClassVar[tuple[str, ...]] = ()
    TITLE: ClassVar[str] = ""
    SCHEMA: ClassVar[int] = 1

    def __post_init__(self) -> None:
        """Make arrays and mappings read-only, so that a shared model cannot drift."""
        for field in dataclasses.fields(self):  # type: ignore[arg-type]
            value = getattr(self, field.name)
            object.__setattr__(self, field.name, _frozen(value))

    def to_dict(self) -> dict[str, Any]:
        """Return the model as plain values that survive JSON, with its `type` and `schema`."""
        fields = {field.name: _plain(getattr(self, field.name)) for field in dataclasses.fields(self)}  # type: ignore[arg-type]
        return {"type": type(self).__name__, "schema": self.SCHEMA, **fields}

    @classmethod
    def from_dict(cls, data: Any) -> Self:
        """Rebuild the model that `to_dict` wrote."""
        if not isinstance(data, Mapping):
            msg = f"expected the mapping that to_dict writes, got {type(data).__name__}"
            raise DataError(msg)
        kind = _model_classes().get(str(data.get("type")))
        if kind is None or not issubclass(kind, cls):
            msg = f"type {data.get('type')!r} is not a {cls.__name__}; import the crmkit topic the model belongs to first"
            raise DataError(msg)
        if data.get("schema") != kind.SCHEMA:
            msg = f"{kind.__name__} was written with schema {data.get('schema')!r}; this crmkit reads schema {kind.SCHEMA}"
            raise DataError(msg)
        declared = {field.name: field for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
        unknown = sorted(set(data) - {"type", "schema"} - set(declared))
        absent = sorted(set(declared) - set(data))
        if unknown or absent:
            msg = f"{kind.__name__} does not match its schema: unknown fields {unknown}, absent fields {absent}"
            raise DataError(msg)
        hints, name = get_type_hints(kind), ""
        try:
            fields = {}
            for name in declared:
                fields[name] = _revive(data[name])
                if not _fits(fields[name], hints[name]):
                    what = f"{data[name]!r}, which is no number" if hints[name] is float else "not what such a model holds"
                    msg = f"{kind.__name__}: {name} is {what}; the file is damaged"
                    raise DataError(msg)
            model = kind(**fields)
            # the parts must go together, too: what cannot be shown was not written
            repr(model)
        except _MISFITS as error:
            if isinstance(error, CrmkitError):
                raise
            msg = f"{kind.__name__}: the fields, up to {name}, do not go together ({type(error).__name__}); the file is damaged"
            raise DataError(msg) from error
        return model

    def __repr__(self) -> str:
        numbers = self._numbers()
        width = max((len(name) for name, _, _ in numbers), default=0)
        lines = [self.TITLE or type(self).__name__]
        for name, value, error in numbers:
            around = "" if error is None else f"   (se {error:.5g})"
            lines.append(f"  {name:<{width}}  {_shown(value)}{around}")
        return "\n".join([*lines, *(f"  {note}" for note in self._notes())])

    def _repr_html_(self) -> str:
        if type(self).__repr__ is not Model.__repr__:  # a model that prints in its own way shows in that way
            return Frozen._repr_html_(self)
        rows = [(name, value, "" if error is None else f"{error:.5g}") for name, value, error in self._numbers()]
        head = ("parameter", "estimate", "standard error")
        if not any(error for _, _, error in rows):
            rows, head = [row[:2] for row in rows], head[:2]  # type: ignore[misc,assignment]
        return html_table(rows, head=head, caption=self.TITLE or type(self).__name__, notes=self._notes())

    def _numbers(self) -> list[tuple[str, Any, float | None]]:
        """Return the parameters by name, each with its standard error where there is one."""
        errors: Mapping[str, float] = getattr(self, "standard_errors", {}) or {}
        return [(name, getattr(self, name), errors.get(name)) for name in self.PARAMETERS]

    def _notes(self) -> list[str]:
        """Say in words how much was fitted, and how well."""
        notes = [
            f"{label} {_shown(getattr(self, name))}"
            for name, label in (("n", "n"), ("log_likelihood", "log-likelihood"), ("converged", "converged"))
            if hasattr(self, name)
        ]
        return [note for note in (", ".join(notes), getattr(self, "diagnosis", "")) if note]


def html_table(
    rows: Iterable[Sequence[object]], *, head: Sequence[str] = (), caption: str = "", notes: Iterable[str] = ()
) -> str:
    """Return a plain table for a notebook, its first column the heads of its rows; nothing in it is taken for markup."""
    left = 'style="text-align:left"'

    def line(cells: Sequence[object], tags: Iterable[str]) -> str:
        return "<tr>" + "".join(f"<{tag} {left}>{_escaped(cell)}</{tag[:2]}>" for cell, tag in zip(cells, tags)) + "</tr>"  # noqa: B905

    parts = [f"<caption {left}><b>{_escaped(caption)}</b></caption>"] if caption else []
    if head:
        titles = line(head, itertools.repeat('th scope="col"'))
        parts.append(f"<thead>{titles}</thead>")
    body = "".join(line(row, itertools.chain(['th scope="row"'], itertools.repeat("td"))) for row in rows)
    parts.append(f"<tbody>{body}</tbody>")
    said = "".join(f"<p>{_escaped(note)}</p>" for note in notes)
    return f"<div><table>{''.join(parts)}</table>{said}</div>"


def _escaped(value: object) -> str:
    return html.escape(_shown(value))


def _model_classes() -> dict[str, type[Model]]:
    found: dict[str, type[Model]] = {}
    waiting = [Model]
    while waiting:
        for kind in waiting.pop().__subclasses__():
            waiting.append(kind)
            # dataclass(slots=True) builds the class anew; the first, undecorated one must not be found
            if "__dataclass_fields__" in vars(kind) and "__slots__" in vars(kind):
                found[kind.__name__] = kind
    return found


def _frozen(value: Any) -> Any:
    """Return arrays and mappings as views nobody can write to, however deep they lie."""
    if isinstance(value, np.ndarray):
        view = value.view()
        view.flags.writeable = False
        return view
    if isinstance(value, Mapping):
        return MappingProxyType({key: _frozen(item) for key, item in value.items()})
    return tuple(_frozen(item) for item in value) if isinstance(value, (list, tuple)) else value


def _thawed(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _thawed(item) for key, item in value.items()}
    return tuple(_thawed(item) for item in value) if isinstance(value, tuple) else value


def _rebuild(kind: type[Any], fields: dict[str, Any]) -> Any:
    return kind(**{name: _frozen(value) if isinstance(value, dict) else value for name, value in fields.items()})


def _shown(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(_shown(item) for item in value)
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _plain(value: Any) -> Any:
    """Turn numpy and mappings into what JSON knows; numbers JSON lacks (inf, nan) are spelled out."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, np.ndarray):
        return {"__array__": _plain(value.tolist()), "__dtype__": value.dtype.str}
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return {"__float__": str(value)}
    json.dumps(value)  # a field that cannot be written is a defect of the model class: fail here, not in the service
    return value


def _fits(value: Any, hint: Any) -> bool:
    """Whether a value read from a file is of the type that a field declares."""
    kind, parts = get_origin(hint) or hint, get_args(hint)
    # from Python 3.12 on, numpy's NDArray may be an alias that stands for the type
    meant = getattr(kind, "__value__", kind)
    kind = get_origin(meant) or meant
    if kind is Any:
        return True
    if kind is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    if kind in (Union, UnionType):
        return any(_fits(value, part) for part in parts)
    if kind is tuple and parts:
        if not isinstance(value, tuple):
            return False
        if parts[-1] is Ellipsis:
            return all(_fits(item, parts[0]) for item in value)
        return len(value) == len(parts) and all(map(_fits, value, parts))
    if kind is Mapping:
        return isinstance(value, Mapping) and all(_fits(name, parts[0]) and _fits(item, parts[1]) for name, item in value.items())
    return isinstance(value, kind) and (kind is bool or not isinstance(value, bool))


def _revive(value: Any) -> Any:
    if isinstance(value, Mapping):
        if set(value) == {"__array__", "__dtype__"}:
            dtype = np.dtype(value["__dtype__"])
            if dtype.kind not in "biufU":
                msg = f"an array of dtype {dtype} is not what to_dict writes; the file is damaged"
                raise DataError(msg)
            return np.array(_revive(value["__array__"]), dtype=dtype)
        if set(value) == {"__float__"}:
            return float(value["__float__"])
        return {key: _revive(item) for key, item in value.items()}
    if isinstance(value, list):
        return tuple(_revive(item) for item in value)
    return value
