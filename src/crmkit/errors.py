"""The errors and warnings crmkit raises; every error is also the builtin that callers already catch."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = [
    "ColumnError",
    "ConvergenceWarning",
    "CrmkitError",
    "CrmkitWarning",
    "DataError",
    "DataWarning",
    "FitError",
    "LimitError",
    "MissingExtraError",
    "OptionError",
]


class CrmkitError(Exception):
    """Base class of every error that crmkit raises on purpose."""


class ColumnError(CrmkitError, KeyError):
    """A named column is not in the frame, or is there twice."""

    # KeyError shows the repr of its message, quotes and escapes included; people should read the sentence
    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""

    @classmethod
    def missing(cls, column: str, found: Iterable[str], *, keyword: str | None = None) -> ColumnError:
        """Name the absent column, the nearest present one and the rest."""
        names = [str(name) for name in found]
        near = difflib.get_close_matches(str(column), names, n=1, cutoff=0.6)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        cure = f" Name it with {keyword}=." if keyword else ""
        return cls(f"no column {str(column)!r}; the frame has {names}.{hint}{cure}")


class DataError(CrmkitError, ValueError):
    """The values cannot be used: the message says which column, how many rows, the first place and the cure."""


class OptionError(CrmkitError, ValueError):
    """An argument is outside what the function accepts; the message lists what it accepts."""

    @classmethod
    def choice(cls, keyword: str, given: object, accepted: Iterable[object]) -> OptionError:
        """Say that `given` is not one of the accepted values of `keyword`."""
        return cls(f"{keyword}={given!r} is not one of {sorted(map(repr, accepted))}")


class LimitError(CrmkitError, MemoryError):
    """The work would break a stated limit; raised before the memory is taken, with the number."""


class FitError(CrmkitError, RuntimeError):
    """A model cannot be fitted to these data, or cannot answer what it was asked."""


class MissingExtraError(CrmkitError, ImportError):
    """A library of an optional extra is not installed; the message has the command that installs it."""


class CrmkitWarning(UserWarning):
    """Base class of every warning that crmkit issues."""


class DataWarning(CrmkitWarning):
    """The data are usable, but something about them deserves a look before the result is trusted."""


class ConvergenceWarning(CrmkitWarning):
    """A fit stopped before its criterion was met; the result says ``converged=False``."""
