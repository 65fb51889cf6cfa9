"""Conditional AIC: effective degrees of freedom are the trace of d y_hat / d y."""

from __future__ import annotations

import json
import warnings
from functools import cache
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from sklearn.base import clone

from sklearn_xmixed import MixedLinearRegressor, RandomEffects, Residuals, from_formula
from sklearn_xmixed.datasets import (
    load_pastes,
    load_penicillin,
    load_sleepstudy,
)
from sklearn_xmixed.design._compile import compile_design
from sklearn_xmixed.diagnostics._conditional_aic import Rows, correction_terms
from sklearn_xmixed.estimation._estimate import SearchOptions, estimate
from sklearn_xmixed.exceptions import MixedModelWarning

SLOPES = RandomEffects("g", ["x"], covariance="unstructured")
CROSSED = [RandomEffects("_all", factor=name) for name in ("g", "i")]
SPECS = {
    "none": None,
    "intercepts": "g",
    "nested": ["g", "c"],
    "slopes": RandomEffects("g", ["x"]),
    "a correlation of one": SLOPES,
    "crossed": CROSSED,
    "a factor that crosses groups": [RandomEffects("_all", factor="i"), "g"],
    "one covariance": RandomEffects("g", factor="k", covariance="exchangeable"),
}


@cache
def data() -> tuple[pd.DataFrame, np.ndarray]:
    rng = np.random.default_rng(1)
    n = 48
    X = pd.DataFrame(
        {
            "g": np.repeat(np.arange(8), 6),
            "c": np.repeat(np.arange(16), 3),
            "i": np.tile(np.arange(6), 8),
            "k": np.tile(np.arange(3), 16),
            "x": rng.normal(size=n),
        }
    )
    b = rng.normal(size=(8, 2)) @ np.array([[1.0, 0.3], [0.0, 0.6]])
    y = 1 + 0.5 * X["x"] + b[X["g"], 0] + b[X["g"], 1] * X["x"]
    y += 0.6 * rng.normal(size=16)[X["c"]] + 0.7 * rng.normal(size=6)[X["i"]]
    return X, (y + rng.normal(size=n)).to_numpy()


def fitted(spec, X, y, w=None, **parameters):
    model = MixedLinearRegressor(spec, fixed=["x"], **parameters)
    return model.fit(X, y, w)


def trace_by_refits(model, X, y, w=None, h=1e-3) -> float:
    """d y_hat_i / d y_i by differences, with the variances estimated again."""
    other = clone(model).set_params(std_errors=False, lr_test=False, tol=1e-16)

    def prediction(i, step):
        moved = y.copy()
        moved[i] += step
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", MixedModelWarning)
            return other.fit(X, moved, w).predict(X)[i]

    rows = range(len(y))
    return sum(prediction(i, h) - prediction(i, -h) for i in rows) / (2.0 * h)


ONCE = ("intercepts", "ml")
CASES = [
    pytest.param(*case, marks=() if case == ONCE else pytest.mark.slow)
    for case in product(SPECS, ["ml", "reml"])
]


@pytest.mark.parametrize(("name", "method"), CASES)
def test_degrees_of_freedom_are_the_derivative_of_the_predictions(name, method):
    X, y = data()
    model = fitted(SPECS[name], X, y, method=method)
    if name == "a correlation of one":
        assert model.results_.boundary
    found = model.conditional_aic(X, y)
    trace = trace_by_refits(model, X, y)
    # what differences of refits are good for
    assert_allclose(found["hat_trace"] + found["correction"], trace, atol=5e-4)
    assert found["df"] == found["hat_trace"] + found["correction"] + 1.0


@pytest.mark.parametrize("name", ["intercepts", "nested", "slopes", "crossed"])
def test_hat_matrix_by_its_definition(name):
    X, y = data()
    model = fitted(SPECS[name], X, y)
    V = model.marginal_covariance(X).to_numpy() / model.sigma_**2
    A = np.column_stack([np.ones(len(y)), X["x"]])
    Vi = np.linalg.inv(V)
    P = Vi - Vi @ A @ np.linalg.solve(A.T @ Vi @ A, A.T @ Vi)
    found = model.conditional_aic(X, y)
    # the optimum is searched for again, and found to about this
    assert_allclose(found["hat_trace"], len(y) - np.trace(P), rtol=1e-7)
    left = (y - model.predict(X)) / model.sigma_
    expected = -0.5 * (len(y) * np.log(2 * np.pi * model.sigma_**2) + left @ left)
    assert_allclose(found["log_likelihood"], expected, rtol=1e-7)
    assert found["caic"] == -2 * found["log_likelihood"] + 2 * found["df"]


@pytest.mark.slow
@pytest.mark.parametrize("spec", ["g", CROSSED], ids=["nested", "crossed"])
def test_precision_weights(spec):
    X, y = data()
    w = np.random.default_rng(2).uniform(0.3, 3.0, len(y))
    model = fitted(spec, X, y, w, weight_type="precision", method="reml")
    found = model.conditional_aic(X, y, w)
    trace = trace_by_refits(model, X, y, w)
    assert_allclose(found["hat_trace"] + found["correction"], trace, atol=5e-4)
    squares = np.sum(w * (y - model.predict(X)) ** 2) / model.sigma_**2
    size = len(y) * np.log(2 * np.pi * model.sigma_**2) - np.log(w).sum()
    assert_allclose(found["log_likelihood"], -0.5 * (size + squares), rtol=1e-7)


def test_frequency_weights_are_repeated_rows():
    X, y = data()
    w = np.random.default_rng(3).integers(1, 4, len(y))
    one = fitted("g", X, y, w).conditional_aic(X, y, w)
    rows = np.repeat(np.arange(len(y)), w)
    many = fitted("g", X.iloc[rows], y[rows]).conditional_aic(X.iloc[rows], y[rows])
    assert_allclose(one, many, rtol=1e-7)


def test_linear_regression_has_the_usual_aic():
    X, y = data()
    model = fitted(None, X, y)
    assert_allclose(model.conditional_aic(X, y)["caic"], model.aic_, rtol=1e-12)


def test_a_variance_of_zero_costs_nothing():
    X, _ = data()
    y = np.random.default_rng(2).normal(size=len(X))
    y = y - 0.9 * pd.Series(y).groupby(X["g"]).transform("mean").to_numpy()
    model = fitted("g", X, y)
    assert model.results_.boundary
    found = model.conditional_aic(X, y)
    assert_allclose(found[["hat_trace", "correction"]], [2.0, 0.0], atol=1e-7)


# ------------------------------------------------------------------------------ R

DOCUMENT = json.loads(
    (Path(__file__).parent / "reference" / "conditional_aic.json").read_text()
)
FITS = {
    "intercepts": (load_sleepstudy, "subject"),
    "slopes": (
        load_sleepstudy,
        RandomEffects("subject", ["days"], covariance="unstructured"),
    ),
    "independent": (load_sleepstudy, RandomEffects("subject", ["days"])),
    "nested": (load_pastes, ["batch", "cask"]),
    "crossed": (
        load_penicillin,
        [RandomEffects("_all", factor=name) for name in ("plate", "sample")],
    ),
}


@pytest.mark.parametrize(
    "theirs", DOCUMENT["fits"], ids=lambda fit: f"{fit['id']} {fit['method']}"
)
def test_parts_agree_with_r(theirs):
    """lme4's trace, cAIC4's likelihood, and its correction by its own formula.

    cAIC4 1.0 takes half of the second term of the correction; with the whole of it the
    sum is the derivative of the predictions, as the first test of this file shows.
    """
    load, spec = FITS[theirs["id"]]
    X, y = load(return_X_y=True)
    model = MixedLinearRegressor(spec, method=theirs["method"]).fit(X, y)
    found = model.conditional_aic(X, y)
    assert_allclose(found["hat_trace"], theirs["hat_trace"], rtol=1e-6)
    assert_allclose(found["log_likelihood"], theirs["log_likelihood"], rtol=1e-7)
    design = compile_design(clone(model), X, y, None, None).design
    again = estimate(design, SearchOptions(), reml=theirs["method"] == "reml")
    rows = Rows(design, again.kind, again.D_blocks)
    first, second = correction_terms(rows, again)
    assert_allclose(first + second, found["correction"], rtol=1e-5)
    own = theirs["df"] - theirs["hat_trace"] - 1.0
    assert_allclose(first + 0.5 * second, own, rtol=1e-5)


# -------------------------------------------------------------------- what is refused


def test_other_data_are_refused():
    X, y = data()
    model = fitted("g", X, y)
    with pytest.raises(ValueError, match="not the data that the model was fitted to"):
        model.conditional_aic(X, y + X["x"] ** 2)


def test_what_has_no_correction_is_refused():
    X, y = data()
    model = fitted("g", X, y, residuals=Residuals("ar", time="i"))
    with pytest.raises(NotImplementedError, match=r"independent residuals.*'ar'"):
        model.conditional_aic(X, y)
    w = np.linspace(1, 2, len(y))
    model = fitted("g", X, y, w, weight_type="sampling")
    with pytest.raises(NotImplementedError, match="sampling weights"):
        model.conditional_aic(X, y, w)


def test_a_formula_knows_its_response():
    pytest.importorskip("formulaic")
    frame = load_sleepstudy().frame
    X, y = load_sleepstudy(return_X_y=True)
    plain = MixedLinearRegressor("subject").fit(X, y)
    found = from_formula("reaction ~ days + (1 | subject)", frame)
    assert_allclose(found.conditional_aic(frame), plain.conditional_aic(X, y))
