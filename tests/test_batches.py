"""Batches are scored as the whole would be, one at a time, and keep their columns whatever they hold."""

import pickle
from functools import partial

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import crmkit as crm
from crmkit.errors import DataError, OptionError


@pytest.fixture(scope="module")
def histories():
    lines = crm.datasets.make_transactions(n_customers=400, weeks=52, acquisition_weeks=20, rng=1).transactions
    return crm.clv.summarize(lines).reset_index().drop(columns="unit")


@pytest.fixture(scope="module")
def people():
    rng = np.random.default_rng(2)
    frame = pd.DataFrame({"customer_id": range(600), "age": rng.normal(50, 9, 600).round(), "plan": list("abc") * 200})
    frame["treated"] = rng.integers(0, 2, 600)
    # treatment keeps the young
    leaves = 0.2 + 0.6 * ((frame["age"] < 50) & (frame["treated"] == 0))
    return frame.assign(lost=(rng.random(600) < leaves).astype(int))


@pytest.fixture(scope="module")
def scores(histories, people):
    """Functions of one frame, each with the frame it reads."""
    buying = crm.clv.fit_bg_nbd(histories)
    features = ["age", "plan"]
    leaving = crm.churn.fit(people, label="lost", features=features)
    moved = crm.uplift.fit(people, treatment="treated", outcome="lost", features=features)
    return {
        "p_alive": (partial(crm.clv.p_alive, buying), histories),
        "expected_purchases": (partial(crm.clv.expected_purchases, buying, horizon=8.0), histories),
        "churn.predict": (partial(crm.churn.predict, leaving), people),
        "uplift.predict": (partial(crm.uplift.predict, moved), people),
    }


def cut(frame, kind):
    """The frame in uneven pieces, one of them empty."""
    pieces = [frame.iloc[:0], frame.iloc[:7], frame.iloc[7:7], frame.iloc[7:120], frame.iloc[120:]]
    if kind == "pandas":
        return pieces
    tables = [pa.Table.from_pandas(piece, preserve_index=False, schema=pa.Schema.from_pandas(frame)) for piece in pieces]
    if kind == "polars":
        return [pl.from_arrow(table) for table in tables]
    if kind == "tables":
        return tables
    return [pa.RecordBatch.from_arrays([c.combine_chunks() for c in table.columns], schema=table.schema) for table in tables]


NAMES = ("p_alive", "expected_purchases", "churn.predict", "uplift.predict")


@pytest.mark.parametrize("kind", ["batches", "tables", "polars", "pandas"])
@pytest.mark.parametrize("name", NAMES)
def test_batches_are_scored_as_the_whole_would_be(scores, name, kind):
    score, frame = scores[name]
    pieces = cut(frame, kind)
    found = list(crm.score_batches(score, iter(pieces)))
    assert [len(answer) for answer in found] == [len(piece) for piece in pieces]
    if kind == "pandas":
        pd.testing.assert_series_equal(pd.concat(found), score(frame))
        return
    whole = score(pa.Table.from_pandas(frame, preserve_index=False))
    if kind == "batches":
        assert all(isinstance(answer, pa.RecordBatch) for answer in found)
        joined = pa.Table.from_batches(found)  # which demands one schema of all, the empty included
    else:
        joined = pa.concat_tables([answer if kind == "tables" else answer.to_arrow() for answer in found])
    assert joined.column_names == ["customer_id", whole.column_names[1]]
    assert joined.column(1).to_pylist() == whole.column(1).to_pylist()
    assert joined.column(0).to_pylist() == frame["customer_id"].tolist()


def test_one_batch_is_read_at_a_time(scores):
    score, frame = scores["p_alive"]
    read = []

    def pieces():
        for number, piece in enumerate(cut(frame, "batches")):
            read.append(number)
            yield piece

    answers = crm.score_batches(score, pieces())
    assert read == []
    next(answers)
    assert read == [0]
    assert len(list(answers)) == 4


def test_a_reader_of_arrow_is_an_iterator_of_batches(scores):
    score, frame = scores["p_alive"]
    table = pa.Table.from_pandas(frame, preserve_index=False)
    reader = pa.RecordBatchReader.from_batches(table.schema, table.to_batches(max_chunksize=60))
    assert sum(batch.num_rows for batch in crm.score_batches(score, reader)) == len(frame)


def test_no_batches_give_none(scores):
    assert list(crm.score_batches(scores["p_alive"][0], [])) == []


@pytest.mark.parametrize("name", NAMES)
def test_scores_travel_to_workers(scores, name):
    score, frame = scores[name]
    again = pickle.loads(pickle.dumps(score))
    pd.testing.assert_series_equal(again(frame), score(frame))


def test_what_is_no_function_or_no_batches_is_refused_at_once(scores):
    score, frame = scores["p_alive"]
    with pytest.raises(OptionError, match="score is DataFrame, not a function"):
        crm.score_batches(frame, [frame])
    for single in (frame, pl.from_pandas(frame), *cut(frame, "batches")[1:2], 3):
        with pytest.raises(OptionError, match="pass an iterator or a list of frames"):
            crm.score_batches(score, single)


def test_answers_that_do_not_fit_the_rows_are_refused(histories, scores):
    pieces = cut(histories, "batches")[1:]
    refused = [
        (lambda batch: batch.slice(0, 3), "batch 0: score returned 3 rows for 7 rows"),
        (lambda batch: 1.0, "batch 0: score returned float for 7 rows"),
        (lambda batch: np.zeros(len(batch)), "batch 0: score returned no pyarrow table"),
        (lambda batch: batch.select([0] if len(batch) == 7 else [1]), "batch 1: score returned .* for the first batch"),
    ]
    for score, message in refused:
        with pytest.raises(DataError, match=message):
            list(crm.score_batches(score, pieces))
    doubled = [lambda batch: batch["frequency"], lambda batch: batch["frequency"].astype(float) if len(batch) else batch["T"]]
    for score in doubled[:1]:
        assert len(list(crm.score_batches(score, cut(histories, "pandas")))) == 5
    with pytest.raises(DataError, match="batch 1"):
        list(crm.score_batches(doubled[1], cut(histories, "pandas")))
    with pytest.raises(DataError, match="'frequency'"):
        list(crm.score_batches(scores["p_alive"][0], [histories.assign(frequency=-1.0)]))
