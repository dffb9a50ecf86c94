"""What a policy can see: the past it is handed, and, where that can be found out, what else it reads."""

from __future__ import annotations

import dataclasses
import dis
import functools
import inspect
import types
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from crmkit import _frame
from crmkit._events import EventLog
from crmkit._frame import Labels
from crmkit.errors import CrmkitError, DataError, DataWarning
from crmkit.results import Model

__all__ = ["refuse_other_logs", "renamed"]

NUMBERED = "iu"


def refuse_other_logs(policy: Callable[[EventLog], Any], name: str, log: EventLog, cutoff: int) -> None:
    """Refuse a policy that reads an event log beyond `cutoff`; warn of models and frames that may know what came later."""
    suspects = []
    for where, thing in _reached(policy):
        if isinstance(thing, EventLog) and thing.columns.get("time") is not None:
            last = int(thing.lines.instant.max())
            same_clock = thing.clock.unit == log.clock.unit and (thing.clock.zone is None) == (log.clock.zone is None)
            if not same_clock or last >= cutoff:
                msg = (
                    f"policy {name!r} reads {where}, an event log that runs to {thing.span.end}, past the cutoff: use the log"
                    " that the policy is handed"
                )
                raise DataError(msg)
        elif isinstance(thing, Model):
            suspects.append(f"{where} (a fitted {type(thing).__name__})")
        elif _runs_past(thing, log, cutoff):
            suspects.append(f"{where} (a frame with times past the cutoff)")
    if suspects:
        warnings.warn(
            f"policy {name!r} reads {', '.join(suspects)}: if what it says comes from after the cutoff, the replay is too good to"
            " be true, and nothing here can tell. Fit and read inside the policy, from the log it is handed."
            " Silence with warnings.simplefilter('ignore', crmkit.errors.DataWarning).",
            DataWarning,
            stacklevel=3,
        )


def renamed(log: EventLog) -> EventLog | None:
    """Return the same log of customers with other names in the same order; None where the ids have no simple other name."""
    values = log.labels.as_index()
    if values.dtype.kind in NUMBERED:
        lowest, highest = int(values.min()), int(values.max())
        step = highest - min(lowest, 0) + 1
        if highest + step > np.iinfo(np.int64).max:
            return None
        others: Any = np.asarray(values, np.int64) + step
    elif all(isinstance(value, str) for value in values):
        others = [f"renamed {value}" for value in values]
    else:
        return None
    frame = _frame.table({"customer": others}, kind=log.labels.kind)
    encoded = _frame.ids(frame, "customer")
    if not np.array_equal(encoded.codes, np.arange(len(log.labels))):
        return None
    return dataclasses.replace(log, labels=Labels(encoded.labels.values, log.labels.kind))


def _reached(policy: Any) -> Iterator[tuple[str, Any]]:
    """Yield what a function reads besides its arguments, by the name it has there, and what its helpers read."""
    seen: set[int] = set()
    waiting: list[tuple[str, Any]] = [("itself", policy)]
    while waiting:
        name, thing = waiting.pop()
        if id(thing) in seen:
            continue
        seen.add(id(thing))
        if isinstance(thing, functools.partial):
            parts = {f"argument {i}": part for i, part in enumerate(thing.args)} | thing.keywords
            waiting += [("itself", thing.func), *parts.items()]
        elif inspect.ismethod(thing):
            waiting += [("self", thing.__self__), (name, thing.__func__)]
        elif isinstance(thing, types.FunctionType):
            if not (thing.__module__ or "").startswith("crmkit."):
                waiting += _names_read(thing)
        elif isinstance(thing, (list, tuple, dict)):
            parts_of = thing.values() if isinstance(thing, dict) else thing
            waiting += [(name, part) for part in list(parts_of)[:100]]
        elif isinstance(thing, (EventLog, Model)) or hasattr(thing, "columns"):
            yield f"`{name}`", thing
        elif callable(thing) and not inspect.isclass(thing) and hasattr(thing, "__dict__"):
            waiting += [*vars(thing).items(), (name, vars(type(thing)).get("__call__"))]


def _names_read(function: types.FunctionType) -> list[tuple[str, Any]]:
    """Return the globals, closed-over variables and defaults that a function reads."""
    found: list[tuple[str, Any]] = []
    cells = zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
    found += [(name, cell.cell_contents) for name, cell in cells if _filled(cell)]
    found += list((function.__kwdefaults__ or {}).items())
    arguments = function.__code__.co_varnames[: function.__code__.co_argcount]
    defaults = function.__defaults__ or ()
    found += list(zip(arguments[len(arguments) - len(defaults) :], defaults, strict=True))
    codes = [function.__code__]
    while codes:
        code = codes.pop()
        codes += [constant for constant in code.co_consts if isinstance(constant, types.CodeType)]
        for step in dis.get_instructions(code):
            if step.opname in ("LOAD_GLOBAL", "LOAD_NAME") and step.argval in function.__globals__:
                found.append((step.argval, function.__globals__[step.argval]))
    return found


def _filled(cell: types.CellType) -> bool:
    try:
        _ = cell.cell_contents
    except ValueError:  # a variable that has no value yet
        return False
    return True


def _runs_past(thing: Any, log: EventLog, cutoff: int) -> bool:
    """Whether a frame holds times from `cutoff` on."""
    if not _frame.is_frame(thing):
        return False
    frame = _frame.read(thing)
    moment = log.clock.in_zone(cutoff)
    for name in dict.fromkeys(frame.columns):
        try:
            column = frame.column(name)
            # text is left alone: reading it as times is slow, and most of it is none
            if not str(getattr(column, "dtype", getattr(column, "type", ""))).lower().startswith(("date", "timestamp")):
                continue
            times = _frame.times(frame, name, ignore=np.ones(len(frame), np.bool_))
            there = times.instant[times.instant != np.iinfo(np.int64).min]
            if there.size and int(there.max()) >= times.clock.instant(moment):
                return True
        except CrmkitError:
            continue
    return False
