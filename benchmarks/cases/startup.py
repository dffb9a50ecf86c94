"""What it costs to start: imports, and compiling."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.harness import OURS, Aim, Call

TITLE = "Start"
ABOUT = """\
Whole processes, from start to end. *Cold* means an empty folder of compiled kernels, as on the first run after an
installation; *warm*, a full one. A score is `rfm.summarize` and `rfm.score` on three purchases; the report is
`python -m crmkit report` on its simulated purchases."""

SIZES: dict[str, dict[str, object]] = {"one process": {}}
ROUNDS = 15

SCORE = """
import pandas as pd, crmkit.rfm as rfm
when = pd.to_datetime(["2024-01-01", "2024-02-01", "2024-03-01"])
rows = pd.DataFrame({"customer_id": [1, 2, 2], "timestamp": when, "amount": [5.0, 7.0, 9.0]})
rfm.score(rfm.summarize(rows))
"""


def write(folder: Path) -> None:
    """Need no data."""


def crmkit(folder: Path) -> dict[str, Call]:
    """Time processes; the warm ones share a folder of compiled kernels that is filled here."""
    (folder / "warm").mkdir()

    def run(*arguments: str, kernels: Path) -> None:
        # away from the checkout, with its own home: no cache of the machine's helps
        environment = {**os.environ, "HOME": str(folder), "NUMBA_CACHE_DIR": str(kernels), "MPLBACKEND": "Agg"}
        subprocess.run([sys.executable, *arguments], check=True, cwd=folder, env=environment, capture_output=True)

    def warm(*arguments: str) -> Call:
        return lambda: run(*arguments, kernels=folder / "warm")

    def cold(*arguments: str) -> Call:
        def call() -> None:
            kernels = Path(tempfile.mkdtemp(dir=folder))
            run(*arguments, kernels=kernels)
            shutil.rmtree(kernels)

        return call

    score, report = ("-c", SCORE), ("-m", "crmkit", "report")
    warm(*score)()
    warm(*report)()
    return {
        "bare interpreter": warm("-c", "pass"),
        "import crmkit": warm("-c", "import crmkit"),
        "import pandas": warm("-c", "import pandas"),
        "score, warm": warm(*score),
        "score, cold": cold(*score),
        "report, warm": warm(*report),
        "report, cold": cold(*report),
    }


LIBRARIES = {"crmkit": (OURS, crmkit)}


def aims(size: str) -> list[Aim]:
    """Subtract what is not crmkit's."""
    bare = ("crmkit", "bare interpreter")
    return [
        Aim("import crmkit beyond the interpreter", ("crmkit", "import crmkit"), bare, 0.030, kind="difference"),
        Aim("import crmkit.rfm and one score, warm", ("crmkit", "score, warm"), bare, 1.0, kind="difference"),
        Aim(
            "compiling all that the report calls",
            ("crmkit", "report, cold"),
            ("crmkit", "report, warm"),
            30.0,
            kind="difference",
        ),
    ]
