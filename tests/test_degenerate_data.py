"""Data that do not determine the model, determine it exactly, or are of absurd size."""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_xmixed import MixedLinearRegressor, RandomEffects
from sklearn_xmixed.datasets import make_multilevel
from sklearn_xmixed.exceptions import ExactFitWarning, NotConvergedWarning

VARIANTS = {
    "newton": {},
    "reml": {"method": "reml"},
    "lbfgs": {"solver": "lbfgs"},
    "matlog": {"parameterization": "matlog"},
    "em": {"em_only": True, "em_iter": 3000},
}
SLOPES = RandomEffects("g", ["x1"], covariance="unstructured")


@cache
def simulated() -> tuple[pd.DataFrame, pd.Series]:
    return make_multilevel(
        [15],
        9,
        intercept=1.0,
        covariances=[[[0.5, 0.2], [0.2, 1.0]]],
        level_names=["g"],
        return_X_y=True,
        random_state=0,
    )


@pytest.fixture
def X():
    return simulated()[0][["x1", "x2", "g"]].copy()


@pytest.fixture
def y():
    return simulated()[1].copy()


@pytest.fixture(params=VARIANTS)
def variant(request):
    return VARIANTS[request.param]


# ------------------------------------------------------------- collinear


@pytest.mark.daily
@pytest.mark.parametrize(
    "column",
    {
        "constant": lambda X: 3.0,
        "large constant": lambda X: 1e9,
        "sum": lambda X: 2 * X["x1"] - X["x2"] + 5,
        "copy": lambda X: X["x1"],
        "large copy": lambda X: 1e9 * X["x1"],
    }.items(),
    ids=lambda item: item[0],
)
@pytest.mark.parametrize("spec", [None, "g", SLOPES], ids=["none", "g", "slopes"])
def test_collinear_columns_are_omitted(column, spec, X, y):
    if spec is None:
        X = X.drop(columns="g")
    given = X.assign(more=column[1](X))
    model = MixedLinearRegressor(spec).fit(given, y)
    right = MixedLinearRegressor(spec).fit(X, y)
    assert model.results_.omitted == ("more",)
    assert model.fixed_names_ == ["x1", "x2", "more"]
    assert model.coef_[2] == 0.0
    assert_allclose(model.coef_[:2], right.coef_, rtol=1e-8)
    assert_allclose(model.log_likelihood_, right.log_likelihood_, rtol=1e-10)
    assert model.results_.n_params == right.results_.n_params
    table = model.coef_table()
    assert table.loc["more", "estimate"] == 0
    assert not table.loc["more", "std_error"] > 0
    assert_allclose(table["std_error"].drop("more"), right.coef_table()["std_error"])
    mean, std = model.predict(given, return_std=True)
    assert_allclose(mean, right.predict(X), rtol=1e-8)
    assert_allclose(std, right.predict(X, return_std=True)[1], rtol=1e-6)


def test_constant_stays_without_intercept(X, y):
    given = X.assign(one=1.0, zero=0.0)
    model = MixedLinearRegressor("g", fit_intercept=False).fit(given, y)
    right = MixedLinearRegressor("g").fit(X, y)
    assert model.results_.omitted == ("zero",)
    assert_allclose(model.coef_[2], right.intercept_)
    assert model.intercept_ == 0.0


def test_collinear_random_columns_are_omitted(X, y):
    given = X.assign(twice=2 * X["x1"])
    model = MixedLinearRegressor(
        RandomEffects("g", ["x1", "twice"]), fixed=["x1", "x2"]
    ).fit(given, y)
    right = MixedLinearRegressor(RandomEffects("g", ["x1"])).fit(X, y)
    assert model.covariances_["g"].columns.tolist() == ["x1", "_cons"]
    assert model.results_.equations[0].omitted == ("twice",)
    assert_allclose(model.log_likelihood_, right.log_likelihood_, rtol=1e-10)


# -------------------------------------------------------- not identified


def test_singleton_groups(variant, X, y):
    """Their variance cannot be told from that of the residuals."""
    given = X.assign(g=np.arange(len(X)))
    model = MixedLinearRegressor("g", **variant)
    with pytest.warns(NotConvergedWarning, match=r"not identified.*var\(_cons\).*'g'"):
        model.fit(given, y)
    assert not model.converged_
    # the likelihood and the fixed part are those of linear regression
    flat = MixedLinearRegressor(method=model.method).fit(X[["x1", "x2"]], y)
    assert_allclose(model.log_likelihood_, flat.log_likelihood_, rtol=1e-8)
    assert_allclose(model.coef_, flat.coef_, rtol=1e-6)
    total = model.variance_components_["estimate"].sum()
    assert_allclose(total, flat.sigma_**2, rtol=1e-6)


def test_singleton_groups_below_others(X, y):
    given = X.assign(row=np.arange(len(X)))
    with pytest.warns(NotConvergedWarning, match=r"not identified.*'row'"):
        model = MixedLinearRegressor(["g", "row"]).fit(given, y)
    right = MixedLinearRegressor("g").fit(X, y)
    assert_allclose(model.log_likelihood_, right.log_likelihood_, rtol=1e-8)


def test_two_levels_that_are_the_same(X, y):
    with pytest.warns(NotConvergedWarning, match=r"not identified.*(terms|same)"):
        MixedLinearRegressor(["g", "h"]).fit(X.assign(h=X["g"]), y)


def test_some_singletons_do_no_harm(X, y):
    labels = np.where(np.arange(len(X)) < 20, np.arange(len(X)) + 100, X["g"])
    assert MixedLinearRegressor("g").fit(X.assign(g=labels), y).converged_


@pytest.mark.parametrize("label", ["g", "_all"])
def test_one_group(label, X, y):
    """Next to a constant its variance is zero, or anything under REML."""
    given = X.assign(g=0) if label == "g" else X[["x1", "x2"]]
    flat = MixedLinearRegressor().fit(X[["x1", "x2"]], y)
    model = MixedLinearRegressor(label).fit(given, y)
    assert model.variance_components_["estimate"].iloc[0] < 1e-10
    assert_allclose(model.log_likelihood_, flat.log_likelihood_, rtol=1e-10)
    assert model.results_.lr_p == 1.0
    restricted = MixedLinearRegressor(label, method="reml")
    with pytest.warns(NotConvergedWarning, match="not identified"):
        restricted.fit(given, y)
    assert np.isfinite(restricted.predict(given)).all()
    assert restricted.variance_components_.shape == (2, 4)


# ------------------------------------------------------------ exact fits


@pytest.mark.daily
@pytest.mark.parametrize("value", [0.0, 3.0, 1e9])
@pytest.mark.parametrize("spec", ["g", SLOPES], ids=["g", "slopes"])
def test_constant_response(spec, value, variant, X):
    with pytest.warns(ExactFitWarning, match="exactly"):
        model = MixedLinearRegressor(spec, **variant).fit(X, np.full(len(X), value))
    assert_allclose(model.predict(X), value, rtol=1e-9)
    assert not model.converged_
    assert (model.random_effects_["g"].to_numpy() == 0).all()


@pytest.mark.daily
@pytest.mark.parametrize("spec", [None, "g", SLOPES], ids=["none", "g", "slopes"])
def test_perfect_fit_of_the_fixed_part(spec, variant, X):
    y = 1 + 2 * X["x1"] - X["x2"]
    X = X.drop(columns="g") if spec is None else X
    with pytest.warns(ExactFitWarning, match="exactly"):
        model = MixedLinearRegressor(spec, **variant).fit(X, y)
    assert_allclose(model.coef_, [2, -1], rtol=1e-8)
    assert_allclose(model.predict(X), y, atol=1e-8)
    assert model.sigma_ < 1e-7


def test_perfect_fit_of_the_random_part(variant, X):
    """The residual variance goes to zero: say so, give finite numbers."""
    effects = np.random.default_rng(0).normal(size=15)
    y = 2 * X["x1"] + effects[X["g"]]
    with pytest.warns(ExactFitWarning, match="residual variance"):
        model = MixedLinearRegressor("g", **variant).fit(X, y)
    assert np.isfinite(model.predict(X)).all()
    assert not model.converged_


CROSSED = {
    **{name: VARIANTS[name] for name in ("newton", "reml", "lbfgs")},
    "products": {"crossed": "iterative"},
}


@pytest.mark.parametrize(
    ("variant", "slope"),
    [
        *((variant, 0.0) for variant in CROSSED),
        pytest.param("newton", 0.5, marks=pytest.mark.slow),
        pytest.param("lbfgs", 0.5, marks=pytest.mark.slow),
    ],
)
def test_perfect_fit_of_crossed_factors(variant, slope):
    """What nested models say, where the search may leave all digits behind."""
    rng = np.random.default_rng(0)
    rows, columns = np.repeat(np.arange(6), 10), np.tile(np.arange(10), 6)
    frame = pd.DataFrame({"x": rng.normal(size=60), "row": rows, "column": columns})
    u = rng.normal(size=6)[rows]
    y = 1 + u + rng.normal(size=10)[columns] + (2 + slope * u) * frame["x"]
    spec = [
        RandomEffects("_all", ["x"] if slope else [], factor="row"),
        RandomEffects("_all", factor="column"),
    ]
    model = MixedLinearRegressor(spec, fixed=["x"], **CROSSED[variant])
    with pytest.warns(ExactFitWarning, match="residual variance goes to zero"):
        model.fit(frame, y)
    assert not model.converged_
    flat = MixedLinearRegressor(method=model.method).fit(frame[["x"]], y)
    assert_allclose(model.log_likelihood_, flat.log_likelihood_, rtol=1e-10)
    assert_allclose(model.sigma_, flat.sigma_, rtol=1e-8)


def test_a_crossed_search_that_is_cut_short_is_no_perfect_fit():
    rng = np.random.default_rng(0)
    rows, columns = np.repeat(np.arange(6), 10), np.tile(np.arange(10), 6)
    frame = pd.DataFrame({"row": rows, "column": columns})
    y = rng.normal(size=6)[rows] + rng.normal(size=10)[columns]
    y = y + 1e-4 * rng.normal(size=60)
    spec = [RandomEffects("_all", factor=name) for name in frame]
    model = MixedLinearRegressor(spec, fixed=[], max_iter=8)
    with pytest.warns(NotConvergedWarning, match="did not converge"):
        model.fit(frame, y)
    assert model.sigma_ < 1e-2


@pytest.mark.daily
@pytest.mark.parametrize("spec", [None, "g"])
def test_more_columns_than_rows(spec, variant):
    rng = np.random.default_rng(0)
    wide = pd.DataFrame(rng.normal(size=(20, 30)), columns=[f"x{i}" for i in range(30)])
    y = rng.normal(size=20)
    given = wide if spec is None else wide.assign(g=np.repeat(np.arange(4), 5))
    with pytest.warns(ExactFitWarning):
        model = MixedLinearRegressor(spec, **variant).fit(given, y)
    assert len(model.results_.omitted) == 11
    assert np.count_nonzero(model.coef_) == 19
    assert_allclose(model.predict(given), y, atol=1e-8)


@pytest.mark.parametrize("n", [1, 2, 3])
@pytest.mark.parametrize("spec", [None, "g"])
@pytest.mark.parametrize("method", ["ml", "reml"])
def test_as_few_rows_as_coefficients(n, spec, method, X, y):
    """One, two or three rows for a constant and two columns."""
    given = X[:n].drop(columns=[] if spec else "g")
    model = MixedLinearRegressor(spec, method=method)
    with pytest.warns(ExactFitWarning):
        model.fit(given, y[:n])
    assert_allclose(model.predict(given), y[:n], atol=1e-8)


def test_nothing_to_estimate(y, X):
    """A model of random effects alone."""
    model = MixedLinearRegressor("g", fixed=[], fit_intercept=False).fit(X, y)
    assert model.coef_.shape == (0,)
    assert model.intercept_ == 0.0
    assert model.coef_table().empty
    assert np.isnan(model.results_.wald_chi2)
    assert model.predict(X).std() > 0
    empty = MixedLinearRegressor(fixed=[], fit_intercept=False).fit(X, y)
    assert_array_equal(empty.predict(X), 0.0)
    assert_allclose(empty.sigma_**2, np.mean(y**2))


# ------------------------------------------------------------ absurd size


@pytest.mark.daily
@pytest.mark.parametrize("scale", [1e12, 1e-12])
@pytest.mark.parametrize(
    "covariance", ["intercept", "independent", "exchangeable", "unstructured"]
)
def test_scale_of_a_column(scale, covariance, variant, X, y):
    """Fixed effects and variances change their units and nothing else changes."""
    spec = "g"
    if covariance != "intercept":
        alone = covariance == "exchangeable"
        columns = ["x1", "z"] if alone else ["x1"]
        X = X.assign(z=X["x2"] * X["x1"])
        spec = RandomEffects("g", columns, covariance=covariance, intercept=not alone)
    small = X.assign(x1=X["x1"] * scale, z=X.get("z", X["x2"] ** 2) * scale)
    X = X.assign(z=small["z"] / scale)
    right = MixedLinearRegressor(spec, **variant).fit(X, y)
    model = MixedLinearRegressor(spec, **variant).fit(small, y)
    assert model.converged_
    log_scale = 2 * np.log(scale) if model.method == "reml" else 0.0
    assert_allclose(model.log_likelihood_ + log_scale, right.log_likelihood_, rtol=1e-8)
    assert_allclose(model.coef_ * [scale, 1, scale], right.coef_, rtol=1e-5, atol=1e-9)
    assert_allclose(model.predict(small), right.predict(X), rtol=1e-5, atol=1e-5)


@pytest.mark.daily
@pytest.mark.parametrize("scale", [1e12, 1e-12])
def test_scale_of_the_response(scale, variant, X, y):
    if "em_only" in variant:
        pytest.skip("EM stops at a change relative to the log likelihood's size")
    right = MixedLinearRegressor(SLOPES, **variant).fit(X, y)
    model = MixedLinearRegressor(SLOPES, **variant).fit(X, y * scale)
    assert model.converged_
    assert_allclose(model.predict(X) / scale, right.predict(X), rtol=1e-5, atol=1e-5)
    assert_allclose(model.sigma_ / scale, right.sigma_, rtol=1e-5)


def test_far_from_zero(X, y):
    """Calendar years and account numbers: only the constant knows of them."""
    right = MixedLinearRegressor(RandomEffects("g")).fit(X, y)
    model = MixedLinearRegressor("g").fit(X.assign(x1=X["x1"] + 1e7), y + 1e7)
    assert model.converged_
    assert_allclose(model.coef_, right.coef_, rtol=1e-6)
    assert_allclose(model.log_likelihood_, right.log_likelihood_, rtol=1e-7)
