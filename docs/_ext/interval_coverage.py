"""Write the page on interval methods, with how often each of them holds the truth: ``python docs/_ext/interval_coverage.py``.

Of shares, every possible sample is gone through, with its probability; amounts are simulated from fixed seeds.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib import pyplot

from crmkit import experiment, intervals
from crmkit.results import critical_value

FOLDER = Path(__file__).parents[1] / "explanation"
PAGE, PICTURE = FOLDER / "intervals.md", FOLDER / "interval_coverage.svg"
LEVEL = 0.95
Floats = npt.NDArray[np.float64]
Ends = tuple[Floats, Floats]
MAIN, ACCENT, MUTED = "#1b4f72", "#e08a1e", "#6b7785"

# ruff: noqa: E501 (rows of a table)
TEXT = r"""# Interval methods

Every metric here comes with an interval: a pair of numbers, made from the data, that holds the true value in 95 of 100 such
samples (`level=0.95`). What the data are decides how such a pair is made. This page says which function uses what and why,
and how well each keeps its promise. It was written by `python docs/_ext/interval_coverage.py`, which computed every number
in it.

## What an interval says

Think of all the samples you might have drawn from the same customers. Each gives an estimate and an interval. The method is
good if 95 % of these intervals hold the truth, *whatever the truth is*, and if they are no wider than that takes. It does
not say that the truth lies in *yours* with a probability of 95 %. And it knows one source of error only: that others might
have been asked. Answers from the wrong people, a season, a wrong model are not in it.

## The ideas, from simple to careful

**Estimate plus and minus two standard errors.** For a share $\hat p = x/n$ the standard error is $\sqrt{\hat p (1 - \hat
p)/n}$. It is the formula of textbooks ("Wald"), and it fails where it is needed: after ten successes of ten it is 0, so the
interval is a point.

**Ask the truth instead of the estimate** (score intervals). Keep every $p$ that the data do not contradict: $|\hat p - p|
\le z \sqrt{p (1 - p)/n}$, with $z$ = 1.96 for 95 %. The standard error is that of the *candidate* $p$. Solved for $p$, this
is Wilson's interval. It cannot leave 0 … 1, and has a width at 0 and 1 too. Newcombe joins two Wilson intervals for a
difference; Miettinen and Nurminen, and Tango for paired answers, solve the same inequality for a difference.

**Add a few answers.** Two successes and two failures more, and the simple formula is nearly Wilson's (Agresti and Coull,
Agresti and Caffo). The default of `feedback.nps` is of this kind.

**Count exactly.** Clopper and Pearson keep every $p$ for which so many successes, or so few, have a probability of 2.5 % or
more. Never below 95 %, at the price of being too wide. Jeffreys takes the middle of the Bayesian answer with a prior that
is the same on any scale.

**Replace a curve by its slope** (the delta method). For a ratio of means $R = \bar y / \bar x$, spend per order of
customers, say, what one customer changes is $d_i = (y_i - R x_i) / \bar x$, and the standard error of $R$ is that of the
mean of the $d_i$. The same idea under another name, *influence*, gives the errors of an AUC, an average precision, a Qini,
a policy: what does the number move if one customer is added?

**Leave one out** (the jackknife). Where there is no formula for $d_i$: compute the number without each customer in turn.

**Draw again** (the bootstrap). Draw $n$ of the $n$ rows with replacement, compute the number, do so 2,000 times; the middle
95 % are the interval. It needs no formula at all. It cannot know what the sample does not show, and is too narrow for small
samples of very unequal amounts, as the last table shows.

**Draw the parameters** (models). Parameters of a fitted model are drawn from the normal distribution of their logs, and
then what each customer does is drawn as well: `clv.prediction_interval`. [How often prediction intervals
hold](clv_coverage.md) is about it.

**Profile the likelihood.** Fix one parameter, fit all others, and keep the values whose best fit is not much worse. It
follows curved likelihoods better than plus and minus two errors do. No interval here is of this kind; `clv.fit_bg_cnbd`
shows the profile over $k$, which is a whole number and has no standard error.

## Which function uses which

| question | function | interval | why |
|---|---|---|---|
| retention, churn rate, transitions, gains | `cohort.retention`, `cohort.churn_rate`, `rfm.transitions`, `metrics.gains` | Wilson | cells are small, and 0 of 7 must have a width |
| satisfied shares | `feedback.csat`, `feedback.top_box` | Wilson, for as many answers as the weights leave | the same |
| Net Promoter Score | `feedback.nps` | adjusted Wald, or Tango | a difference of shares that exclude each other: [compared here](nps_coverage.md) |
| two rates of an experiment | `experiment.compare_rates` | Newcombe, or Miettinen-Nurminen | arms can be small and rates near 0 |
| means and sums | `experiment.compare_means` | Welch's t | spread differs between arms |
| ratios of sums, clusters | `experiment.compare_means(denominator=, cluster=)`, net revenue in `cohort.retention` | delta method | the customer is drawn, not the order |
| relative lift | `experiment` | Fieller, or MOVER-R | a ratio whose denominator is uncertain may have no end: then the interval says so |
| retention over time | `survival.curve` | Greenwood on the scale log(−log S) | stays in 0 … 1 |
| AUC, average precision | `metrics.auc`, `metrics.average_precision` | influence, on the log odds | stays in 0 … 1; Newcombe or Wilson where classes are apart |
| two scores on the same rows | `metrics.difference`, `uplift.evaluate`, `recommend.evaluate` | influence or bootstrap, paired | most of the noise is shared and cancels |
| Gini, top shares | `rfm.concentration` | jackknife | one pass gives every leave-one-out value |
| lists of a recommender | `recommend.evaluate` | bootstrap of customers | many metrics, one set of draws |
| clusters against a truth | `dedupe.evaluate_clusters` | bootstrap of people | records of a person stand or fall together |
| lift of a rule | `basket.rules` | delta method on the log | a ratio is symmetric on that scale |
| purchases to come, customer equity | `clv.prediction_interval`, `clv.equity` | drawn parameters and drawn futures | chance is most of it for one customer |
| all categories at once | `intervals.goodman`, `intervals.sison_glaz` | simultaneous | "each holds" is weaker than "all hold" |

## How often they hold the truth

For shares nothing is simulated: of each of 300 to 500 populations, drawn evenly, the probabilities of *all* samples whose
interval holds the truth are added up. The table has the mean over populations, the lowest, and the mean width.

![Share of intervals that hold the true share, over the true share, for thirty answers: the textbook formula falls far below 95 % towards both ends, Wilson's stays around it, Clopper-Pearson's above it](interval_coverage.svg)

{one}

The zigzag of the picture is no error: thirty answers can only give 31 intervals, and no choice of 31 holds every truth
equally often. Wilson's are right on average and never far off, Clopper-Pearson's never below and wider for it. The textbook
formula holds a rare event's share in a fifth of small samples.

{two}

{paired}

Amounts have no such list of samples. Here 1,000 sets are simulated each: spend per customer is lognormal, with a variance
in the logs of 1; in the last row every order is, and the question is spend per order.

{amounts}

One mean of thirty such amounts is held in 86 of 100 cases: the sample does not show how large the largest can be, and
drawing from it again does not tell either. A *difference* of two arms of equal size does better, since what is missing on
one side is missing on the other. Three hundred settle it. With heavier tails it takes more: cap amounts
(`winsorize=`), or compare rates.

## What an interval does not mean

- **Not a range of the customers.** It is about a mean, and shrinks with their number. Most customers lie outside it.
- **Not a test of two intervals.** Two that overlap can still differ: look at the interval of the difference.
- **Not valid for the best of many.** Of twenty segments without any difference one is "significant". Adjust
  (`intervals.adjust_pvalues`), or ask again with new data.
- **Not about rows.** Several rows of one customer are less than as many customers: pass `cluster=` or `customer=`.
- **Not about bias.** A million answers from those who like to answer give a narrow interval around the wrong number.

## References

Wilson (1927), Probable inference, the law of succession, and statistical inference, JASA 22. Clopper and Pearson (1934),
Biometrika 26. Newcombe (1998), Statistics in Medicine 17, 857 and 873. Miettinen and Nurminen (1985), Statistics in
Medicine 4. Tango (1998), Statistics in Medicine 17. Agresti and Coull (1998), The American Statistician 52. Agresti and
Caffo (2000), The American Statistician 54. Brown, Cai and DasGupta (2001), Interval estimation for a binomial proportion,
Statistical Science 16. Efron and Tibshirani (1993), An Introduction to the Bootstrap.
"""


def main() -> None:
    """Compute all, write page and picture."""
    random = np.random.default_rng(20)
    text = TEXT
    tables = {"one": one_share(random), "two": two_shares(random), "paired": paired_shares(random), "amounts": amounts()}
    for name, table in tables.items():
        text = text.replace("{" + name + "}", table)
    PAGE.write_text(text, encoding="utf-8")
    draw()


# ── the intervals of the textbook, to compare with ────────────────────────────────────────────────────────────────────────


def wald(successes: Any, n: Any) -> Ends:
    share = np.asarray(successes) / n
    margin = critical_value(LEVEL) * np.sqrt(share * (1 - share) / n)
    return share - margin, share + margin


def wald_difference(x1: Any, n1: int, x2: Any, n2: int) -> Ends:
    p1, p2 = np.asarray(x1) / n1, np.asarray(x2) / n2
    margin = critical_value(LEVEL) * np.sqrt(p1 * (1 - p1) / n1 + p2 * (1 - p2) / n2)
    return p1 - p2 - margin, p1 - p2 + margin


def wald_paired(b: Any, c: Any, n: int) -> Ends:
    b, c = np.asarray(b), np.asarray(c)
    change = (b - c) / n
    margin = critical_value(LEVEL) * np.sqrt(((b + c) / n - change**2) / n)
    return change - margin, change + margin


# ── every possible sample ─────────────────────────────────────────────────────────────────────────────────────────────────


def binomial(n: int, p: Floats) -> Floats:
    """Return the probability of 0 … n successes, a row for each p."""
    steps = np.append(0.0, np.cumsum(np.log(np.arange(1, n + 1))))
    k = np.arange(n + 1)
    logs = steps[n] - steps[k] - steps[n - k] + k * np.log(p[:, None]) + (n - k) * np.log1p(-p[:, None])
    found: Floats = np.exp(logs)
    return found


def judged(chances: Floats, ends: Ends, truth: Floats) -> list[str]:
    """Return mean and lowest coverage over the populations, and mean width: populations are rows, samples columns."""
    low, high = ends
    # a bound that equals the truth holds it, whatever the last bit says
    inside = (low <= truth[:, None] + 1e-9) & (truth[:, None] <= high + 1e-9)
    covered, width = (chances * inside).sum(axis=1), chances @ (high - low)
    return [f"{covered.mean():.3f}", f"{covered.min():.3f}", f"{width.mean():.3f}"]


def table_of(head: str, sizes: tuple[int, ...], rows: dict[str, list[str]]) -> str:
    lines = [
        f"| {head} | " + " | ".join(f"n = {n}: mean | lowest | width" for n in sizes) + " |",
        "| --- " + "| ---: " * (3 * len(sizes)) + "|",
    ]
    return "\n".join([*lines, *(f"| {name} | " + " | ".join(cells) + " |" for name, cells in rows.items())])


def one_share(random: np.random.Generator) -> str:
    methods: dict[str, Callable[..., Any]] = {
        "`wilson`": intervals.wilson,
        "`jeffreys`": intervals.jeffreys,
        "`agresti_coull`": intervals.agresti_coull,
        "`clopper_pearson`": intervals.clopper_pearson,
        "textbook: p ± 1.96 se": wald,
    }
    p, sizes = random.uniform(0.02, 0.98, 500), (10, 30, 100)
    rows: dict[str, list[str]] = {name: [] for name in methods}
    for n in sizes:
        chances = binomial(n, p)
        for name, method in methods.items():
            rows[name] += judged(chances, method(np.arange(n + 1), n), p)
    return table_of("one share", sizes, rows)


def two_shares(random: np.random.Generator) -> str:
    methods: dict[str, Callable[..., Any]] = {
        "`newcombe`": intervals.newcombe,
        "`miettinen_nurminen`": intervals.miettinen_nurminen,
        "`agresti_caffo`": intervals.agresti_caffo,
        "textbook: p₁ − p₂ ± 1.96 se": wald_difference,
    }
    p1, p2, sizes = random.uniform(0.02, 0.98, 300), random.uniform(0.02, 0.98, 300), (10, 30)
    rows: dict[str, list[str]] = {name: [] for name in methods}
    for n in sizes:
        x1, x2 = (grid.ravel() for grid in np.meshgrid(np.arange(n + 1), np.arange(n + 1), indexing="ij"))
        chances = (binomial(n, p1)[:, :, None] * binomial(n, p2)[:, None, :]).reshape(p1.size, -1)
        for name, method in methods.items():
            rows[name] += judged(chances, method(x1, n, x2, n), p1 - p2)
    return table_of("two shares, n each", sizes, rows)


def paired_shares(random: np.random.Generator) -> str:
    methods: dict[str, Callable[..., Any]] = {
        "`adjusted_wald`": intervals.adjusted_wald,
        "`tango`": intervals.tango,
        "textbook: (b − c) / n ± 1.96 se": wald_paired,
    }
    shares, sizes = random.dirichlet([1.0, 1.0, 1.0], size=300), (10, 30)
    rows: dict[str, list[str]] = {name: [] for name in methods}
    for n in sizes:
        samples = np.array([(b, c, n - b - c) for b in range(n + 1) for c in range(n + 1 - b)])
        steps = np.append(0.0, np.cumsum(np.log(np.arange(1, n + 1))))
        chances = np.exp(steps[n] - steps[samples].sum(axis=1) + np.log(shares) @ samples.T)
        for name, method in methods.items():
            rows[name] += judged(chances, method(samples[:, 0], samples[:, 1], n), shares[:, 0] - shares[:, 1])
    return table_of("paired shares", sizes, rows)


# ── amounts, by simulation ────────────────────────────────────────────────────────────────────────────────────────────────


def amounts() -> str:
    """Orders of lognormal size: a mean by the bootstrap, and differences of two arms."""
    sizes, sets = (30, 100, 300), 1_000
    truth, rows = float(np.exp(0.5)), {
        "`intervals.bootstrap`, one mean": [""] * 0,
        "`compare_means`, two means (Welch)": [""] * 0,
        "`compare_means(denominator=)`, two ratios (delta method)": [""] * 0,
    }  # fmt: skip
    for n in sizes:
        held, width = np.zeros((3, sets)), np.zeros((3, sets))
        for i in range(sets):
            random = np.random.default_rng([n, i])
            spent = random.lognormal(size=2 * n)
            orders = random.poisson(2.0, 2 * n) + 1
            frame = pd.DataFrame({"arm": np.repeat(["control", "new"], n), "spent": spent, "orders": orders})
            frame["total"] = [random.lognormal(size=k).sum() for k in orders]
            ends = [
                (*intervals.bootstrap(spent[:n], replicates=999, rng=i), truth),
                (*compared(frame, outcome="spent"), 0.0),
                (*compared(frame, outcome="total", denominator="orders"), 0.0),
            ]
            for k, (low, high, true) in enumerate(ends):
                held[k, i], width[k, i] = low <= true <= high, high - low
        for k, name in enumerate(rows):
            rows[name] += [f"{held[k].mean():.3f}", f"{width[k].mean():.2f}"]
    lines = [
        "| amounts | " + " | ".join(f"n = {n}: coverage | width" for n in sizes) + " |",
        "| --- " + "| ---: " * (2 * len(sizes)) + "|",
    ]
    return "\n".join([*lines, *(f"| {name} | " + " | ".join(cells) + " |" for name, cells in rows.items())])


def compared(frame: pd.DataFrame, **columns: Any) -> tuple[float, float]:
    table = experiment.compare_means(frame, control="control", **columns).table
    return float(table["ci_low"].iloc[0]), float(table["ci_high"].iloc[0])


# ── the picture ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def draw() -> None:
    """Draw how coverage of one share depends on it, for thirty answers."""
    n, p = 30, np.linspace(0.01, 0.99, 393)
    chances = binomial(n, p)
    methods = (
        ("Clopper-Pearson", intervals.clopper_pearson, MUTED),
        ("textbook", wald, ACCENT),
        ("Wilson", intervals.wilson, MAIN),
    )
    with pyplot.rc_context({"svg.fonttype": "path", "svg.hashsalt": "crmkit", "font.size": 10}):
        figure, ax = pyplot.subplots(figsize=(7.2, 3.4), layout="constrained")
        for name, method, colour in methods:
            low, high = method(np.arange(n + 1), n)
            inside = (low <= p[:, None] + 1e-9) & (p[:, None] <= high + 1e-9)
            ax.plot(p, (chances * inside).sum(axis=1), color=colour, linewidth=1.2, label=name)
        ax.axhline(LEVEL, color="#1f2933", linewidth=0.8, linestyle=":")
        ax.set(xlabel="true share", ylabel="intervals that hold it", ylim=(0.6, 1.005), xlim=(0, 1))
        ax.legend(frameon=False, loc="lower center", ncols=3)
        for side in ("top", "right"):
            ax.spines[side].set_visible(False)
        figure.savefig(PICTURE, metadata={"Date": None})


if __name__ == "__main__":
    main()
