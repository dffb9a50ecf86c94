"""Every public function from many threads at once, for minutes: the same bits each time, and memory that stays where it is.

    python tests/soak/soak.py --threads 8 --minutes 10

The first round runs alone and says what every later call must answer. The status is 1 if a call answers anything else, or if
memory grows by more than `--slope` a minute after the first third of the time.
"""

import argparse
import gc
import hashlib
import os
import random
import sys
import threading
import time
import warnings
from collections import Counter
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))
from test_bad_input import CASES, numbers_in

PAGE = os.sysconf("SC_PAGE_SIZE") / 2**20


def memory():
    """Megabytes that the process holds."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE


def answer(name):
    """All numbers of one answer, as one digest."""
    case, found = CASES[name], hashlib.sha256()
    for where, values in numbers_in(case.call(case.frame())):
        found.update(where.encode())
        found.update(values.tobytes())
    return found.digest()


class Soak:
    """What the threads share: the expected answers, the clock, and what went wrong."""

    def __init__(self, names, minutes):
        self.expected = {name: answer(name) for name in names}
        # caches of libraries fill in the second round, too
        self.unsteady = [name for name in names if answer(name) != self.expected[name]]
        self.calls, self.wrong, self.failed = Counter(), Counter(), {}
        self.lock, self.end = threading.Lock(), time.monotonic() + 60 * minutes

    def work(self, seed):
        rng, names = random.Random(seed), sorted(self.expected)
        while time.monotonic() < self.end:
            rng.shuffle(names)
            for name in names:
                if time.monotonic() >= self.end:
                    return
                try:
                    same = answer(name) == self.expected[name]
                except Exception as error:
                    same = False
                    self.failed.setdefault(name, repr(error))
                with self.lock:
                    self.calls[name] += 1
                    self.wrong[name] += not same

    def run(self, threads):
        """Start the threads, and read the memory every few seconds until they are done."""
        started = [threading.Thread(target=self.work, args=(seed,)) for seed in range(threads)]
        begin, seen = time.monotonic(), []
        for thread in started:
            thread.start()
        while any(thread.is_alive() for thread in started):
            time.sleep(2.0)
            gc.collect()
            seen.append((time.monotonic() - begin, memory()))
        return np.array(seen)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--threads", type=int, default=8)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--slope", type=float, default=2.0, help="MB a minute that memory may grow by")
    given = parser.parse_args()
    warnings.simplefilter("ignore")  # once, for all threads: Python's own switch for a block is not made for threads
    soak = Soak(sorted(CASES), given.minutes)
    print(f"{len(soak.expected)} functions, first rounds done, {memory():.0f} MB", flush=True)
    seconds, held = soak.run(given.threads).T
    late = seconds > seconds[-1] / 3
    slope = np.polyfit(seconds[late] / 60, held[late], 1)[0]
    thirds = [float(part.mean()) for part in np.array_split(held, 3)]
    wrong = {name: count for name, count in soak.wrong.items() if count}
    print(f"{sum(soak.calls.values()):,} calls in {given.threads} threads and {seconds[-1] / 60:.1f} minutes")
    print(f"each function {min(soak.calls.values())} to {max(soak.calls.values())} times")
    print(f"{sum(wrong.values())} answers not the first one's, to the bit {wrong or ''}")
    print(f"memory by thirds {', '.join(f'{part:.0f}' for part in thirds)} MB; {slope:+.2f} MB a minute after the first third")
    for name in soak.unsteady:
        print(f"{name}: two calls alone, one after the other, differ")
    for name, error in soak.failed.items():
        print(f"{name}: {error}")
    return int(bool(wrong or soak.unsteady or slope > given.slope))


if __name__ == "__main__":
    sys.exit(main())
