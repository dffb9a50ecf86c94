"""How long one customer takes, asked of a model by plain numbers and through a frame: ``python benchmarks/service.py``."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from statistics import median

import numpy as np

import crmkit as crm

REPEATS = 300
MANY = 100_000


def milliseconds(work: Callable[[], object], repeats: int = REPEATS) -> float:
    """Return the median of `repeats` calls, after one that compiles."""
    work()
    taken = []
    for _ in range(repeats):
        started = time.perf_counter()
        work()
        taken.append(1e3 * (time.perf_counter() - started))
    return median(taken)


def main() -> None:
    """Fit, write, read back, ask."""
    log = crm.events(crm.datasets.make_transactions().transactions, order="order_id")
    summary = crm.clv.summarize(log, unit="W")
    text = json.dumps(crm.clv.fit_bg_nbd(summary).to_dict())
    model, row = crm.clv.BgNbd.from_dict(json.loads(text)), summary.head(1)
    one = 2.0, 30.4, 38.9
    many = [np.full(MANY, value) for value in one]
    print(f"{len(text)} characters of JSON")
    for name, work in {
        "plain numbers": lambda: (model.p_alive(*one), model.expected_purchases(13.0, *one)),
        "a frame of one row": lambda: (crm.clv.p_alive(model, row), crm.clv.expected_purchases(model, row, horizon="13W")),
    }.items():
        print(f"p_alive and expected purchases, {name}: {milliseconds(work):.3f} ms")
    print(f"expected purchases, {MANY:,} at once: {milliseconds(lambda: model.expected_purchases(13.0, *many), 20):.1f} ms")


if __name__ == "__main__":
    main()
