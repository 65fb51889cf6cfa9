"""Likelihoods of structured residuals that have no maximum, or several."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy.optimize import minimize, minimize_scalar

from sklearn_xmixed import MixedLinearRegressor, RandomEffects, Residuals
from sklearn_xmixed.exceptions import UnboundedLikelihoodWarning
from sklearn_xmixed.likelihood._border import Border
from tests.conftest import slow


def data(seed, sizes):
    rng = np.random.default_rng(seed)
    g = np.repeat(np.arange(len(sizes)), sizes)
    x = rng.normal(size=len(g))
    t = np.concatenate([np.arange(s) for s in sizes])
    y = 2 + 0.3 * x + rng.normal(size=len(sizes))[g] + rng.normal(size=len(g))
    return pd.DataFrame({"g": g, "x": x, "t": t}), y


def log_likelihood(V, X, y, reml):
    """By the definition, beta profiled out."""
    L = np.linalg.cholesky(V)
    A, b = np.linalg.solve(L, X), np.linalg.solve(L, y)
    C = A.T @ A
    r = b - A @ np.linalg.solve(C, A.T @ b)
    n, p = X.shape
    out = n * np.log(2 * np.pi) + 2 * np.log(np.diag(L)).sum() + r @ r
    if reml:
        out += np.linalg.slogdet(C)[1] - p * np.log(2 * np.pi)
    return -0.5 * out


def exchangeable(frame, rho, log_sd):
    same = np.equal.outer(frame["g"].to_numpy(), frame["g"].to_numpy())
    return np.exp(2 * log_sd) * (same * rho + np.eye(len(frame)) * (1 - rho))


GROUPING = RandomEffects("g", intercept=False)


def fit(frame, y, method="ml", residuals=None):
    model = MixedLinearRegressor(
        GROUPING,
        residuals=residuals or Residuals("exchangeable"),
        method=method,
        fixed=["x"],
    )
    return model.fit(frame, y)


def test_the_definition_grows_without_bound():
    """At the end of the range one coefficient fits the mean of the largest group."""
    frame, y = data(3, [10, 16, 21])
    X = np.column_stack([np.ones(len(y)), frame["x"]])
    ends = [-1 / 20 + gap for gap in 10.0 ** -np.arange(2.0, 9.0)]
    values = [
        -minimize_scalar(
            lambda s, r=r: -log_likelihood(exchangeable(frame, r, s), X, y, False),
            (-0.5, 1.0),
        ).fun
        for r in ends
    ]
    # half the logarithm of the eigenvalue that goes to zero, step by step
    assert_allclose(np.diff(values)[4:], 0.5 * np.log(10.0), atol=0.01)


def runaway():
    """Data on which no maximum is found inside: negative correlation in the largest."""
    frame, y = data(3, [10, 16, 21])
    means = pd.Series(y).groupby(frame["g"]).transform("mean").to_numpy()
    return frame, y - means + 0.01 * frame["g"].to_numpy()


def test_it_is_said_with_the_parameter():
    frame, y = runaway()
    with pytest.warns(UnboundedLikelihoodWarning, match="grows without bound") as found:
        model = fit(frame, y)
    text = str(found[0].message)
    assert "corr(e) to -0.05" in text
    assert "of 21 rows" in text
    assert "method='reml'" in text
    assert not model.converged_


def test_the_restricted_likelihood_is_bounded():
    frame, y = runaway()
    with warnings.catch_warnings():
        warnings.simplefilter("error", UnboundedLikelihoodWarning)
        warnings.simplefilter("ignore", UserWarning)
        fit(frame, y, "reml")


def test_the_best_maximum_inside_is_reported():
    """A clear positive correlation inside, and no bound at the other end."""
    frame, y = data(1, [3, 9, 6, 5])
    y = y + 3.0 * frame["g"].to_numpy()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UnboundedLikelihoodWarning)
        model = fit(frame, y)
    assert model.converged_
    X = np.column_stack([np.ones(len(y)), frame["x"]])

    def minus(theta):
        return -log_likelihood(
            exchangeable(frame, np.tanh(theta[0]), theta[1]), X, y, 0
        )

    best = minimize(minus, [0.5, 0.5], method="BFGS")
    assert_allclose(model.log_likelihood_, -best.fun, atol=1e-6)


@pytest.mark.daily
@pytest.mark.parametrize("seed", [*range(3), *map(slow, range(3, 12))])
@pytest.mark.parametrize("method", ["ml", "reml"])
def test_few_rows_end_at_the_best_of_many_searches(seed, method):
    """Among correlations that are not negative there is a maximum."""
    rng = np.random.default_rng(seed)
    frame, y = data(seed, rng.integers(2, 7, 8))
    X = np.column_stack([np.ones(len(y)), frame["x"]])
    t, g = frame["t"].to_numpy(), frame["g"].to_numpy()
    lags = np.abs(t[:, None] - t)

    def V(theta):
        r = np.tanh(theta[0])
        same = np.equal.outer(g, g)
        return same * (theta[1] ** 2 + np.exp(2 * theta[2]) * r**lags)

    def minus(theta):
        try:
            return -log_likelihood(V(theta), X, y, method == "reml")
        except np.linalg.LinAlgError:
            return 1e10

    model = MixedLinearRegressor(
        "g", residuals=Residuals("ar", time="t"), method=method, fixed=["x"]
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(frame, y)
    best = min(
        minimize(minus, rng.normal(size=3), method="L-BFGS-B").fun for _ in range(10)
    )
    if model.converged_:
        assert model.log_likelihood_ > -best - 1e-5


def test_what_is_singular():
    X = np.column_stack([np.ones(4), [0.0, 1.0, 2.0, 4.0]])
    V = np.eye(4) - 0.24999999 * np.ones((4, 4))  # the mean of four rows
    estimates = np.zeros(1)
    found = Border.of(V, V, X, estimates, reml=False)
    assert (found.directions, found.rows, found.unbounded) == (1, 4, True)
    assert not Border.of(V, V, X, estimates, reml=True).unbounded
    contrast = np.array([1.0, -3.0, 3.0, -1.0]) / np.sqrt(20)
    V = np.eye(4) - 0.99999999 * np.outer(contrast, contrast)
    X = np.column_stack([np.ones(4), np.arange(4.0)])  # orthogonal to the contrast
    assert not Border.of(V, V, X, estimates, reml=False).unbounded
    assert Border.of(np.eye(4), np.eye(4), X, estimates, reml=False) is None
