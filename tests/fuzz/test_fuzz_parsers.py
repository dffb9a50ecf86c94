"""What reads text, files and saved models, on what nobody would write on purpose; and string kernels beside their twins."""

import json
import math
import zipfile

import numpy as np
import pandas as pd
from hypothesis import strategies as st
from rounds import rounds
from test_bad_input import buying, linkage, moved, orders, quietly, spend, staying

import crmkit as crm
from crmkit import dedupe, recommend
from crmkit._report import files
from crmkit.errors import CrmkitError
from crmkit.results import Model
from naive import strings as naive

# letters that fold, combine, run the other way, or are two code units; control characters and lone surrogates
ALPHABET = "aAbzZ0123456789 .-/@+,;'\"()\t\n\x00_éßøłİıΣ漢ー😀e\u0301\u202e\u200d\ufeff\ud800%#xX&oO"
odd = st.one_of(
    st.text(alphabet=st.sampled_from(ALPHABET), max_size=30),
    st.text(max_size=30),
    st.from_regex(r"\+?[0-9 ()/.-]{0,20}(ext\.? ?[0-9]{1,4})?", fullmatch=True),
    st.from_regex(r"[a-z.+]{0,12}@[a-z.-]{0,12}\.[a-z]{0,4}", fullmatch=True),
    st.from_regex(r"[0-9]{0,4}[-/. ]?[0-9]{0,2}[-/. ]?[0-9]{0,4}([T ][0-9:.Z+]{0,8})?", fullmatch=True),
    st.sampled_from(["31 Dec 1999", "feb-30-2001", "١٢٣", "2024-13-45", "0000-00-00", "99991231", "1e5", "nan", "İstanbul"]),
)
columns = st.lists(st.one_of(odd, st.none()), min_size=1, max_size=6)
NORMALIZERS = [dedupe.normalize_name, dedupe.normalize_email, dedupe.normalize_phone, dedupe.normalize_address]


def test_normalisers_answer_every_text_and_their_own_answers_alike():
    def one(values):
        for normalize in [*NORMALIZERS, dedupe.normalize_date]:
            try:
                once = list(normalize(pd.Series(values, dtype=object)))
            except CrmkitError:
                continue
            assert len(once) == len(values)
            assert all(value is None or isinstance(value, (str, float)) or value is pd.NA for value in once)
            assert not any(isinstance(value, str) and not value for value in once)
            if any(isinstance(value, str) for value in once):
                assert [str(v) for v in normalize(pd.Series(once, dtype=object))] == [str(v) for v in once], normalize.__name__

    rounds(one, columns, share=0.25, few=60, most=300)


def test_codes_and_measures_answer_every_text():
    def one(values):
        left, right = pd.Series(values, dtype=object), pd.Series(values[::-1], dtype=object)
        for code in (dedupe.soundex, dedupe.nysiis):
            assert len(code(left)) == len(values)
        found = np.asarray(dedupe.jaro_winkler(left, right), float)
        known = found[~np.isnan(found)]
        assert ((known >= 0) & (known <= 1)).all()

    rounds(one, columns, share=0.1, few=40, most=300)


def test_string_kernels_agree_with_their_twins():
    # few letters, so that much is in common; around 64 characters, where one machine word ends and another begins
    words = st.text(alphabet=st.sampled_from("ab漢\x00"), max_size=9)
    long = st.integers(58, 70).flatmap(lambda n: st.text(alphabet=st.sampled_from("abc"), min_size=n, max_size=n + 5))

    def one(pair):
        s, t = pair
        for fast, slow in (
            (dedupe.jaro_winkler, naive.jaro_winkler),
            (dedupe.levenshtein, naive.levenshtein),
            (dedupe.osa, naive.osa),
        ):
            assert float(fast([s], [t])[0]) == slow(s, t), fast.__name__

    rounds(one, st.one_of(st.tuples(words, words), st.tuples(long, long), st.tuples(words, long)), share=0.15, few=80, most=400)


def test_moments_are_read_or_refused():
    def one(values):
        frame = pd.DataFrame({"customer_id": range(len(values)), "timestamp": pd.Series(values, dtype=object), "amount": 1.0})
        try:
            log = crm.events(frame)
        except CrmkitError:
            return
        assert len(log) == len(values)

    rounds(one, columns, share=0.1, few=40, most=200)


def test_options_that_are_text_are_read_or_refused():
    log = crm.events(orders())

    def one(text):
        for call in (
            lambda: crm.rfm.summarize(log, as_of=text),
            lambda: crm.clv.expected_purchases(buying(), horizon=text),
            lambda: crm.cohort.retention(log, period=text),
            lambda: crm.dedupe.candidate_pairs(pd.DataFrame({"a": ["x", "y"]}), blocking=[text]),
            lambda: crm.clv.summarize(log, unit=text),
        ):
            try:
                call()
            except CrmkitError:
                continue

    rounds(one, odd, share=0.1, few=20, most=100)


def test_purchase_files_are_read_or_refused(tmp_path):
    head = st.sampled_from(
        ["customer_id,timestamp,amount", "customer_id;timestamp;amount", "a,b", "", "\ufeffcustomer_id,timestamp,amount"]
    )
    cells = st.one_of(odd, st.sampled_from(["1", "2024-01-01", "5.0", "NA", '"', '""', "1e400", "-0", "0x10", "١"]))
    rows = st.lists(st.lists(cells, min_size=0, max_size=5).map(",".join), max_size=5)
    raw = st.one_of(
        st.tuples(head, rows).map(lambda both: "\n".join([both[0], *both[1]]).encode("utf-8", "surrogatepass")),
        st.binary(max_size=80),
    )

    def one(data):
        path = tmp_path / "orders.csv"
        path.write_bytes(data)
        try:
            frame, amount = files.read_purchases(path, files.Named("customer_id", "timestamp", "amount"), files.Layout())
            crm.events(frame, amount=amount)
        except CrmkitError:
            return

    rounds(one, raw, share=0.1, few=60, most=200)


def saved():
    """Every kind of model as plain values."""
    yield from (model.to_dict() for model in (buying(), spend(), linkage(), staying(), moved()))


def damaged(draw_from):
    """One value of a saved model, somewhere inside, replaced by another; or left out, or put in."""
    scalars = st.sampled_from(
        [None, True, 0, -1, 1e308, -0.0, "", "x", "nan", [], {}, [[]], {"__array__": [1], "__dtype__": "O"}]
    )
    hostile = st.one_of(
        scalars,
        st.sampled_from(
            [
                {"__float__": "inf"},
                {"__float__": [1]},
                {"__float__": "x"},
                {"__array__": [[1], [2, 3]], "__dtype__": "<f8"},
                {"__array__": "abc", "__dtype__": "<i8"},
                {"__array__": [1], "__dtype__": "no such"},
                {"__array__": [1], "__dtype__": "|V8"},
                {"__skops__": "AAAA"},
                {"__skops__": 3},
                list(range(50)),
            ]
        ),
    )
    return st.tuples(st.integers(0, draw_from - 1), st.integers(0, 10**6), hostile, st.sampled_from(["put", "drop", "add"]))


def spoil(data, at, value, how):
    """Walk into the mapping by the digits of `at`, and change what is there."""
    here, trail = data, []
    while isinstance(here, (dict, list)) and here:
        keys = list(here) if isinstance(here, dict) else list(range(len(here)))
        at, place = divmod(at, len(keys))
        trail.append((here, keys[place]))
        here = here[keys[place]]
        if at % 3 == 0:
            break
    home, key = trail[-1]
    if how == "drop":
        del home[key]
    elif how == "add" and isinstance(home, dict):
        home["further"] = value
    else:
        home[key] = value


def test_damaged_models_are_refused_or_read():
    texts = [json.dumps(data) for data in saved()]

    def one(drawn):
        which, at, value, how = drawn
        data = json.loads(texts[which])
        spoil(data, at, value, how)
        try:
            model = Model.from_dict(data)
            repr(model)
        except CrmkitError:
            return

    rounds(one, damaged(len(texts)), share=0.1, few=80, most=300)


def test_damaged_files_of_recommenders_are_refused_or_read(tmp_path):
    seen = recommend.interactions(orders())
    originals = []
    for k, model in enumerate((seen, recommend.fit_item_knn(seen), quietly(recommend.fit_als, seen, factors=4, sweeps=2))):
        recommend.save(model, tmp_path / f"{k}.npz")
        originals.append((tmp_path / f"{k}.npz").read_bytes())

    def one(drawn):
        which, kind, at, byte, (_, place, value, how) = drawn
        path = tmp_path / "damaged.npz"
        data = bytearray(originals[which])
        if kind == "byte":
            data[at % len(data)] = byte
        elif kind == "short":
            del data[at % len(data) :]
        if kind == "header":
            with zipfile.ZipFile(tmp_path / f"{which}.npz") as old, zipfile.ZipFile(path, "w") as new:
                for name in old.namelist():
                    held = old.read(name)
                    if name.startswith("header"):
                        with old.open(name) as file:
                            header = json.loads(np.lib.format.read_array(file).tobytes())
                        spoil(header, place, value, how)
                        with new.open(name, "w") as file:
                            np.lib.format.write_array(file, np.frombuffer(json.dumps(header).encode(), np.uint8))
                    else:
                        new.writestr(name, held)
        else:
            path.write_bytes(data)
        try:
            model = recommend.load(path)
            repr(model)
            if hasattr(model, "items") and hasattr(model, "interactions"):
                recommend.top_items(model, k=2)
        except CrmkitError:
            return

    strategy = st.tuples(
        st.integers(0, len(originals) - 1),
        st.sampled_from(["byte", "short", "header"]),
        st.integers(0, 10**6),
        st.integers(0, 255),
        damaged(1),
    )
    rounds(one, strategy, share=0.1, few=60, most=300)


def test_estimates_print_whatever_they_hold():
    def one(values):
        value, low, high, se = values
        shown = crm.results.Estimate(value, low, high, se, 10, 0.95, "made")
        assert str(shown)
        assert format(shown, ".3f")

    numbers = st.one_of(st.floats(), st.sampled_from([math.nan, math.inf, 5e-324, 1.7e308]))
    rounds(one, st.tuples(numbers, numbers, numbers, numbers), share=0.01, few=30, most=100)
