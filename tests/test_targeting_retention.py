"""What retention is worth: the forms of the literature, derivatives, and parts that add up."""

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mpmath import mp, mpf
from pytest import approx, raises

from crmkit import targeting
from crmkit.errors import OptionError
from crmkit.results import Estimate

rates = st.floats(0.05, 0.98)


def worth(**options):
    return targeting.retention_value(**options)


# margin multiples r / (1 + i − r(1 + g)) as printed in Gupta and Lehmann (2003): by discount, and by growth at 12 %
MULTIPLES = {
    0.6: (1.20, 1.15, 1.11, 1.07),
    0.7: (1.75, 1.67, 1.59, 1.52),
    0.8: (2.67, 2.50, 2.35, 2.22),
    0.9: (4.50, 4.09, 3.75, 3.46),
}


@pytest.mark.parametrize("retention", MULTIPLES)
def test_margin_multiples_are_those_printed(retention):
    found = [worth(retention=retention, annual_discount=d).multiple for d in (0.10, 0.12, 0.14, 0.16)]
    assert [round(multiple, 2) for multiple in found] == list(MULTIPLES[retention])


@pytest.mark.parametrize(("retention", "later", "now"), [(0.80, 0.275, 0.200), (0.85, 0.324, 0.250), (0.90, 0.407, 1 / 3)])
def test_five_points_of_retention(retention, later, now):
    """The arithmetic behind the slogan gives these at 10 %, not 25 to 85 %."""
    for first, rise in (("later", later), ("now", now)):
        better = worth(retention=retention, to_retention=retention + 0.05, first_margin=first)
        assert better.relative_change == approx(rise, abs=6e-4)
        assert better.change == approx(better.value_after - better.value)


@given(
    r=rates, a=st.floats(0.0, 0.5), g=st.floats(-0.1, 0.01), n=st.sampled_from([1, 4, 12]),
    first=st.sampled_from(["now", "later"]), horizon=st.integers(1, 60),
)  # fmt: skip
@mp.workdps(40)
def test_the_value_is_the_sum_of_its_definition(r, a, g, n, first, horizon):
    i = (1 + mpf(a)) ** (mpf(1) / n) - 1
    terms = range(horizon) if first == "now" else range(1, horizon + 1)
    shift = 0 if first == "now" else 1
    expected = sum(mpf(r) ** t * (1 + mpf(g)) ** (t - shift) / (1 + i) ** t for t in terms)
    found = worth(
        retention=r, margin=50.0, annual_discount=a, margin_growth=g, periods_per_year=n, first_margin=first, horizon=horizon
    )
    assert found.value == approx(float(50 * expected), rel=1e-12)
    assert found.multiple == approx(found.lifetime * found.discount_factor)
    assert found.value == approx(50.0 * found.multiple)


@given(r=rates, a=st.floats(0.02, 0.4), first=st.sampled_from(["now", "later"]), horizon=st.sampled_from([None, 1, 7, 40]))
def test_elasticities_are_derivatives(r, a, first, horizon):
    def log_value(retention, discount):
        given_there = {"annual_discount": discount, "first_margin": first, "horizon": horizon, "periods_per_year": 4}
        return np.log(worth(retention=retention, **given_there).value)

    found = worth(retention=r, annual_discount=a, first_margin=first, horizon=horizon, periods_per_year=4).elasticity
    step = 1e-5
    slope = (log_value(r * (1 + step), a) - log_value(r * (1 - step), a)) / (2 * step)
    assert found["retention"] == approx(slope, rel=1e-5, abs=1e-8)
    assert found["churn"] == approx(-slope * (1 - r) / r, rel=1e-5, abs=1e-8)
    assert found["discount"] == approx(
        (log_value(r, a * (1 + step)) - log_value(r, a * (1 - step))) / (2 * step), rel=1e-5, abs=1e-8
    )
    assert found["margin"] == 1.0


def test_elasticities_in_closed_form():
    found = worth(retention=0.8, annual_discount=0.1)
    assert found.elasticity["retention"] == approx(1.1 / 0.3)
    assert worth(retention=0.8, annual_discount=0.1, first_margin="now").elasticity["retention"] == approx(0.8 / 0.3)


def test_a_long_horizon_is_as_good_as_none():
    options = {"retention": 0.9, "annual_discount": 0.1, "to_retention": 0.92}
    one, other = worth(**options), worth(**options, horizon=2_000)
    assert one.value == approx(other.value, rel=1e-12)
    assert one.elasticity == approx(dict(other.elasticity))


@given(r0=rates, r1=rates, m1=st.floats(0.5, 3), d1=st.floats(0.01, 0.4))
def test_parts_add_up(r0, r1, m1, d1):
    found = worth(retention=r0, to_retention=r1, to_margin=m1, to_discount=d1)
    assert sum(found.decomposition.values()) == approx(found.change, abs=1e-9)
    alone = worth(retention=r0, to_retention=r1)
    assert alone.decomposition == approx({"retention": alone.change, "margin": 0.0, "discount": 0.0}, abs=1e-12)
    assert alone.longer_life + alone.discounted_away == approx(alone.change, abs=1e-9)
    assert alone.longer_life == approx(r1 / (1 - r1) - r0 / (1 - r0))
    assert found.longer_life == approx(alone.longer_life)


def test_the_order_of_two_changes_is_averaged():
    found = worth(retention=0.5, to_retention=0.6, margin=10.0, to_margin=20.0, annual_discount=0.0)
    # 10 × 1 → 20 × 1.5: margin first or retention first
    assert found.decomposition["retention"] == approx((10 * 0.5 + 20 * 0.5) / 2)
    assert found.decomposition["margin"] == approx((10 * 1.0 + 10 * 1.5) / 2)


def test_an_interval_of_retention_becomes_one_of_value():
    around = Estimate.normal(0.8, 0.02, n=400, level=0.95, method="wald")
    found = worth(retention=around, margin=100)
    assert found.ci_low == approx(worth(retention=around.ci_low, margin=100).value)
    assert found.ci_high == approx(worth(retention=around.ci_high, margin=100).value)
    assert found.value == worth(retention=0.8, margin=100).value
    assert worth(retention=0.8).ci_low is None
    assert f"({found.ci_low:,.6g} to" in repr(found)


def test_it_prints_and_travels():
    found = worth(retention=0.8, to_retention=0.85, to_margin=1.1)
    assert "after the change" in repr(found)
    assert "longer lives" in repr(found)
    assert "after" not in repr(worth(retention=0.8))
    assert pickle.loads(pickle.dumps(found)).decomposition == found.decomposition


@pytest.mark.parametrize(
    "wrong",
    [
        {"retention": 0}, {"retention": 1.2}, {"retention": 1.0}, {"margin": 0}, {"annual_discount": -0.1}, {"to_retention": 0},
        {"to_margin": -1}, {"to_discount": np.nan}, {"periods_per_year": 0}, {"margin_growth": -1}, {"horizon": 0},
        {"first_margin": "soon"},
    ],
)  # fmt: skip
def test_options_out_of_range_are_refused(wrong):
    with raises(OptionError, match=next(iter(wrong))):
        worth(**{"retention": 0.8, **wrong})


def test_sums_without_end_are_refused():
    with raises(OptionError, match="no end; give a horizon"):
        worth(retention=0.95, margin_growth=0.2)
    assert worth(retention=0.95, margin_growth=0.2, horizon=10).value > 0
    assert worth(retention=1.0, horizon=3, annual_discount=0.0).value == approx(3.0)
