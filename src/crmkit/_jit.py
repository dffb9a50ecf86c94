"""The one place that knows numba: what a kernel is, and how it is compiled and cached."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import TypeVar, cast

import numba

F = TypeVar("F", bound=Callable[..., object])

__all__ = ["kernel", "summing_kernel"]

# sums in any order, products fused with sums; nan, inf and division keep their meaning
REORDERED = {"reassoc", "contract", "nsz"}


def kernel(function: F) -> F:
    """Compile `function` on its first call; arrays in, arrays out, no Python objects, no exceptions.

    - `nogil`: kernels run side by side in plain threads. numba's own parallel mode is not used: its thread pools abort
      the process when several Python threads enter at once, or after a fork.
    - `error_model="numpy"`: a division by zero gives inf or nan as arrays do; without the check, loops vectorise.
    - no fastmath: it assumes that nan and inf do not exist, and reorders sums.
    - lazy signatures: importing crmkit compiles nothing.
    - cached on disk where some folder is writable. In a read-only install without a home numba finds none and raises
      at once; then every process compiles for itself.
    """
    return cast(F, _cached(numba.njit(nogil=True, error_model="numpy")(function)))


def summing_kernel(function: F) -> F:
    """Compile `function` like `kernel`, but let sums be reordered: for long single precision sums of products alone.

    Added up one after the other, such a sum cannot use vector instructions, and takes ten times as long. The order is
    settled when the kernel is compiled: the same arrays give the same bits on one machine, not on any. A loop that writes
    to one array and reads others has two versions, of which the slow one runs where they lie close together in memory: keep
    them apart, or bits depend on what was free.
    """
    return cast(F, _cached(numba.njit(nogil=True, error_model="numpy", fastmath=REORDERED)(function)))


def _cached(compiled: F) -> F:
    # with NUMBA_DISABLE_JIT=1 numba hands the plain function back
    if hasattr(compiled, "enable_caching"):
        with contextlib.suppress(RuntimeError):
            compiled.enable_caching()
    return compiled
