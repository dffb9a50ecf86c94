"""Write the page on how often intervals of the Net Promoter Score hold the truth: ``python docs/_ext/nps_coverage.py``.

Nothing is simulated but the populations: for each of them the probability of every possible sample is summed over the samples
whose interval holds the true score.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from crmkit import feedback

PAGE = Path(__file__).parents[1] / "explanation" / "nps_coverage.md"
SIZES = (10, 30, 100)
POPULATIONS = 300
THIRD = 1.959963984540054**2 / 3
METHODS: dict[str, dict[str, Any]] = {
    "**`adjusted_wald`** (¾, 1½, ¾), the default": {},
    "`adjusted_wald`, (½, 1, ½): Agresti and Min": {"pseudo": (0.5, 1.0, 0.5)},
    "`adjusted_wald`, z²/3 each": {"pseudo": (THIRD, THIRD, THIRD)},
    "`adjusted_wald`, (1, 0, 1): Bonett and Price": {"pseudo": (1.0, 0.0, 1.0)},
    "`score` (Tango)": {"method": "score"},
    "`dirichlet`, uniform prior": {"method": "dirichlet"},
    "`dirichlet`, prior of Jeffreys": {"method": "dirichlet", "prior": 0.5},
    "`t`": {"method": "t"},
    "`wald`": {"method": "wald"},
    "`bootstrap`": {"method": "bootstrap"},
}
NEARLY_ALL = np.array([0.01, 0.09, 0.90])  # detractors, passives, promoters: a score of 89

TEXT = """\
# How often intervals of a score hold the truth

An interval at 95 % promises to hold the true score in 95 of 100 surveys. Methods differ in how well they keep
that promise, most of all in small samples. This page was written by `python docs/_ext/nps_coverage.py`. It
takes {populations} populations at random (all shares of promoters, passives and detractors equally likely), goes through
**every** sample that each of them can give, and adds up the probabilities of those whose interval holds the true
score: no simulation, no error but that of the choice of populations. Of each method: the mean coverage, the lowest
of all populations, and the mean width in points.

{table}

- The plain interval (`wald`) promises 95 % and holds the truth far more rarely where nearly all answer alike. Where a
  score is truly 89, it holds it in {wald_10:.1%} of samples of ten and {wald_30:.1%} of thirty; the default in
  {default_10:.1%} and {default_30:.1%}. The t interval and the bootstrap share its defect: they do not know that other
  answers were possible.
- The default is close to 95 % on average at every size and rarely below 90 % anywhere, at the width of the plain interval.
- `score` is a little more cautious in very small samples, and needs no choice of what to add. Use it where too low a
  coverage would be worse than a wider interval.
- What was added to the answers matters little from a hundred answers on.
"""


def main() -> None:
    """Compute all, write the page."""
    random = np.random.default_rng(20)
    populations = random.dirichlet([1.0, 1.0, 1.0], size=POPULATIONS)
    cells: dict[str, list[str]] = {name: [] for name in METHODS}
    extreme: dict[tuple[str, int], float] = {}
    for n in SIZES:
        outcomes = np.array([(d, n - d - p, p) for d in range(n + 1) for p in range(n + 1 - d)])
        log_factorial = np.append(0.0, np.cumsum(np.log(np.arange(1, n + 1))))
        coefficients = log_factorial[n] - log_factorial[outcomes].sum(axis=1)
        # every possible sample as a group of its own: one call gives all intervals
        frame = pd.DataFrame(
            {
                "sample": np.repeat(np.arange(len(outcomes)), n),
                "score": np.concatenate([np.repeat([0, 7, 10], outcome) for outcome in outcomes]),
            }
        )
        for name, options in METHODS.items():
            table = feedback.nps(frame, by="sample", **options)
            low, high = table["ci_low"].to_numpy(), table["ci_high"].to_numpy()
            found = []
            for shares in [*populations, NEARLY_ALL]:
                chance = np.exp(coefficients + outcomes @ np.log(shares))
                truth = 100.0 * (shares[2] - shares[0])
                # a bound that equals the truth holds it, whatever the last bit says
                inside = (low <= truth + 1e-9) & (truth - 1e-9 <= high)
                found.append((chance[inside].sum(), (chance * (high - low)).sum()))
            covered, width = np.array(found[:-1]).T
            cells[name] += [f"{covered.mean():.3f}", f"{covered.min():.3f}", f"{width.mean():.1f}"]
            extreme[name, n] = found[-1][0]
    lines = [
        "| method | " + " | ".join(f"n = {n}: mean | lowest | width" for n in SIZES) + " |",
        "| --- " + "| ---: " * (3 * len(SIZES)) + "|",
        *(f"| {name} | " + " | ".join(row) + " |" for name, row in cells.items()),
    ]
    default = next(iter(METHODS))
    text = TEXT.format(
        populations=POPULATIONS,
        table="\n".join(lines),
        wald_10=extreme["`wald`", 10],
        wald_30=extreme["`wald`", 30],
        default_10=extreme[default, 10],
        default_30=extreme[default, 30],
    )
    PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
