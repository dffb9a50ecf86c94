"""The one place that starts threads: independent pieces of work, results in the order of the pieces."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from crmkit import _options

Piece = TypeVar("Piece")
Answer = TypeVar("Answer")

__all__ = ["chunks", "count", "run"]


def count(n_threads: int | None = None) -> int:
    """Return how many threads to use: `n_threads`, else CRMKIT_NUM_THREADS, else the cores this process may use."""
    if n_threads is None:
        configured = os.environ.get("CRMKIT_NUM_THREADS", "").strip()
        if not configured:
            return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)
        return _options.whole("CRMKIT_NUM_THREADS", int(configured) if configured.isdecimal() else configured, low=1)
    return _options.whole("n_threads", n_threads, low=1)


def chunks(n: int, size: int) -> list[tuple[int, int]]:
    """Cut ``range(n)`` into half-open pieces of `size`: the pieces follow the data, never the machine."""
    return [(start, min(start + size, n)) for start in range(0, n, size)]


def run(work: Callable[[Piece], Answer], pieces: Sequence[Piece], *, n_threads: int | None = None) -> list[Answer]:
    """Do `work` on every piece and return the answers in the order of the pieces.

    The pool lives for this call only, so a forked child never inherits a pool whose threads are gone.
    """
    workers = min(count(n_threads), len(pieces))
    if workers <= 1:
        return [work(piece) for piece in pieces]
    with ThreadPoolExecutor(max_workers=workers, thread_name_prefix="crmkit") as pool:
        return list(pool.map(work, pieces))
