"""Qini and uplift areas beside scikit-uplift; run by ``nox -s peers``, in whose environment it works."""

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("sklift", reason="scikit-uplift works in the environment of `nox -s peers`", exc_type=ImportError)

from sklift import metrics as theirs

from crmkit import uplift

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")


def both(y, score, treated):
    ours = uplift.qini(y, score, treated).named
    assert ours["sklift_qini_auc"] == pytest.approx(theirs.qini_auc_score(y, score, treated), rel=1e-10)
    negative = theirs.qini_auc_score(y, score, treated, negative_effect=False)
    assert ours["sklift_qini_auc_no_negative"] == pytest.approx(negative, rel=1e-10)
    assert ours["sklift_uplift_auc"] == pytest.approx(theirs.uplift_auc_score(y, score, treated), rel=1e-10)


@pytest.mark.parametrize("seed", range(10))
def test_the_same_areas_on_random_rows(seed):
    rng = np.random.default_rng(seed)
    n = 400
    treated = rng.integers(0, 2, n)
    y = (rng.random(n) < 0.2 + 0.1 * treated).astype(int)
    both(y, rng.integers(0, 30, n) / 10 if seed % 2 else rng.normal(size=n), treated)


def test_the_same_areas_on_hillstrom(data_file):
    frame = pd.read_csv(data_file("hillstrom.csv.gz"))
    women = frame[frame["segment"] != "Mens E-Mail"]
    treated = (women["segment"] == "Womens E-Mail").astype(int).to_numpy()
    both(women["visit"].to_numpy(), women["history"].to_numpy(), treated)
