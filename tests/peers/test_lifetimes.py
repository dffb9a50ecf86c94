"""Purchase summaries and the BG/NBD model beside lifetimes; run by ``nox -s peers``, in whose environment it works."""

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("lifetimes", reason="lifetimes works in the environment of `nox -s peers`", exc_type=ImportError)

from lifetimes import BetaGeoFitter
from lifetimes.datasets import load_cdnow_summary, load_transaction_data
from lifetimes.utils import summary_data_from_transaction_data

import crmkit as crm
from crmkit import clv

# its own calls of pandas and numpy are dated
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::RuntimeWarning")


@pytest.fixture(scope="module")
def cdnow():
    return load_cdnow_summary(index_col=0)


@pytest.fixture(scope="module")
def theirs(cdnow):
    return BetaGeoFitter().fit(cdnow["frequency"], cdnow["recency"], cdnow["T"])


@pytest.fixture(scope="module")
def ours(cdnow):
    return clv.fit_bg_nbd(cdnow)


def test_the_fit_is_in_the_same_place(ours, theirs):
    for name in ("r", "alpha", "a", "b"):
        # theirs stops at its optimizer's tolerance
        assert getattr(ours, name) == pytest.approx(theirs.params_[name], rel=2e-3)


def test_probabilities_and_expectations_agree_for_the_same_parameters(ours, theirs, cdnow):
    theirs.params_ = pd.Series({name: getattr(ours, name) for name in ("r", "alpha", "a", "b")})
    alive = theirs.conditional_probability_alive(cdnow["frequency"], cdnow["recency"], cdnow["T"])
    np.testing.assert_allclose(clv.p_alive(ours, cdnow), alive, rtol=1e-9)
    expected = theirs.conditional_expected_number_of_purchases_up_to_time(39, cdnow["frequency"], cdnow["recency"], cdnow["T"])
    np.testing.assert_allclose(clv.expected_purchases(ours, cdnow, horizon=39), expected, rtol=1e-8)


def test_the_summary_of_purchases_is_the_same():
    rows = load_transaction_data().assign(date=lambda frame: pd.to_datetime(frame["date"]))
    theirs = summary_data_from_transaction_data(rows, "id", "date", observation_period_end="2014-12-31")
    log = crm.events(rows, customer="id", time="date", amount=None)
    ours = clv.summarize(log, unit="D", end="2014-12-31")
    for name in ("frequency", "recency", "T"):
        np.testing.assert_array_equal(ours[name], theirs[name])
