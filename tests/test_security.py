"""What a reviewer asks first: nothing is unpickled or evaluated, nothing is sent anywhere, and nobody's data are in messages."""

import ast
import dataclasses
import io
import itertools
import logging
import os
import traceback
import types
import warnings
from pathlib import Path

import numba
import numpy as np
import pandas as pd
import pytest
from test_bad_input import CASES, as_categories

import crmkit

ROOT = Path(crmkit.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))
# they run code from data, start programs, or talk to other machines
LIBRARIES = {
    *("pickle", "cPickle", "_pickle", "marshal", "shelve", "dill", "cloudpickle", "joblib", "code", "codeop", "imp"),
    *("subprocess", "pty", "socket", "ssl", "http", "urllib", "ftplib", "smtplib", "requests", "httpx", "xmlrpc", "webbrowser"),
}
CALLS = {"eval", "exec", "compile", "__import__", "breakpoint", "input"}
METHODS = {"eval", "query", "read_pickle", "to_pickle", "system", "popen", "execv", "spawnv", "sql"}


def named(node):
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else None


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix().replace("/", "."))
def test_nothing_is_unpickled_evaluated_or_sent(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            assert not {alias.name.split(".")[0] for alias in node.names} & LIBRARIES, node.lineno
        if isinstance(node, ast.ImportFrom):
            assert node.module.split(".")[0] not in LIBRARIES, node.lineno
        if not isinstance(node, ast.Call):
            continue
        name, method = named(node.func), isinstance(node.func, ast.Attribute)
        # re.compile and the like are methods of a module
        assert method or name not in CALLS, f"{path.name}:{node.lineno} calls {name}"
        # a sentence that stands in the code holds nobody's data
        fixed = name == "query" and all(isinstance(part, ast.Constant) for part in node.args)
        assert not method or name not in METHODS or fixed, f"{path.name}:{node.lineno} calls .{name}"
        given = {keyword.arg: keyword.value for keyword in node.keywords}
        if method and name == "load" and named(node.func.value) in ("np", "numpy"):
            assert isinstance(given.get("allow_pickle"), ast.Constant), f"{path.name}:{node.lineno}"
        if "allow_pickle" in given:
            assert given["allow_pickle"].value is False, f"{path.name}:{node.lineno}"
        if method and name in ("loads", "load") and named(node.func.value) not in ("json", "np", "numpy"):
            # skops: only what is on the list may be built
            assert "trusted" in given, f"{path.name}:{node.lineno} loads without a list of what it trusts"


def test_the_test_above_sees_what_it_looks_for():
    bad = ["import pickle", "from joblib import load", "eval('1')", "frame.query(text)", "np.load(f)", "skops.loads(b)"]
    for number, line in enumerate(bad):
        path = types.SimpleNamespace(read_text=lambda encoding, line=line: f"x = 1\n{line}\n", name=f"bad{number}")
        with pytest.raises(AssertionError):
            test_nothing_is_unpickled_evaluated_or_sent(path)


# ── personal values ──────────────────────────────────────────────────────────────────────────────────────────────────────

MARK = "Zq7"  # in every personal value below, and nowhere else
# labels of groups and categories are named on purpose: they are what a table of results is about
NOT_PERSONAL = {"plan", "arm", "mail", "treatment", "segment", "item_id"}
# all of the matrix with `nox -s fuzz`, every third frame elsewhere
STEP = 1 if "CRMKIT_FUZZ_SECONDS" in os.environ else 24 if numba.config.DISABLE_JIT else 3


def personal(case):
    """The case's frame with a recognisable value in place of each customer id, name and row label."""
    frame = case.frame()
    texts = [name for name in frame if pd.api.types.is_string_dtype(frame[name]) and name not in case.times]
    for name in {*case.ids, *texts, "customer_id", "left", "right"} & set(frame.columns) - NOT_PERSONAL:
        frame[name] = [f"{value}{MARK}{value}" for value in frame[name]]
    if case.keyed:
        frame.index = pd.Index([f"{MARK}{place}" for place in range(len(frame))])
    return frame


def wrong(case):
    """Frames with everything that can be wrong with them, personal values in each."""
    yield "right", personal(case)
    frame = personal(case)
    features = set(case.numbers) if case.text_is_data else set()
    for column in frame.columns.difference([*NOT_PERSONAL, *features], sort=False):
        yield f"no {column}", frame.drop(columns=column)
        yield f"{column} twice", pd.concat([frame, frame[[column]]], axis=1)
        for what, value in (("missing", None), ("infinite", np.inf), ("negative", -7.0), ("text", f"{MARK}@example.org")):
            values = frame[column].astype(object).copy()
            values.iloc[[0, len(values) // 2]] = value
            yield f"{column} {what}", frame.assign(**{column: values.infer_objects()})
        yield f"{column} of mixed kinds", frame.assign(**{column: [f"{MARK}{k}" if k % 2 else k for k in range(len(frame))]})
        yield f"{column} constant", frame.assign(**{column: [frame[column].iloc[0]] * len(frame)})
        if column not in case.times:
            yield f"{column} of text", frame.assign(**{column: [f"{MARK}{k}" for k in range(len(frame))]})
            yield f"{column} of bytes", frame.assign(**{column: [f"{MARK}{k}".encode() for k in range(len(frame))]})
            yield f"{column} of tuples", frame.assign(**{column: [(MARK, k) for k in range(len(frame))]})
    yield "no rows", frame.iloc[:0]
    yield "one row", frame.iloc[:1]
    yield "rows twice", pd.concat([frame, frame])
    yield "backwards", frame.iloc[::-1]
    yield "categories", as_categories(frame, tuple(set(case.ids) & set(frame.columns)))


def said_by(call, frame):
    """All that is said on the way: error, cause and context, warnings, log records; and what the answer shows of itself."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    logging.getLogger().addHandler(handler)
    said = []
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                result = call(frame)
            except Exception as error:
                said += traceback.format_exception(error)
            else:
                # tables hold the ids they are about; models, logs and reports do not show them
                if dataclasses.is_dataclass(result) and not any_table(result):
                    said.append(repr(result))
        said += [str(one.message) for one in caught]
    finally:
        logging.getLogger().removeHandler(handler)
    return "\n".join([*said, stream.getvalue()])


def any_table(result):
    return any(isinstance(getattr(result, field.name), (pd.DataFrame, pd.Series)) for field in dataclasses.fields(result))


@pytest.mark.parametrize("name", sorted(CASES))
def test_personal_values_are_in_no_message_warning_repr_or_log(name):
    case = CASES[name]
    leaks = {}
    first = sorted(CASES).index(name) % STEP
    for what, frame in itertools.islice(wrong(case), first, None, STEP):
        said = said_by(case.call, frame)
        # the values of a column of times are shown: a date that does not parse cannot be found otherwise
        if MARK in said and not any(f"column '{time}'" in said for time in case.times):
            leaks[what] = next(line for line in said.splitlines() if MARK in line)[:300]
    assert leaks == {}
