"""Static covariates: the likelihood customer by customer, recovery, and that scoring reads what fitting read."""

import json
import math

import numpy as np
import pandas as pd
import pytest
from pytest import approx, raises

from crmkit import clv
from crmkit._kernels import bg_nbd as kernel
from crmkit.errors import ColumnError, DataError, FitError, OptionError
from crmkit.results import Model
from naive import clv as naive

HISTORY = ["frequency", "recency", "T"]
FITS = {"bg": clv.fit_bg_nbd, "mbg": clv.fit_mbg_nbd, "pareto": clv.fit_pareto_nbd}
BY_ROW = {"bg": naive.bg_nbd_log_likelihood, "mbg": naive.mbg_nbd_log_likelihood, "pareto": naive.pareto_nbd_log_likelihood}
COMPILED = hasattr(kernel.log_likelihood, "py_func")


def shop(kind, rng, n, effects=(0.6, 0.5, -0.3)):
    """Customers whose `vip` and `age` scale their parameters as note 019 has it."""
    table = pd.DataFrame({"vip": rng.integers(0, 2, n), "age": rng.integers(3, 7, n).astype(float)})
    rows = []
    for vip, age in table.itertuples(index=False):
        T = rng.uniform(30.0, 70.0, 1)
        buying = 6.0 * math.exp(-effects[0] * vip)
        if kind == "pareto":
            leaving = 12.0 * math.exp(-effects[1] * (age - 4.0))
            rows += naive.simulate_pareto_nbd(rng, 0.9, buying, 1.2, leaving, T)
        else:
            a, b = 0.8 * math.exp(effects[1] * (age - 4.0)), 2.5 * math.exp(effects[2] * (age - 4.0))
            rows += naive.simulate_bg_nbd(rng, 0.9, buying, a, b, T, early=kind == "mbg")
    return pd.concat([pd.DataFrame(rows, columns=HISTORY), table], axis=1)


SPECS = {"bg": {"alpha": ["vip"], "a": ["age"], "b": ["age"]}, "pareto": {"alpha": ["vip"], "beta": ["age"]}}
SPECS["mbg"] = SPECS["bg"]


def own_parameters(model, row):
    """The parameters of one customer, straight from the coefficients."""
    values = []
    for name in model.PARAMETERS:
        by = sum(effect * row[column] for column, effect in model.coefficients.get(name, {}).items())
        values.append(getattr(model, name) * math.exp(-by if name in ("alpha", "beta") else by))
    return values


@pytest.mark.parametrize("kind", FITS)
def test_the_log_likelihood_is_the_sum_over_customers_at_their_own_parameters(kind):
    table = shop(kind, np.random.default_rng(1), 90)
    model = FITS[kind](table, covariates=SPECS[kind], penalty=0.01)
    expected = sum(float(BY_ROW[kind](*own_parameters(model, row), *row[HISTORY])) for _, row in table.iterrows())
    assert model.log_likelihood == approx(expected, rel=1e-10)
    assert model.columns == (*HISTORY, "vip", "age")
    assert model.log_likelihood > FITS[kind](table, penalty=0.01).log_likelihood - 1e-9


@pytest.mark.parametrize("kind", FITS)
def test_no_neighbour_of_the_estimate_is_better_and_errors_are_its_curvature(kind):
    """All in the units of the table: the search itself is in columns of mean 0 and spread 1."""
    table = shop(kind, np.random.default_rng(2), 400 if COMPILED else 60)
    model = FITS[kind](table, covariates=SPECS[kind], penalty=0.0 if COMPILED else 0.01)
    if not COMPILED:
        return
    names = [(parameter, column) for parameter, own in model.coefficients.items() for column in own]
    theta = np.array(
        [*np.log([getattr(model, name) for name in model.PARAMETERS]), *(model.coefficients[p][c] for p, c in names)]
    )

    def value(theta):
        total = 0.0
        moved = dict(zip(names, theta[4:], strict=True))
        for key, rows in table.groupby(["vip", "age"]):
            traits = dict(zip(("vip", "age"), key, strict=True))
            logs = theta[:4].copy()
            for (parameter, column), effect in moved.items():
                sign = -1.0 if parameter in ("alpha", "beta") else 1.0
                logs[model.PARAMETERS.index(parameter)] += sign * effect * traits[column]
            plain = clv.fit_pareto_nbd if kind == "pareto" else None
            from crmkit._kernels import pareto_nbd
            from crmkit.clv._rows import Histories

            h = Histories.collapse(*(np.ascontiguousarray(rows[name], float) for name in HISTORY))
            data = (h.counts, h.which, h.t_x, h.T, h.weight, np.empty((0, 4)))
            middle = () if plain else (float(kind == "mbg"), 1.0)
            total += (pareto_nbd if plain else kernel).log_likelihood(*np.exp(logs), *middle, *data)[0]
        return total

    size = theta.size
    step = np.sqrt(np.diagonal(np.array(model.covariance))) * 1e-2
    hessian = np.empty((size, size))
    for i in range(size):
        for j in range(size):
            e, f = np.eye(size)[i] * step, np.eye(size)[j] * step
            corners = value(theta + e + f) - value(theta + e - f) - value(theta - e + f) + value(theta - e - f)
            hessian[i, j] = corners / (4 * step[i] * step[j])
        up, down = value(theta + e * 0 + np.eye(size)[i] * step), value(theta - np.eye(size)[i] * step)
        assert abs(up - down) / 2e-2 < 2e-2  # the slope, in standard errors
    assert np.linalg.inv(-hessian) == approx(np.array(model.covariance), rel=2e-2, abs=2e-4)
    assert model.standard_errors["vip on alpha"] == approx(math.sqrt(model.covariance[4][4]))


@pytest.mark.parametrize("kind", ["bg", "pareto"])
def test_effects_are_found_at_the_nominal_rate(kind):
    """40 shops of 500: 95 % intervals of the two effects that are well identified miss four times at most."""
    if not COMPILED:
        pytest.skip("dozens of fits: where kernels are compiled")
    rng = np.random.default_rng(6)
    truth = {"vip on alpha": 0.6, ("age on beta" if kind == "pareto" else "age on a"): 0.5}
    missed = dict.fromkeys(truth, 0)
    for _ in range(40):
        model = FITS[kind](shop(kind, rng, 500), covariates=SPECS[kind])
        for name, value in truth.items():
            column, parameter = name.split(" on ")
            missed[name] += abs(model.coefficients[parameter][column] - value) > 1.96 * model.standard_errors[name]
    assert max(missed.values()) <= 6  # exact binomial, 1 in 100 each


def test_without_columns_it_is_the_plain_fit_to_the_bit():
    table = shop("bg", np.random.default_rng(3), 80)
    plain = clv.fit_bg_nbd(table, penalty=0.01).to_dict()
    for none in (None, [], {}, {"alpha": []}):
        assert clv.fit_bg_nbd(table, penalty=0.01, covariates=none).to_dict() == plain


def test_where_a_trait_lies_and_how_it_is_measured_does_not_matter_to_predictions():
    table = shop("bg", np.random.default_rng(3), 200 if COMPILED else 60)
    one = clv.fit_bg_nbd(table, covariates=SPECS["bg"], penalty=0.01)
    moved = table.assign(age=1000.0 + 12.0 * table["age"])
    other = clv.fit_bg_nbd(moved, covariates=SPECS["bg"], penalty=0.01)
    assert other.coefficients["a"]["age"] == approx(one.coefficients["a"]["age"] / 12.0, rel=1e-6)
    assert other.log_likelihood == approx(one.log_likelihood, rel=1e-11)
    ahead = clv.expected_purchases(one, table, horizon=26).to_numpy()
    assert clv.expected_purchases(other, moved, horizon=26).to_numpy() == approx(ahead, rel=1e-6)


@pytest.mark.parametrize("kind", FITS)
def test_a_table_is_scored_customer_by_customer(kind):
    table = shop(kind, np.random.default_rng(4), 120 if COMPILED else 40).assign(unit="W")
    model = FITS[kind](table, covariates=["vip", "age"] if kind == "pareto" else SPECS[kind], penalty=0.05)
    some = table.sample(30 if COMPILED else 4, random_state=0)
    alive, ahead = clv.p_alive(model, some, horizon=3), clv.expected_purchases(model, some, horizon="26W")
    counts, wait = clv.purchase_distribution(model, some, horizon=26, up_to=2), clv.next_purchase(model, some)
    worth = clv.discounted_purchases(model, some, horizon="52W")
    for at, row in some.iterrows():
        own = model.of({"vip": row["vip"], "age": row["age"]})
        history = [row[name] for name in HISTORY]
        assert [getattr(own, name) for name in own.PARAMETERS] == approx(own_parameters(model, row), rel=1e-12)
        assert alive[at] == own.p_alive(*history, 3)
        assert ahead[at] == own.expected_purchases(26, *history)
        assert counts.loc[at].to_numpy() == approx(own.purchase_distribution(2, 26, *history), rel=1e-12)
        assert (wait.loc[at, "q50"], wait.loc[at, "p_again"]) == (own.next_purchase(0.5, *history), own.p_again(*history))
        assert worth[at] == approx(own.discounted_purchases(math.log(1.1) * 7 / 365.25, *history, t=52), rel=1e-12)
    assert len(clv.expected_purchases(model, some.iloc[:0], horizon=26)) == 0


def test_weights_are_rows_and_their_order_does_not_matter():
    table = shop("bg", np.random.default_rng(5), 60)
    one = clv.fit_bg_nbd(pd.concat([table] * 2), covariates=["vip"], penalty=0.1)
    other = clv.fit_bg_nbd(table.assign(n=2).sample(frac=1, random_state=1), weight="n", covariates=["vip"], penalty=0.1)
    assert one.coefficients["alpha"]["vip"] == approx(other.coefficients["alpha"]["vip"], rel=1e-9)
    assert one.log_likelihood == approx(other.log_likelihood, rel=1e-12)


def test_what_is_missing_or_tells_nothing_is_refused():
    table = shop("bg", np.random.default_rng(5), 60)
    with raises(ColumnError, match="'income'"):
        clv.fit_bg_nbd(table, covariates=["income"])
    with raises(DataError, match=r"'age'.*1 missing.*row 3"):
        clv.fit_bg_nbd(table.assign(age=table["age"].where(table.index != 3)), covariates=["age"])
    with raises(DataError, match=r"'vip' is the same in all rows"):
        clv.fit_bg_nbd(table.assign(vip=1), covariates=["vip"])
    with raises(OptionError, match=r"covariates='r' is not one of"):
        clv.fit_bg_nbd(table, covariates={"r": ["vip"]})
    with raises(OptionError, match="neither a list of columns nor a mapping"):
        clv.fit_bg_nbd(table, covariates="vip")
    with raises(OptionError, match="twice"):
        clv.fit_bg_nbd(table, covariates=["vip", "vip"])
    with raises(OptionError, match="is not a list of columns"):
        clv.fit_bg_nbd(table, covariates={"alpha": "vip"})
    model = clv.fit_bg_nbd(table, covariates=["vip"], penalty=0.1)
    with raises(ColumnError, match="'vip'"):
        clv.expected_purchases(model, table.drop(columns="vip"), horizon=3)
    with raises(DataError, match=r"'vip'.*1 missing"):
        clv.p_alive(model, table.assign(vip=table["vip"].where(table.index != 3)))
    for ask in (lambda: model.p_alive(1, 2, 3), lambda: clv.expected_purchases(model, horizon=3)):
        with raises(FitError, match=r"has covariates \(vip\)"):
            ask()
    with raises(OptionError, match="needs a value of 'vip'"):
        model.of({})


def test_a_model_with_covariates_survives_json_and_prints_them():
    model = clv.fit_bg_nbd(shop("bg", np.random.default_rng(5), 60), covariates=["vip"], penalty=0.1)
    again = Model.from_dict(json.loads(json.dumps(model.to_dict(), allow_nan=False)))
    assert again.to_dict() == model.to_dict()
    assert again.of({"vip": 1}).alpha == model.of({"vip": 1}).alpha
    assert "vip on alpha" in repr(model)
