"""Errors, options, estimates and models: the small things every function leans on."""

import dataclasses
import datetime as dt
import json
import math
import pickle
import statistics

import numpy as np
import pandas as pd
import pytest

from crmkit import _options, errors
from crmkit.results import Estimate, Model, confidence_level, critical_value


def test_every_error_is_the_builtin_that_callers_already_catch():
    builtins = {
        errors.ColumnError: KeyError,
        errors.DataError: ValueError,
        errors.OptionError: ValueError,
        errors.LimitError: MemoryError,
        errors.FitError: RuntimeError,
    }
    for kind, builtin in builtins.items():
        with pytest.raises(builtin, match=r"^what is wrong$"):
            raise kind("what is wrong")
        assert issubclass(kind, errors.CrmkitError)


def test_a_missing_column_names_the_nearest_and_the_rest():
    message = str(errors.ColumnError.missing("amuont", ["id", "amount"], keyword="amount"))
    assert message == "no column 'amuont'; the frame has ['id', 'amount']. Did you mean 'amount'? Name it with amount=."
    assert str(errors.ColumnError()) == ""


def test_whole_numbers_and_numbers():
    assert _options.whole("k", np.int64(3), low=1) == 3
    assert _options.number("x", np.float32(0.5), low=0, high=1) == 0.5
    for bad in (0, 11, 2.0, True, "3", None):
        with pytest.raises(errors.OptionError, match=r"k=.*from 1 to 10"):
            _options.whole("k", bad, low=1, high=10)
    for bad in (-1, math.nan, math.inf, True, "1", 1j, 10**400):
        with pytest.raises(errors.OptionError, match="x="):
            _options.number("x", bad, low=0)
    for bad in (0, 1):
        with pytest.raises(errors.OptionError, match="between 0 and 1"):
            _options.number("x", bad, low=0, high=1, ends=False)
    with pytest.raises(errors.OptionError, match="above 0"):
        _options.number("x", 0, low=0, ends=False)


def test_choices_are_listed():
    assert _options.choice("method", "a", ("a", "b")) == "a"
    for bad in ("c", None, ["a"]):
        with pytest.raises(errors.OptionError, match=r"method=.*\[\"'a'\", \"'b'\"\]"):
            _options.choice("method", bad, ("a", "b"))


@pytest.mark.parametrize(
    ("given", "days"),
    [("52W", 364), ("90D", 90), ("36h", 1.5), ("1Y", 365.25), (" .5 D ", 0.5), ("30min", 1 / 48), (dt.timedelta(2), 2)],
    ids=str,
)
def test_lengths_of_time(given, days):
    assert _options.days("horizon", given) == pytest.approx(days, rel=1e-15)
    assert _options.days("horizon", pd.Timedelta(days=days)) == pytest.approx(days)
    assert _options.days("horizon", np.timedelta64(7, "D")) == 7
    for bad in (np.timedelta64(1, "M"), np.timedelta64(1, "Y")):
        with pytest.raises(errors.OptionError, match=r"horizon="):
            _options.days("horizon", bad)


@pytest.mark.parametrize("bad", ["3M", "3m", "90", 90, "a while", "", "-5D", "0D", "W", None, pd.NaT, True], ids=repr)
def test_lengths_that_could_mean_several_things_are_refused(bad):
    with pytest.raises(errors.OptionError, match=r"horizon=.*not a length of time"):
        _options.days("horizon", bad)


def test_random_generators():
    one, again = _options.generator(0), _options.generator(0)
    assert one.random() == again.random()
    assert _options.generator(one) is one
    assert _options.generator(None).random() != _options.generator(None).random()
    for bad in ("x", 1.5, -1, True, np.random.RandomState(0)):
        with pytest.raises(errors.OptionError, match="rng="):
            _options.generator(bad)


def test_levels_and_critical_values():
    assert critical_value(0.95) == pytest.approx(statistics.NormalDist().inv_cdf(0.975), rel=1e-14)
    assert critical_value(1 - 1e-12) == pytest.approx(7.1305, abs=1e-3)
    for bad in (95, 0, 1, -0.5, math.nan, True, "0.95"):
        with pytest.raises(errors.OptionError, match="level="):
            confidence_level(bad)


def test_an_estimate_formats_and_converts_like_its_value():
    estimate = Estimate.normal(0.25, 0.05, n=75, level=0.95, method="wald", bounds=(0.0, 0.3))
    assert (float(estimate), f"{estimate:.1%}", estimate.ci_high) == (0.25, "25.0%", 0.3)
    assert f"{estimate}" == str(estimate) == "0.25 (95% wald interval 0.152002 to 0.3, n=75)"
    assert Estimate(**estimate.to_dict()) == estimate
    with pytest.raises(dataclasses.FrozenInstanceError):
        estimate.value = 1.0


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class Toy(Model):
    """A model with one of everything."""

    PARAMETERS = ("slope",)

    slope: float
    standard_errors: dict
    weights: np.ndarray
    nested: dict
    log_likelihood: float
    n: int
    converged: bool
    diagnosis: str = ""


def toy(**changes):
    fields = {
        "slope": 0.5,
        "standard_errors": {"slope": np.float64(0.1)},
        "weights": np.array([1.0, np.inf]),
        "nested": {"rule": {"u": np.array([1, 2])}, "names": ["a", "b"]},
        "log_likelihood": -math.inf,
        "n": 10,
        "converged": True,
    }
    return Toy(**{**fields, **changes})


def assert_same(first, second):
    assert json.dumps(first.to_dict()) == json.dumps(second.to_dict())


def test_a_model_goes_through_json_and_pickle():
    model = toy()
    assert_same(Toy.from_dict(json.loads(json.dumps(model.to_dict()))), model)
    assert_same(Model.from_dict(model.to_dict()), model)
    assert_same(pickle.loads(pickle.dumps(model)), model)
    back = Toy.from_dict(json.loads(json.dumps(model.to_dict())))
    assert back.weights.dtype == float
    assert back.log_likelihood == -math.inf
    assert back.nested["names"] == ("a", "b")


def test_a_model_cannot_be_changed():
    model = toy()
    with pytest.raises(dataclasses.FrozenInstanceError):
        model.slope = 1.0
    for array in (model.weights, model.nested["rule"]["u"]):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 9
    for mapping in (model.standard_errors, model.nested["rule"]):
        with pytest.raises(TypeError):
            mapping["slope"] = 0.0


def test_a_model_shows_its_parameters_and_what_is_wrong_with_it():
    assert repr(toy()) == "Toy\n  slope  0.5   (se 0.1)\n  n 10, log-likelihood -inf, converged True"
    assert "on a <ridge>" in repr(toy(diagnosis="on a <ridge>"))
    assert "&lt;ridge&gt;" in toy(diagnosis="on a <ridge>")._repr_html_()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"type": "Unknown"}, "type 'Unknown' is not a Toy"),
        ({"schema": 99}, "written with schema 99"),
        ({"extra": 1}, r"unknown fields \['extra'\]"),
        ({"slope": "0.5"}, "slope is '0.5', which is no number"),
        ({"slope": None, "drop": "slope"}, r"absent fields \['slope'\]"),
    ],
    ids=["type", "schema", "extra", "text", "absent"],
)
def test_what_is_not_the_written_model_is_refused(change, message):
    data = {**toy().to_dict(), **change}
    data.pop(data.pop("drop", None), None)
    with pytest.raises(errors.DataError, match=message):
        Toy.from_dict(data)


def test_what_is_no_mapping_and_no_estimate_is_refused():
    for wrong in (None, [], "{}"):
        with pytest.raises(errors.DataError, match="to_dict"):
            Model.from_dict(wrong)
    for value, se in ((math.nan, 1.0), (0.0, math.nan), (0.0, -1.0), (0.0, math.inf)):
        with pytest.raises(errors.DataError, match="finite value"):
            Estimate.normal(value, se, n=1, level=0.95, method="wald")


def test_a_field_that_json_does_not_know_fails_when_it_is_written():
    with pytest.raises(TypeError):
        toy(nested={"x": object()}).to_dict()
