"""How long customers stay: curves and proportional hazards, against lifelines on the same rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.harness import OURS, PEERS, Aim, Call

TITLE = "Survival"
ABOUT = """\
*Curve* is a Kaplan-Meier table with intervals. *Cox* is a fit of five numbers with Efron's ties, its baseline, standard
errors, concordance and test of proportional hazards; lifelines' fits give no test, and its concordance is found on first
use, which is not timed. Durations are whole months, or exact. lifelines chooses between two ways to sum by an extrapolated
model of their times (*Cox, default*); *Cox, batch* asks for the better one."""

SIZES: dict[str, dict[str, Any]] = {
    "100k rows, months": {"rows": 100_000, "months": True},
    "1M rows, months": {"rows": 1_000_000, "months": True},
    "1M rows, exact times": {"rows": 1_000_000, "months": False},
}
SMALL = {"rows": 2_000}
FEATURES = ["a", "b", "c", "d", "e"]


def write(folder: Path, *, rows: int, months: bool) -> int:
    """Write durations, events and five numbers to parquet; return the bytes of the columns."""
    import pandas as pd
    import pyarrow as pa

    rng = np.random.default_rng(21)
    X = rng.normal(size=(rows, len(FEATURES)))
    life = rng.exponential(30.0 * np.exp(-X @ np.array([0.5, -0.3, 0.2, 0.1, 0.0])))
    seen = rng.uniform(0.0, 72.0, rows)
    time = np.minimum(life, seen)
    frame = pd.DataFrame(X, columns=FEATURES).assign(duration=np.ceil(time) if months else time, event=life <= seen)
    frame.to_parquet(folder / "contracts.parquet", index=False)
    return int(pa.Table.from_pandas(frame, preserve_index=False).nbytes)


def crmkit(folder: Path) -> dict[str, Call]:
    """Time the curve and the fit."""
    import pandas as pd

    import crmkit as crm

    frame = pd.read_parquet(folder / "contracts.parquet")
    return {"curve": lambda: crm.survival.curve(frame), "Cox": lambda: crm.survival.fit_cox(frame)}


def lifelines(folder: Path) -> dict[str, Call]:
    """Time the curve, and the fit both ways; the slower way only where it ends within minutes."""
    import pandas as pd
    from lifelines import CoxPHFitter, KaplanMeierFitter

    frame = pd.read_parquet(folder / "contracts.parquet")

    def cox(*, batch: bool | None) -> Call:
        return lambda: CoxPHFitter().fit(frame, "duration", "event", batch_mode=batch)

    calls: dict[str, Call] = {"curve": lambda: KaplanMeierFitter().fit(frame["duration"], frame["event"])}
    if frame["duration"].nunique() < 1_000:
        calls |= {"Cox, batch": cox(batch=True), "Cox, default": cox(batch=None)}
    return calls


LIBRARIES = {"crmkit": (OURS, crmkit), "lifelines": (PEERS, lifelines)}


def aims(size: str) -> list[Aim]:
    """Compare the curve and the fit with lifelines'."""
    found = [Aim("curve / lifelines", ("crmkit", "curve"), ("lifelines", "curve"), 0.1 if size.startswith("1M") else None)]
    if size.endswith("months"):
        large = size.startswith("1M")
        found += [
            Aim("Cox / lifelines, default", ("crmkit", "Cox"), ("lifelines", "Cox, default"), 0.05 if large else None),
            Aim("Cox / lifelines, batch", ("crmkit", "Cox"), ("lifelines", "Cox, batch"), 0.5 if large else None),
        ]
    return found
