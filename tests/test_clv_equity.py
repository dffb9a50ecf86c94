"""Customer equity: its mean is the sum of the residual values, its spread is that of drawn futures."""

import dataclasses
import math

import numpy as np
import pandas as pd
import pytest
from pytest import approx, raises

from crmkit import clv
from crmkit._kernels import futures as _k
from crmkit.errors import ColumnError, DataError, FitError, LimitError, OptionError

PLAIN = not hasattr(_k.counts, "py_func")


def fitted(kind, **parameters):
    given = {
        "log_likelihood": 0.0, "standard_errors": {}, "n": 1.0, "converged": True, "unit": "W",
        "columns": ("frequency", "recency", "T"), "gradient_norm": 0.0, "condition": 1.0, "diagnosis": "well identified",
    }  # fmt: skip
    if kind is clv.GammaGamma:
        del given["unit"]
    return kind(**{**given, **parameters})


BG = fitted(clv.BgNbd, r=0.8, alpha=6.0, a=0.9, b=2.5)
MBG = fitted(clv.MbgNbd, r=0.8, alpha=6.0, a=0.9, b=2.5)
PARETO = fitted(clv.ParetoNbd, r=0.8, alpha=6.0, s=0.7, beta=12.0)
BB = fitted(clv.BgBb, alpha=1.2, beta=0.75, gamma=0.66, delta=2.8)
SPEND = fitted(clv.GammaGamma, p=6.25, q=5.0, v=20.0)
MODELS = [BG, MBG, PARETO, BB]
every_model = pytest.mark.parametrize("model", MODELS, ids=[model.TITLE for model in MODELS])


def base(model, copies=1):
    weeks = [(0, 0.0, 39.0), (1, 3.0, 38.0), (7, 35.0, 38.0), (12, 30.0, 31.0), (0, 0.0, 0.0), (2, 10.0, 20.0)]
    years = [(0, 0, 6), (2, 4, 6), (6, 6, 6), (1, 6, 6), (0, 0, 0), (3, 5, 6)]
    frame = pd.DataFrame((years if model is BB else weeks) * copies, columns=["frequency", "recency", "T"])
    spend = np.where(frame["frequency"] > 0, 20.0 + 5.0 * frame["frequency"], 0.0)
    return frame.assign(unit="W", monetary_value=spend, first_value=10.0, segment=list("abcabc") * copies)


@every_model
@pytest.mark.parametrize(("horizon", "annual_discount"), [(None, 0.4), ("1Y", 0.0), ("2Y", 0.1)])
def test_futures_are_worth_what_is_expected_of_them(model, horizon, annual_discount):
    if model is BB and horizon is not None:
        horizon = 52 if horizon == "1Y" else 104
    table, draws = base(model), 99 if PLAIN else 199
    found = clv.equity(model, SPEND, table, horizon=horizon, annual_discount=annual_discount, margin=0.4, draws=draws, level=0.9)
    residual = clv.lifetime_value(model, SPEND, table, horizon=horizon, annual_discount=annual_discount, margin=0.4)["residual"]
    assert found.value == approx(residual.sum(), rel=1e-12)
    assert found.ci_low < found.value < found.ci_high
    parts = clv.equity(
        model, SPEND, table, horizon=horizon, annual_discount=annual_discount, margin=0.4, draws=draws, level=0.9, by="segment"
    )
    assert parts["value"].tolist() == approx(residual.groupby(table["segment"]).sum().tolist())
    # the mean of the draws is not shown: the middle of the interval of many alike is
    if not PLAIN:
        many = clv.equity(
            model, SPEND, base(model, 200), horizon=horizon, annual_discount=annual_discount, draws=199, level=0.9, margin=0.4
        )
        assert (many.ci_low + many.ci_high) / 2 == approx(many.value, abs=0.5 * many.se)


def test_segments_add_up_and_are_surer_together():
    table = base(BG, 3 if PLAIN else 20)
    whole = clv.equity(BG, SPEND, table, horizon="1Y", draws=99)
    parts = clv.equity(BG, SPEND, table, horizon="1Y", draws=99, by="segment")
    assert parts.index.tolist() == ["a", "b", "c"]
    assert parts["value"].sum() == approx(whole.value)
    assert parts["share"].sum() == approx(1.0)
    assert parts["n"].tolist() == [len(table) // 3] * 3
    assert whole.se < parts["se"].sum()
    two = clv.equity(BG, SPEND, table.assign(shop="x"), horizon="1Y", draws=99, by=["shop", "segment"])
    assert two["value"].tolist() == approx(parts["value"].tolist())


def test_unsure_parameters_widen_the_interval():
    def around(model, error):
        size = len(model.PARAMETERS)
        return dataclasses.replace(model, covariance=tuple(map(tuple, (error**2 * np.eye(size)).tolist())))

    table = base(BG, 2 if PLAIN else 200)
    known = clv.equity(BG, SPEND, table, horizon="1Y", draws=99)
    unsure = clv.equity(around(BG, 0.1), around(SPEND, 0.05), table, horizon="1Y", draws=99)
    assert unsure.value == known.value
    assert unsure.se > (1.0 if PLAIN else 1.2) * known.se


def test_neither_order_nor_threads_nor_the_unit_matter():
    table = base(BG, 1 if PLAIN else 4)
    ask = {"horizon": "1Y", "draws": 99}
    one, two = (clv.equity(BG, SPEND, table, **ask, n_threads=n) for n in (1, 2))
    assert one == two
    back = clv.equity(BG, SPEND, table.iloc[::-1], **ask)
    assert (back.value, back.ci_low, back.ci_high) == approx((one.value, one.ci_low, one.ci_high), rel=1e-12)
    days = table.assign(recency=7 * table["recency"], T=7 * table["T"], unit="D")
    daily = fitted(clv.BgNbd, r=0.8, alpha=42.0, a=0.9, b=2.5, unit="D")
    same = clv.equity(daily, SPEND, days, **ask)
    assert (same.value, same.ci_low, same.ci_high) == approx((one.value, one.ci_low, one.ci_high), rel=1e-9)
    assert clv.equity(BG, SPEND, table, **ask, rng=1).ci_low != one.ci_low


def test_what_has_no_equity(monkeypatch):
    table = base(BG)
    with raises(FitError, match="GammaGamma has no equity"):
        clv.equity(SPEND, SPEND, table)
    with raises(FitError, match="BgNbd has no expected_spend"):
        clv.equity(BG, BG, table)
    with raises(OptionError, match="annual_discount above 0"):
        clv.equity(BG, SPEND, table, annual_discount=0.0)
    with raises(OptionError, match="margin"):
        clv.equity(BG, SPEND, table, margin=-1)
    with raises(OptionError, match="too few"):
        clv.equity(BG, SPEND, table, draws=5)
    with raises(ColumnError, match="monetary_value"):
        clv.equity(BG, SPEND, table.drop(columns="monetary_value"))
    with raises(ColumnError, match="shop"):
        clv.equity(BG, SPEND, table, by="shop")
    with raises(DataError, match="no rows"):
        clv.equity(BG, SPEND, table.iloc[:0])
    with raises(DataError, match="without a group"):
        clv.equity(BG, SPEND, table.assign(segment=["a", None, "b", "a", "b", "a"]), by="segment")
    nameless = dataclasses.replace(BG, unit=None)
    with raises(FitError, match="knows its unit"):
        clv.equity(nameless, SPEND, table.drop(columns="unit"))
    from crmkit.clv import _equity

    monkeypatch.setattr(_equity, "_TOTALS", 100)
    with raises(LimitError, match="297 totals, more than 100"):
        clv.equity(BG, SPEND, table, by="segment", draws=99, horizon="1Y")


def test_customers_without_a_future_are_worth_nothing():
    gone = pd.DataFrame({"frequency": [300], "recency": [10.0], "T": [500.0], "monetary_value": [9.0], "unit": "W", "s": "x"})
    found = clv.equity(BG, SPEND, gone, draws=99, by="s")
    assert found.loc["x", ["ci_low", "ci_high"]].tolist() == [0.0, 0.0]
    assert math.isfinite(found.loc["x", "share"])
