"""Residual structures at the ends of their range and in any unit of time."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_xmixed import MixedLinearRegressor, RandomEffects, Residuals
from sklearn_xmixed.exceptions import NotConvergedWarning
from sklearn_xmixed.residuals._markov import AR1


def panel(seed, groups=12, times=8):
    rng = np.random.default_rng(seed)
    g = np.repeat(np.arange(groups), times)
    t = np.tile(np.arange(times), groups)
    x = rng.normal(size=len(g))
    return rng, pd.DataFrame({"g": g, "t": t, "x": x})


@pytest.mark.parametrize("unit", [1e-9, 1e-3, 0.01, 100.0, 1e6, 1e12])
def test_exponential_in_any_unit_of_time(unit):
    rng, X = panel(0)
    e = np.zeros((12, 8))
    for k in range(8):
        e[:, k] = 0.6 * e[:, k - 1] + 0.8 * rng.normal(size=12)
    y = X["x"] + e.ravel() + rng.normal(size=12)[X["g"]]
    usual = MixedLinearRegressor(
        "g", fixed=["x"], residuals=Residuals("exponential", time="t")
    ).fit(X, y)
    other = MixedLinearRegressor(
        "g", fixed=["x"], residuals=Residuals("exponential", time="t")
    ).fit(X.assign(t=X["t"] * unit), y)
    assert other.converged_
    assert_allclose(other.log_likelihood_, usual.log_likelihood_, rtol=1e-10)
    assert_allclose(other.residual_parameters_["var(e)"], usual.sigma_**2, rtol=1e-6)
    ours, theirs = (m.results_.alpha_vcov[0, 0] for m in (usual, other))
    assert_allclose(ours, theirs, rtol=1e-6)
    rho = usual.residual_parameters_["rho"]
    if unit > 1e-2:
        assert_allclose(other.residual_parameters_["rho"], rho ** (1 / unit), rtol=1e-8)


@pytest.mark.parametrize("order", [1, 2])
def test_a_moving_average_at_the_border_is_a_result(order):
    # over-differenced noise: theta = -1 (of order 2 as well: theta2 = -1)
    rng, X = panel(5, groups=8)
    a = rng.normal(size=(8, 8 + order))
    y = X["x"] + (a[:, order:] - a[:, :-order]).ravel()
    model = MixedLinearRegressor(
        RandomEffects("g", intercept=False),
        fixed=["x"],
        residuals=Residuals("ma", order=order, time="t"),
    ).fit(X, y)
    assert model.converged_
    table = model.results_.variance_frame("sd").loc["Residual"]
    assert_allclose(table.loc[f"theta{order}", "estimate"], -1.0, atol=1e-6)
    assert np.isnan(table.loc[f"theta{order}", "std_error"])
    assert table.loc["sd(e)", "std_error"] > 0


def test_a_likelihood_without_bound_ends_in_words():
    # time 7 is observed once, and the constant can be put there
    rng, X = panel(5, groups=5, times=6)
    X.loc[3, "t"] = 17
    y = rng.normal(size=len(X))
    model = MixedLinearRegressor(
        RandomEffects("g", intercept=False),
        fixed=[],
        residuals=Residuals("banded", order=0, time="t"),
    )
    with pytest.warns(NotConvergedWarning, match="grows without bound"):
        model.fit(X, y)
    assert not model.converged_


def test_more_times_than_groups_ends_in_words():
    rng, X = panel(6, groups=3, times=4)
    model = MixedLinearRegressor(
        RandomEffects("g", intercept=False),
        fixed=["x"],
        residuals=Residuals("unstructured", time="t"),
    )
    with pytest.warns(NotConvergedWarning, match="too few groups"):
        model.fit(X, rng.normal(size=len(X)))


def test_a_short_search_points_at_the_residuals():
    rng, X = panel(8)
    model = MixedLinearRegressor(
        "g", fixed=["x"], residuals=Residuals("toeplitz", time="t"), max_iter=1
    )
    with pytest.warns(NotConvergedWarning, match=r"Toeplitz\(7\) residuals may have"):
        model.fit(X, X["x"] + rng.normal(size=len(X)))


def test_autoregression_without_correlation_has_no_infinity():
    """rho = 0 is where searches for short series may start; lag 0 is every row's own."""
    phi, _, slope = AR1().powers(np.zeros(1), np.arange(3.0))
    assert_array_equal(phi, [1.0, 0.0, 0.0])
    assert_array_equal(slope[:, 0], [0.0, 1.0, 0.0])
    assert_array_equal(
        AR1().powers(np.array([1e-30j]), np.arange(3.0))[0].imag, [0, 1e-30, 0]
    )
