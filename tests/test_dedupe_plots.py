"""Pictures of linkage: what they show is what the results say."""

import os
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from crmkit import datasets, dedupe, plot
from crmkit.errors import CrmkitError

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")
if os.environ.get("NUMBA_DISABLE_JIT") == "1":
    pytest.skip("mixtures take minutes without compiled kernels", allow_module_level=True)
CONTACTS = datasets.make_records(n_records=700, rng=2)
FOUND = dedupe.deduplicate(CONTACTS.records, CONTACTS.fields)


@pytest.fixture(autouse=True)
def closed():
    yield
    matplotlib.pyplot.close("all")


def test_weights_are_the_bits_of_every_level():
    model = FOUND.model
    bars = plot.dedupe_weights(model).patches
    expected = [np.log2(m / u) for field in model.m for m, u in zip(model.m[field][::-1], model.u[field][::-1], strict=True)]
    assert [bar.get_width() for bar in bars] == pytest.approx(expected)


def test_the_waterfall_ends_at_the_match_weight():
    pair = FOUND.pairs.iloc[0]
    why = dedupe.explain_pair(FOUND.model, CONTACTS.records, pair["left"], pair["right"])
    ax = plot.dedupe_waterfall(why)
    assert ax.patches[-1].get_width() == pytest.approx(pair["match_weight"])
    assert "prior (rule" in ax.get_yticklabels()[0].get_text()
    # nearly certain is not certain
    assert ax.texts[-1].get_text().endswith("probability > 0.9999")
    never = pd.DataFrame({"term": ["prior"], "level": ["all pairs"], "bits": [-40.0]})
    assert plot.dedupe_waterfall(never).texts[-1].get_text().endswith("probability < 0.0001")


def test_labels_of_many_fields_do_not_overlap():
    ax = plot.dedupe_weights(FOUND.model)
    ax.figure.draw_without_rendering()
    boxes = [label.get_window_extent() for label in ax.get_yticklabels()]
    assert len(boxes) > 30
    assert all(upper.y0 >= lower.y1 - 1 for upper, lower in pairwise(boxes))


def test_every_pair_is_on_one_side_of_the_threshold():
    ax = plot.dedupe_scores(FOUND.pairs)
    assert sum(bar.get_height() for bar in ax.patches) == len(FOUND.pairs)
    linked = (FOUND.pairs["probability"] >= 0.95).sum()
    assert f"linked (n = {linked:,})" in [text.get_text() for text in ax.get_legend().get_texts()]
    plot.dedupe_scores(FOUND.pairs, threshold=None)


def test_sizes_are_counted():
    bars = plot.dedupe_clusters(FOUND.sizes).patches
    assert {round(bar.get_x() + 0.4): bar.get_height() for bar in bars} == FOUND.sizes["size"].value_counts().to_dict()


@pytest.mark.parametrize(
    "call",
    [
        lambda: plot.dedupe_weights("model"),
        lambda: plot.dedupe_waterfall(pd.DataFrame({"term": [], "level": [], "bits": []})),
        lambda: plot.dedupe_scores(FOUND.pairs.head(0)),
        lambda: plot.dedupe_scores(FOUND.pairs, threshold=95),
        lambda: plot.dedupe_clusters(FOUND.sizes.head(0)),
    ],
    ids=["no model", "no terms", "no pairs", "no probability", "no clusters"],
)
def test_nothing_to_show_is_refused(call):
    with pytest.raises(CrmkitError):
        call()
