"""Pictures of recommendations and rules: they draw what the results say, with units and numbers of cases."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest

from crmkit import basket, datasets, plot, recommend
from crmkit.errors import ColumnError, DataError, FitError, OptionError

figures = pytest.importorskip("matplotlib.figure")


@pytest.fixture
def ax():
    return figures.Figure(layout="constrained").subplots()


@pytest.fixture(scope="module")
def shop():
    lines = datasets.make_interactions(n_customers=80, n_items=30, orders=4).lines
    split = recommend.split_by_time(lines, when="2023-10-01", order="order_id")
    seen = recommend.interactions(split.train)
    models = {"knn": recommend.fit_item_knn(seen), "popular": recommend.fit_popularity(seen)}
    return lines, seen, models, recommend.evaluate(models, split, k=[2, 5], replicates=100)


def test_metrics_are_drawn_with_their_intervals(shop, ax):
    *_, evaluation = shop
    plot.recommend_metrics(evaluation, metric="ndcg", items="new", ax=ax)
    rows = evaluation.metrics.query("metric == 'ndcg' and items == 'new'")
    for line, name in zip(ax.get_lines(), ("knn", "popular"), strict=True):
        assert line.get_label() == name
        assert line.get_ydata().tolist() == rows.loc[rows["model"] == name, "value"].tolist()
    assert f"n = {rows['n'].max()}" in ax.get_xlabel()
    assert ax.get_ylabel() == "ndcg, items never bought before, with 95 % interval"
    with pytest.raises(OptionError, match="metric='auc'"):
        plot.recommend_metrics(evaluation, metric="auc", ax=ax)
    with pytest.raises(OptionError, match="items='old'"):
        plot.recommend_metrics(evaluation, items="old", ax=ax)
    with pytest.raises(OptionError, match=r"recommend\.evaluate"):
        plot.recommend_metrics(evaluation.metrics, ax=ax)


def test_coverage_adds_up_from_the_most_bought_items(shop, ax):
    _, seen, models, _ = shop
    lists = {name: recommend.top_items(model, k=3, exclude="nothing") for name, model in models.items()}
    plot.recommend_coverage(lists, seen, ax=ax)
    *_, knn, popular = ax.get_lines()
    # three items are all that popularity recommends
    assert popular.get_ydata()[3] == pytest.approx(100.0)
    times = lists["knn"]["item_id"].value_counts().reindex(seen.items.values[seen.order], fill_value=0)
    assert knn.get_ydata()[1:] == pytest.approx(100 * np.cumsum(times) / times.sum())
    assert f"({(times > 0).mean():.0%}".replace("%", " %") in knn.get_label()
    with pytest.raises(DataError, match="no rows"):
        plot.recommend_coverage(lists["knn"].iloc[:0], seen, ax=ax)
    with pytest.raises(DataError, match="not in the interactions"):
        plot.recommend_coverage(pd.DataFrame({"item_id": ["I0001", "new"]}), seen, ax=ax)
    with pytest.raises(ColumnError, match="item_id"):
        plot.recommend_coverage(pd.DataFrame({"item": ["I0001"]}), seen, ax=ax)
    with pytest.raises(OptionError, match=r"recommend\.interactions"):
        plot.recommend_coverage(lists, lists, ax=ax)


@pytest.mark.parametrize("give", [lambda f: f, pl.from_pandas], ids=["pandas", "polars"])
def test_neighbours_stand_around_their_item(shop, ax, give):
    lines, *_ = shop
    model = recommend.fit_item_knn(recommend.interactions(give(lines), amount=None), k=20)
    plot.recommend_neighbours(model, "I0001", k=6, ax=ax)
    near = recommend.similar_items(model, ["I0001"], k=6)
    words = [text.get_text() for text in ax.texts]
    assert words[0] == "I0001"
    assert [text.split("\n")[0] for text in words[1:]] == list(near["similar_id"])
    points = ax.collections[0].get_offsets()
    distance = np.hypot(points[:, 0], points[:, 1])
    assert (np.diff(distance) >= -1e-12).all()
    with pytest.raises(OptionError, match="k=40"):
        plot.recommend_neighbours(model, "I0001", k=40, ax=ax)
    with pytest.raises(DataError, match="never bought before the fit"):
        plot.recommend_neighbours(model, "new", ax=ax)
    with pytest.raises(FitError, match="does not compare items"):
        plot.recommend_neighbours(shop[2]["popular"], "I0001", ax=ax)
    alone = recommend.interactions(pd.DataFrame({"customer_id": [1, 2], "item_id": ["a", "b"]}), time=None, amount=None)
    with pytest.raises(DataError, match="like no other"):
        plot.recommend_neighbours(recommend.fit_item_knn(alone), "a", ax=ax)


def test_rules_are_points_and_the_strongest_are_written_out(shop, ax):
    lines, *_ = shop
    sets = basket.frequent_itemsets(lines, min_support=0.01, order="order_id")
    rules = basket.rules(sets, min_confidence=0.1)
    plot.basket_rules(rules, named=2, ax=ax)
    points = ax.collections[0].get_offsets()
    assert sorted(points[:, 1]) == pytest.approx(sorted(100 * rules["confidence"]))
    best = rules.sort_values("lift").iloc[-1]
    assert " + ".join(best["antecedent"]) in ax.get_title(loc="left").split("\n")[0]
    assert f"n = {len(rules):,} rules" in ax.get_xlabel()
    with pytest.raises(DataError, match="no rules"):
        plot.basket_rules(rules.iloc[:0], ax=ax)
    with pytest.raises(OptionError, match="named=-1"):
        plot.basket_rules(rules, named=-1, ax=ax)
    with pytest.raises(ColumnError, match="lift"):
        plot.basket_rules(rules.drop(columns="lift"), ax=ax)
