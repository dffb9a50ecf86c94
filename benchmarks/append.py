"""What a day of new rows costs, beside building the log of all rows anew: ``python benchmarks/append.py [rows]``."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from functools import partial
from statistics import median

import numpy as np
import pandas as pd

import crmkit as crm

OLD, NEW, ROUNDS = 5_000_000, 10_000, 3


def processor_seconds(work: Callable[[], object]) -> float:
    """Return the median of processor time over a few calls."""
    taken = []
    for _ in range(ROUNDS):
        started = time.process_time()
        work()
        taken.append(time.process_time() - started)
    return median(taken)


def purchases(n: int, first_day: int, days: int, *, text: bool) -> pd.DataFrame:
    """Return rows in order of time, of customers a tenth as many as old rows, three lines an order."""
    rng = np.random.default_rng([n, first_day])
    customer = rng.integers(0, OLD // 10, n)
    seconds = np.sort(rng.integers(0, days * 86_400, n)) + first_day * 86_400
    frame = pd.DataFrame({"customer_id": customer, "timestamp": pd.to_datetime(seconds, unit="s"), "amount": rng.random(n)})
    frame["order_id"] = seconds // 3 * 1_000_000 + customer
    frame["item_id"] = rng.integers(0, 5_000, n)
    return frame.assign(customer_id="C" + frame["customer_id"].astype(str)) if text else frame


def main() -> None:
    """Append to logs of numbers and of text, without and with orders and items."""
    n = int(sys.argv[1]) if len(sys.argv) > 1 else OLD
    crm.warmup()
    for text in (False, True):
        old, new = purchases(n, 0, 730, text=text), purchases(NEW, 730, 1, text=text)
        both = pd.concat([old, new], ignore_index=True)
        for order, item in ((None, None), ("order_id", "item_id")):
            log = crm.events(old, order=order, item=item)
            log.append(new)  # compiles
            added = processor_seconds(partial(log.append, new))
            anew = processor_seconds(partial(crm.events, both, order=order, item=item))
            what = f"{'text' if text else 'numbers'}, {'orders and items' if order else 'purchases'}"
            print(f"{what}: {NEW:,} rows to {n:,}: {added:.2g} s, anew {anew:.2g} s, {anew / added:.1f} times as much")


if __name__ == "__main__":
    main()
