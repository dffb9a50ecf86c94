"""What the parity page says that other libraries say; run by ``nox -s peers``, in whose environment they work."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("lifetimes", reason="peers work in the environment of `nox -s peers`", exc_type=ImportError)

EXTENSIONS = Path(__file__).parents[2] / "docs" / "_ext"
# its search starts at random numbers and stops early
MOVES = "Pareto/NBD on CDNOW"

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def ask():
    spec = importlib.util.spec_from_file_location("parity_peers", EXTENSIONS / "parity_peers.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def recorded():
    return json.loads((EXTENSIONS / "parity.json").read_text(encoding="utf-8"))


def test_peers_still_say_what_is_written_down(ask, recorded):
    expected = {(figure["peer"], figure["quantity"]): figure["value"] for figure in recorded["published"]}
    found = {(peer, quantity): value for peer, quantity, value in ask.published()}
    assert found == pytest.approx(expected, rel=1e-9)


def test_corners_are_lost_where_it_says_so(ask, recorded):
    for figure, (peer, quantity, value) in zip(recorded["exact"], ask.in_corners(), strict=True):
        assert (figure["peer"], figure["quantity"]) == (peer, quantity)
        assert value == pytest.approx(np.nan if figure["value"] is None else figure["value"], rel=1e-9, nan_ok=True)


def test_both_columns_of_the_second_table_come_out_again(ask, recorded):
    expected = {row["quantity"]: row for row in recorded["recorded"]}
    rows = list(ask.on_their_data())
    assert len(rows) > 25
    for quantity, source, published, ours, peer, theirs in rows:
        row = expected[quantity]
        assert (row["source"], row["published"], row["peer"]) == (source, published, peer)
        assert ours == pytest.approx(row["crmkit"], rel=1e-6)
        assert theirs == pytest.approx(row["value"], rel=1e-3 if quantity.startswith(MOVES) else 1e-5)
