"""What could take more memory than a machine has is refused by name, with the number, before it takes it.

The calls run in one process of their own, which the system allows 1.5 GB more than it has when they begin: one that took first and
asked later would die of it, or raise a plain MemoryError.
"""

# ruff: noqa: E501 - calls stand in one piece, as one would write them
import json
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

resource = pytest.importorskip("resource")  # not on Windows

FAR = "orders().assign(timestamp=np.array(['-200000000-01-01'] + ['2023-06-01'] * 159, 'M8[s]'))"
ONE_BASKET = "pd.DataFrame({'customer_id': 1, 'item_id': np.arange(100_000)})"
SEEN = f"crm.recommend.interactions({ONE_BASKET}, time=None, amount=None)"
SAME = "pd.DataFrame({'customer_id': np.repeat(np.arange(50), 40), 'item_id': np.tile(np.arange(40), 50)})"
# what is asked for, and the number that the refusal tells
CALLS = {
    "pairs of groups": (
        "crm.feedback.nps_difference(pd.DataFrame({'score': np.arange(20_000) % 11, 'g': np.arange(20_000) // 4}), by='g')",
        "2,000,000",
    ),
    "subsets of drivers": (
        "crm.feedback.key_drivers(pd.DataFrame(np.eye(40)).rename(columns=str), drivers=list(map(str, range(39))), outcome='39')",
        "more than",
    ),
    "resamples of categories": (
        "crm.intervals.bootstrap([5] * 1000, lambda c: c[..., 0], counts=True, replicates=10**6)",
        "100,000,000",
    ),
    "items by items": (f"crm.recommend.fit_ease({SEEN})", "120.0 GB"),
    "neighbours of items": (f"crm.recommend.fit_item_knn({SEEN}, k=100_000)", "500,000,000"),
    "factors": (
        "crm.recommend.fit_als(crm.recommend.interactions(pd.DataFrame({'customer_id': np.arange(300_000), 'item_id': 1}), time=None, amount=None), factors=4096)",
        "1,000,000,000",
    ),
    "factors of ratings": ("crm.recommend.fit_ratings(orders(), rating='amount', factors=10**9)", "500,000,000"),
    "sets of items": (
        f"crm.basket.frequent_itemsets({SAME}, min_support=0.5, time=None, amount=None, max_rows=100_000)",
        "100,000",
    ),
    "cuts of item sets": (
        "crm.basket.rules(crm.basket.frequent_itemsets(monthly(), min_support=0.02), min_confidence=0.0, max_rows=1)",
        "more than 1 ",
    ),
    "probabilities": (
        "crm.clv.purchase_distribution(buying(), pd.concat([summary()] * 40_000), horizon=4, up_to=1000)",
        "500,000,000",
    ),
    "one customer's probabilities": ("buying().purchase_distribution(10**9, 4.0)", "500,000,000"),
    "simulated customers": ("crm.clv.simulate(buying(), n_customers=10**9, horizon=10)", "100,000,000"),
    "opportunities": ("crm.clv.fit_bg_bb(opportunities().assign(T=10**9))", "100,000"),
    "weeks of tracking": (f"crm.clv.tracking(buying(), {FAR}, calibration_end='2023-10-01')", "400,000"),
    "days of cohorts": (f"crm.cohort.retention({FAR})", "400,000"),
    "days of churn": (f"crm.cohort.churn_rate({FAR})", "400,000"),
    "customers by cutoffs": (
        "crm.churn.panel(crm.events(pd.DataFrame({'customer_id': np.arange(20_000), 'timestamp': pd.Timestamp('2022-01-01'), 'amount': 1.0})), cutoffs=pd.date_range('2022-02-01', periods=6_000, freq='h'), horizon=None)",
        "100,000,000",
    ),
    "rows by horizons": (
        "crm.survival.predict(leaving(), pd.concat([aged()] * 20_000), horizon=np.linspace(0.1, 1, 500))",
        "500,000,000",
    ),
    "periods of a survey": (
        "crm.feedback.trend(pd.DataFrame({'score': 9, 'timestamp': np.array(['-200000000-01-01', '2024-01-01'], 'M8[s]')}), period='D')",
        "400,000",
    ),
    "segments by segments": (
        "crm.rfm.transitions(pd.Series(np.arange(3000).astype(str)), pd.Series(np.arange(3000).astype(str)))",
        "1,000",
    ),
}

PROGRAM = """
    import json, resource, sys, warnings
    sys.path.insert(0, {folder!r})
    warnings.simplefilter("ignore")
    import numpy as np, pandas as pd
    import crmkit as crm
    from crmkit.errors import LimitError
    from test_bad_input import aged, buying, leaving, monthly, opportunities, orders, spend, summary

    buying(), spend(), leaving(), summary()
    held = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (held + 3 * 2**29, resource.RLIM_INFINITY))
    found = {{}}
    for name, code in json.loads(sys.stdin.read()).items():
        try:
            found[name] = "answered " + type(eval(code)).__name__
        except LimitError as error:
            found[name] = "refused: " + str(error)
        except BaseException as error:
            found[name] = repr(error)
    print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def found():
    program = textwrap.dedent(PROGRAM).format(folder=str(Path(__file__).parent))
    calls = json.dumps({name: code for name, (code, _) in CALLS.items()})
    done = subprocess.run([sys.executable, "-c", program], input=calls, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, f"the process ended with {done.returncode}: {done.stderr[-2000:]}"
    return json.loads(done.stdout)


@pytest.mark.parametrize("name", CALLS)
def test_a_limit_is_told_before_memory_is_taken(name, found):
    assert found[name].startswith("refused: ")
    assert CALLS[name][1] in found[name]
