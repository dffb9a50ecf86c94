"""How long to go on: a handful of examples in the suite, as many as the time allows in `nox -s fuzz`."""

import os
import random
import time

import numba
from hypothesis import HealthCheck, Phase, given, seed, settings

SECONDS = float(os.environ.get("CRMKIT_FUZZ_SECONDS", "0"))
SEED = int(os.environ.get("CRMKIT_FUZZ_SEED", "0"))
QUIET = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much, HealthCheck.large_base_example]


def rounds(body, strategy, *, share, few=3, most=25):
    """Run `body` on examples of `strategy`: `few` of them, always the same; or for this share of the seconds, always others."""

    def once(number, examples):
        options = settings(
            max_examples=examples,
            deadline=None,
            database=None,
            suppress_health_check=QUIET,
            # shrinking a slow failure costs more than the rest of the round
            phases=[Phase.generate, Phase.shrink] if SECONDS == 0 else [Phase.generate],
            print_blob=False,
            derandomize=False,
        )

        # hypothesis asks for a function that it has not wrapped yet
        def fresh(example):
            body(example)

        options(seed(number)(given(strategy)(fresh)))()

    if SECONDS == 0:
        # kernels that run as plain Python are a hundred times slower
        once(0, max(few // 8, 1) if numba.config.DISABLE_JIT else few)
        return
    end, number = time.monotonic() + SECONDS * share, random.Random(SEED).randrange(2**32)
    while time.monotonic() < end:
        once(number, most)
        number += 1
