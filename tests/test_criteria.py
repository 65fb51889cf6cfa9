"""Information criteria and tables of several fits."""

import math
from functools import cache

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.exceptions import NotFittedError

import sklearn_xmixed
from sklearn_xmixed import (
    MixedLinearRegressor,
    RandomEffects,
    Residuals,
    compare_fits,
    compare_residuals,
    lrtest,
)
from sklearn_xmixed.datasets import load_productivity, load_sleepstudy
from sklearn_xmixed.exceptions import MixedModelWarning
from sklearn_xmixed.inference import Results
from tests.test_summary_manual import manual_fit


@cache
def sleepstudy(slopes=False, **parameters):
    X, y = load_sleepstudy(return_X_y=True)
    effects = RandomEffects("subject", ["days"] if slopes else [])
    return MixedLinearRegressor(effects, **parameters).fit(X, y)


def test_estimates_stats_of_the_manual():
    """Example 10: Obs, ll(model), df, AIC, BIC to all printed digits."""
    table = compare_fits(
        {"crossed": manual_fit("example 10"), ".": manual_fit("example 2")}
    )
    printed = {
        "crossed": ("432", "-1013.824", "5", "2037.648", "2057.99"),
        ".": ("432", "-869.0383", "5", "1748.077", "1768.419"),
    }
    columns = ["n_obs", "log_likelihood", "n_params", "aic", "bic"]
    for name, texts in printed.items():
        for column, text in zip(columns, texts, strict=True):
            decimals = len(text.partition(".")[2])
            # -869.03825 is printed -869.0383: half a unit of the last place, and rounding
            assert abs(table.loc[name, column] - float(text)) <= 0.5001 * 10**-decimals
    assert list(table.index) == ["crossed", "."]


def test_formulas():
    model = sleepstudy()
    L, k = model.log_likelihood_, 4
    for n, size in (
        ("observations", 180),
        ("groups", 18),
        ("subject", 18),
        (50, 50),
        (np.float64(2.5), 2.5),
    ):
        found = model.information_criteria(n)
        assert_allclose(found["aic"], -2 * L + 2 * k, rtol=1e-14)
        assert_allclose(found["bic"], -2 * L + math.log(size) * k, rtol=1e-14)
        assert (found["n"], found["n_params"]) == (size, k)
    assert model.information_criteria()["bic"] == pytest.approx(model.bic_, rel=1e-14)
    assert model.information_criteria()["aic"] == model.aic_


def test_groups_of_every_level():
    X, y = load_productivity(return_X_y=True)
    model = MixedLinearRegressor(["region", "state"], fixed=["emp"]).fit(X, y)
    assert model.information_criteria("groups")["n"] == 9
    assert model.information_criteria("region")["n"] == 9
    assert model.information_criteria("state")["n"] == 48


@pytest.mark.parametrize("n", ["pupils", 0, -1, np.inf, np.nan, None, True])
def test_n_out_of_range(n):
    with pytest.raises(ValueError, match="n must be"):
        sleepstudy().information_criteria(n)


def test_linear_regression_has_no_groups():
    X, y = load_sleepstudy(return_X_y=True)
    model = MixedLinearRegressor(fixed=["days"]).fit(X, y)
    assert model.information_criteria()["n_params"] == 3
    with pytest.raises(ValueError, match="n must be 'observations', a level"):
        model.information_criteria("groups")


def test_rows_are_named_and_numbered():
    a, b = sleepstudy(), sleepstudy(True)
    assert list(compare_fits(a, b).index) == ["1", "2"]
    assert list(compare_fits(b, first=a).index) == ["1", "first"]
    assert list(compare_fits({"x": a}, {"y": b}).index) == ["x", "y"]
    table = compare_fits(
        a=a.results_, b=Results.from_dict(b.results_.to_dict()), n="subject"
    )
    assert table.loc["b", "bic"] == pytest.approx(
        b.information_criteria("subject")["bic"]
    )
    assert table["converged"].all()
    linear = MixedLinearRegressor(fixed=["days"]).fit(*load_sleepstudy(return_X_y=True))
    assert_allclose(table["comparison_log_likelihood"], linear.log_likelihood_)
    assert sklearn_xmixed.compare_fits is compare_fits


def test_bad_fits():
    with pytest.raises(ValueError, match="no fits"):
        compare_fits()
    with pytest.raises(ValueError, match="Two fits are named 'a'"):
        compare_fits({"a": sleepstudy()}, a=sleepstudy())
    with pytest.raises(NotFittedError, match="before compare_fits"):
        compare_fits(a=MixedLinearRegressor())
    with pytest.raises(TypeError, match="compare_fits takes fitted"):
        compare_fits(a=3)


def test_what_cannot_be_compared_is_said():
    X, y = load_sleepstudy(return_X_y=True)
    fewer = MixedLinearRegressor("subject").fit(X[10:], y[10:])
    with pytest.warns(MixedModelWarning, match=r"observations differ.*'b': 170"):
        compare_fits(a=sleepstudy(), b=fewer)
    with pytest.warns(MixedModelWarning, match="ML and some by REML"):
        compare_fits(sleepstudy(), sleepstudy(method="reml"))
    constant = MixedLinearRegressor("subject", fixed=[], method="reml").fit(X, y)
    with pytest.warns(MixedModelWarning, match="different fixed parts"):
        compare_fits(sleepstudy(method="reml"), constant)
    with pytest.warns(MixedModelWarning, match="likelihood of r is a pseudo"):
        compare_fits(a=sleepstudy(), r=sleepstudy(vce="robust"))
    other = MixedLinearRegressor("subject").fit(X, y.rename("speed"))
    with pytest.warns(MixedModelWarning, match="responses are called"):
        compare_fits(sleepstudy(), other)


def test_residual_structures_are_compared_by_the_same_rows():
    X, y = load_sleepstudy(return_X_y=True)
    model = MixedLinearRegressor("subject", fixed=["days"])
    specs = {"ar": Residuals("ar", time="days"), "none": Residuals()}
    table = compare_residuals(model, specs, X, y)
    fits = {
        name: model.set_params(residuals=s).fit(X, y).results_
        for name, s in specs.items()
    }
    other = compare_fits(fits)
    columns = list(table.columns)
    assert columns == ["log_likelihood", "n_params", "aic", "bic", "converged"]
    assert table.equals(other.loc[table.index, columns])


# ------------------------------------------------------------------ nested or not


def test_what_the_larger_model_has_not_is_told():
    X, y = load_productivity(return_X_y=True)

    def fit(effects, fixed):
        return MixedLinearRegressor(effects, fixed=fixed).fit(X, y)

    small = fit("state", ["hwy"])
    large = fit([RandomEffects("region", ["unemp"])], ["emp", "hwy", "unemp"])
    assert (
        "the grouping by 'state' is in the smaller alone" in lrtest(large, small).note
    )
    small = fit("region", ["water"])
    assert "'water' of the fixed part is in the smaller" in lrtest(large, small).note
    assert "alone" not in lrtest(large, fit("region", ["emp"])).note
    # a level and a factor of the same variable are the same grouping
    one = MixedLinearRegressor(
        RandomEffects("_all", factor="region"), fixed=["emp"]
    ).fit(X, y)
    assert "alone" not in lrtest(large, one).note
