"""Rules: those who buy this also buy that."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from crmkit import _frame, _options, intervals
from crmkit._kernels import hypergeometric as _h
from crmkit._kernels import itemsets as _k
from crmkit.basket._itemsets import table_of
from crmkit.basket._sets import MOST_ITEMS, Sets, looked_up, read_sets
from crmkit.errors import DataError, LimitError
from crmkit.results import critical_value

__all__ = ["rules"]

MOST_CUTS = 1_000_000_000
MOST_BASKETS = 3_000_000_000  # the product of two counts fits 64 bits
MORE = ("antecedent_support", "consequent_support", "jaccard", "certainty", "kulczynski", "imbalance")
COLUMNS = ("support", "confidence", "lift", "leverage", "conviction", "zhang", "p_value", "ci_low", "ci_high")


def rules(
    itemsets: Any,
    /,
    *,
    min_confidence: float,
    max_consequent: int | None = None,
    test: str = "fisher",
    adjust: str = "none",
    measures: Sequence[str] = (),
    level: float = 0.95,
    max_rows: int = 1_000_000,
) -> Any:
    r"""Derive the rules "who buys this, buys that" from frequent itemsets, with how strong and how certain each of them is.

    Parameters
    ----------
    itemsets : DataFrame
        What `basket.frequent_itemsets` returned, all of its rows: columns items, support and count.
    min_confidence : float
        Smallest share of the baskets with the antecedent that hold the consequent too, from 0 to 1.
    max_consequent : int, optional
        Most items in the consequent; by default any number. Rules with 1 are the easiest to act on.
    test : {"fisher", "chi2"}, default "fisher"
        Where p-values come from: Fisher's exact test, or the chi-squared test, which needs large counts.
    adjust : {"none", "holm", "bh"}, default "none"
        How p-values are adjusted for the number of rules returned, as in `intervals.adjust_pvalues`.
    measures : list of str, optional
        More columns: some of "antecedent_support", "consequent_support", "jaccard", "certainty", "kulczynski", "imbalance".
    level : float, default 0.95
        Confidence level of the interval for the lift, between 0 and 1.
    max_rows : int, default 1,000,000
        Most rules to return: more are an error. A rule takes about 300 bytes; at most 100 million.

    Returns
    -------
    DataFrame
        One row per rule, the surest first, then the most frequent, then in the order of the items: antecedent and consequent
        (tuples in pandas, lists elsewhere), support (share of baskets with both), confidence (share of those with the
        antecedent that hold the consequent), lift, leverage (share of baskets), conviction, zhang (from -1 to 1), p_value,
        ci_low and ci_high (of the lift), and the `measures` asked for. Without any rule that is sure enough the frame has no
        rows.

    Raises
    ------
    ColumnError
        A column is not in the frame.
    DataError
        Parts of a set are not in the frame, a set is there twice, or support and count do not speak of one number of
        baskets.
    OptionError
        An argument is outside what is accepted.
    LimitError
        More than `max_rows` rules are sure enough, or the sets are so long that they make too many rules to look at.

    Notes
    -----
    With shares :math:`P(X)`, :math:`P(Y)` of baskets that hold antecedent and consequent, and :math:`P(XY)` both:

    - confidence :math:`c = P(XY) / P(X)`; lift :math:`\ell = c / P(Y)`, 1 without association;
    - leverage :math:`P(XY) - P(X) P(Y)`;
    - conviction :math:`(1 - P(Y)) / (1 - c)`: infinite where every basket with X holds Y (and 1 if every basket at all
      does);
    - Zhang's metric, leverage over :math:`\max\{P(XY) (1 - P(X)),\; P(X) (P(Y) - P(XY))\}`, 0 where both are 0;
    - jaccard :math:`P(XY) / (P(X) + P(Y) - P(XY))`; certainty :math:`(c - P(Y)) / (1 - P(Y))`, 0 where every basket holds Y;
    - kulczynski :math:`(P(XY)/P(X) + P(XY)/P(Y)) / 2`, which does not depend on the baskets with neither, to be read beside
      imbalance :math:`|P(X) - P(Y)| / (P(X) + P(Y) - P(XY))`.

    `p_value` is that of Fisher's exact test, one-sided: how likely random baskets, with as many of X and of Y, share as many
    of both or more. With "chi2" it is that of the signed root of Pearson's statistic, without a correction. Rules are looked for
    where they are most striking, so neither it nor the interval is to be taken at face value for the best of thousands: adjust,
    and check on later baskets. The adjustment knows of the rules returned, not of all that were looked at.

    The interval is :math:`\ell \exp(\pm z s)`, with :math:`s^2 = 1/n_{XY} - 1/n_X - 1/n_Y + (2 \ell - 1)/n` from the counts by
    the delta method, all of them random.

    References
    ----------
    Agrawal, Imielinski and Swami (1993), Mining association rules between sets of items in large databases, SIGMOD.
    Brin, Motwani, Ullman and Tsur (1997), Dynamic itemset counting and implication rules for market basket data, SIGMOD.
    Zhang (2000), Association rules, in Knowledge Discovery and Data Mining, PAKDD.
    Tan, Kumar and Srivastava (2004), Selecting the right objective measure for association analysis, Information Systems 29(4).
    Webb (2007), Discovering significant patterns, Machine Learning 68(1).

    Examples
    --------
    >>> import pandas as pd
    >>> from crmkit import basket
    >>> lines = pd.DataFrame({"basket": [1, 1, 2, 2, 3, 4, 4], "item": ["milk", "eggs", "milk", "eggs", "milk", "tea", "eggs"]})
    >>> sets = basket.frequent_itemsets(lines, min_support=0.5, customer="basket", item="item", time=None, amount=None)
    >>> found = basket.rules(sets, min_confidence=0.5)
    >>> found[["antecedent", "consequent", "support", "confidence", "lift", "p_value"]]
      antecedent consequent  support  confidence      lift  p_value
    0    (eggs,)    (milk,)      0.5    0.666667  0.888889      1.0
    1    (milk,)    (eggs,)      0.5    0.666667  0.888889      1.0
    """
    sure = _options.number("min_confidence", min_confidence, low=0.0, high=1.0)
    most = _options.whole("max_rows", max_rows, low=1, high=100_000_000)
    widest = MOST_ITEMS if max_consequent is None else _options.whole("max_consequent", max_consequent, low=1)
    test = _options.choice("test", test, ("fisher", "chi2"))
    adjust = _options.choice("adjust", adjust, ("none", "holm", "bh"))
    further = [_options.choice("measures", name, MORE) for name in ([measures] if isinstance(measures, str) else measures)]
    z = critical_value(level)
    frame = _frame.read(itemsets)
    support = _frame.numbers(frame, "support", positive=True)
    count = _frame.numbers(frame, "count", positive=True, whole=True).astype(np.int64)
    sets, n = read_sets(frame, count), _n_baskets(support, count)
    whole, left, right = _cut(sets, sure, min(widest, MOST_ITEMS), most)

    both, x, y = count[whole], count[left], count[right]
    confidence = both / x
    lift = confidence / (y / n)
    leverage = (both * n - x * y) / n**2
    spread = np.maximum(both * (n - x), x * (y - both)) / n**2
    zhang = np.divide(leverage, spread, out=np.zeros(both.size), where=spread > 0)
    conviction = np.full(both.size, np.inf)
    np.divide((n - y) / n, 1.0 - confidence, out=conviction, where=both < x)
    conviction[y == n] = 1.0
    if test == "fisher":
        p_value = _h.upper_tails(_frame.readonly(both), _frame.readonly(x), _frame.readonly(y), n)
    else:
        p_value = _chi2(both, x, y, n)
    if adjust != "none":
        p_value = intervals.adjust_pvalues(p_value, method=adjust)
    # nothing is left of the variance where every basket holds one of the two; rounding must not make it negative
    variance = np.maximum(1.0 / both - 1.0 / x - 1.0 / y + (2.0 * lift - 1.0) / n, 0.0)
    margin = np.exp(z * np.sqrt(variance))

    place = np.empty(count.size, np.int64)
    place[sets.alphabetical()] = np.arange(count.size)
    order = np.lexsort((place[right], place[left], -both, -confidence))
    standard = (both / n, confidence, lift, leverage, conviction, zhang, p_value, lift / margin, lift * margin)
    either = x + y - both
    certainty = np.divide(confidence - y / n, 1.0 - y / n, out=np.zeros(both.size), where=y < n)
    more = (x / n, y / n, both / either, certainty, (confidence + both / y) / 2.0, np.abs(x - y) / either)
    shown = {**dict(zip(COLUMNS, standard, strict=True)), **{name: more[MORE.index(name)] for name in further}}
    return table_of(
        {"antecedent": (sets, left[order]), "consequent": (sets, right[order])},
        {name: values[order] for name, values in shown.items()},
        frame.kind,
    )


def _chi2(both: Any, x: Any, y: Any, n: int) -> npt.NDArray[np.float64]:
    """Return the upper tail of the signed root of Pearson's statistic; 1 where no other overlap was possible."""
    from scipy.special import ndtr

    product = (x / n) * (y / n) * (n - x) * (n - y)
    root = np.divide(both - x * (y / n), np.sqrt(product / n), out=np.full(both.size, -np.inf), where=product > 0)
    return np.asarray(ndtr(-root), np.float64)


def _n_baskets(support: Any, count: Any) -> int:
    """Return the number of baskets behind shares and counts."""
    if count.size == 0:
        return 1
    n = int(np.rint(count[0] / support[0]))
    astray = np.abs(support * n - count) > 1e-6 * count
    if astray.any() or n < count.max():
        rows = f"the first in row {int(astray.argmax())}" if astray.any() else "a count exceeds them"
        msg = (
            f"columns 'support' and 'count': support is count over the number of baskets, {n:,} by the first row, which does"
            f" not hold everywhere ({rows}); pass the itemsets of one call, as they came"
        )
        raise DataError(msg)
    if n > MOST_BASKETS:
        msg = (
            f"columns 'support' and 'count' say that there are {n:,} baskets, more than {MOST_BASKETS:,}; they do not belong"
            " together"
        )
        raise DataError(msg)
    return n


def _cut(sets: Sets, sure: float, widest: int, most: int) -> tuple[Any, Any, Any]:
    """Return the sets behind the rules, their antecedents and their consequents, as places in `sets`."""
    size = sets.size
    if size.size and (size.max() > MOST_ITEMS or np.exp2(size).sum() > MOST_CUTS):
        msg = (
            f"the sets have up to {size.max()} items and make {np.exp2(size).sum():,.0f} rules to look at, the limit is"
            f" {MOST_CUTS:,} and {MOST_ITEMS} items; mine them with max_len="
        )
        raise LimitError(msg)
    word, slot = looked_up(sets)
    found, status, row = _k.rules(sets.start, sets.item, sets.count, word, slot, sure, widest, most)
    if status == _k.MISSING:
        msg = (
            f"column 'items': a part of the set in row {row} is not in the frame, so its rules cannot be rated; pass all rows of"
            " frequent_itemsets (max_len= is fine) and choose among the rules"
        )
        raise DataError(msg)
    if status == _k.TOO_MANY:
        msg = f"more than {most:,} rules have a confidence of {sure:g}; raise min_confidence, set max_consequent=, or max_rows="
        raise LimitError(msg)
    found = np.ascontiguousarray(found.T)
    return found[0], found[1], found[2]
