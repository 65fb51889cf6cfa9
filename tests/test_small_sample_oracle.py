"""The dense oracle of the methods for small samples against what is known of them.

R's numbers are in ``tests/reference``; here are derivatives by differences, the bias of
restricted maximum likelihood by simulation, invariance, and textbook designs.
"""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from tests.conftest import differences
from tests.small_sample_oracle import (
    KENWARD_ROGER,
    METHODS,
    Linear,
    Scaled,
    SmallSample,
    Tied,
    autoregression,
    correlated,
    elements,
    moving_average,
    random_effects,
    same,
)

RNG = np.random.default_rng(7)
CODES = np.repeat(np.arange(8), [5, 3, 6, 4, 2, 6, 5, 4])
N = len(CODES)
TIME = np.concatenate([np.arange(k) for k in np.bincount(CODES)]).astype(float)
TIME[CODES == 2] += TIME[CODES == 2] > 2  # a gap
X = np.column_stack([RNG.normal(size=N), TIME, np.ones(N)])
Y = X @ [1.0, 0.2, 3.0] + RNG.normal(size=8)[CODES] + RNG.normal(size=N)
ALL = np.ones(N, dtype=bool)


def residual(structure, theta):
    return correlated(structure, theta[0], theta[1:], CODES, TIME, ALL)


def effects(theta):
    Sigma = np.array([[theta[0], theta[1]], [theta[1], theta[2]]])
    return random_effects(X[:, [0, 2]], CODES, Sigma, "unstructured")


def tied(sign):
    K = elements(X[:, [0, 2]], CODES)
    return lambda theta: Tied(theta, sign, [K[0, 0], K[1, 1], K[0, 1]])


WHITE = np.array([1.1])


def white(theta):
    return Linear(theta, [np.eye(N)])


MODELS = {
    "ar": [(lambda t: residual("ar", t), [1.3, 0.4])],
    "ar2": [(lambda t: residual("ar", t), [1.3, 0.4, 0.2])],
    "ma2": [(lambda t: residual("ma", t), [1.3, 0.4, -0.2])],
    "exponential": [(lambda t: residual("exponential", t), [1.3, 0.5])],
    "effects": [(effects, [0.8, 0.2, 0.6]), (white, WHITE)],
    "effects and ar": [
        (effects, [0.8, 0.2, 0.6]),
        (lambda t: residual("ar", t), [1.3, 0.4]),
    ],
    "tied": [(tied(1.0), [0.7, 0.5]), (white, WHITE)],
    "tied the other way": [(tied(-1.0), [0.7, 0.5]), (white, WHITE)],
}


def at(name, theta=None):
    """The oracle at parameters, those of the table by default."""
    parts, place = [], 0
    for function, start in MODELS[name]:
        own = start if theta is None else theta[place : place + len(start)]
        place += len(start)
        parts.append(function(np.asarray(own, float)))
    return SmallSample(X, Y, parts)


@pytest.mark.parametrize("name", MODELS)
def test_derivatives_of_V_are_those_of_differences(name):
    model = at(name)
    slopes = differences(lambda t: at(name, t).V, model.theta, step=1e-3)
    assert_allclose(np.stack(model.dV, axis=-1), slopes, atol=1e-9)
    bends = differences(lambda t: np.stack(at(name, t).dV), model.theta, step=1e-3)
    for i in range(model.m):
        for j in range(model.m):
            ours = model.ddV.get((i, j), np.zeros((N, N)))
            assert_allclose(ours, bends[i, ..., j], atol=1e-8)


@pytest.mark.parametrize("name", MODELS)
def test_information_is_that_of_differences(name):
    """Observed: minus the second derivatives of the restricted likelihood."""
    model = at(name)
    score = differences(lambda t: at(name, t).log_likelihood, model.theta, step=1e-3)
    assert_allclose(model.score, score, rtol=1e-6, atol=1e-8)
    hessian = differences(lambda t: at(name, t).score, model.theta, step=1e-3)
    assert_allclose(model.observed, -hessian, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("name", MODELS)
def test_expected_information_is_the_mean_of_the_observed(name):
    """Over y: of y'Ay it is tr(AV), as every A of it takes X to zero."""
    model = at(name)

    def observed(y):
        again = at(name)
        again.y = y
        return again.observed

    # what does not depend on y counts once, the rest for y y' that add up to V
    nothing = observed(np.zeros(N))
    parts = np.linalg.cholesky(model.V).T
    total = nothing + sum(observed(y) - nothing for y in parts)
    assert_allclose(model.expected, total, rtol=1e-8, atol=1e-9)


def test_correlations_of_known_processes():
    assert_allclose(autoregression(np.array([0.6]), 4), 0.6 ** np.arange(5), rtol=1e-14)
    r = autoregression(np.array([0.5, 0.3]), 3).real
    assert_allclose(r[1:3], [0.5 / 0.7, 0.5 * 0.5 / 0.7 + 0.3], rtol=1e-14)
    assert_allclose(r[3], 0.5 * r[2] + 0.3 * r[1], rtol=1e-14)
    assert_allclose(moving_average(np.array([0.5]), 2), [1.0, 0.4, 0.0], atol=1e-15)


# -------------------------------------------------------------- the second paper's bias


def atanh_of(part: Scaled) -> Scaled:
    """The same correlations with atanh(rho) as the parameter."""
    return Scaled(
        part.sigma2, np.arctanh(part.shape), lambda x: part.R(np.tanh(x)), part.radius
    )


def at_the_optimum():
    """Variance and rho where the score is zero, by Newton steps."""
    theta = np.array([1.5, 0.3])
    for _ in range(30):
        model = at("ar", theta)
        theta = theta + np.linalg.solve(model.expected, model.score)
    assert_allclose(model.score, 0.0, atol=1e-9)
    return theta


def test_only_the_second_paper_does_not_depend_on_the_parameters():
    """With the expected information; with the observed one the bias is of another W."""
    part = residual("ar", at_the_optimum())
    rho, z = (SmallSample(X, Y, [p]) for p in (part, atanh_of(part)))
    for method in METHODS:
        ours, theirs = (np.diag(model.vcov(method)) for model in (rho, z))
        same_vcov = method in (
            "satterthwaite",
            "kenward-roger-linear",
            "kenward-roger-linear-observed",
            "kenward-roger-2009",
        )
        assert np.allclose(ours, theirs, rtol=1e-8, atol=0) == same_vcov, method
        assert_allclose(rho.df(method, np.eye(3)), z.df(method, np.eye(3)), rtol=1e-7)


def test_the_papers_agree_where_V_is_linear():
    model = at("effects")
    for information in ("", "-observed"):
        first = model.vcov(f"kenward-roger{information}")
        for version in ("-linear", "-2009"):
            again = model.vcov(f"kenward-roger{version}{information}")
            assert_allclose(again, first, rtol=1e-14)


def simulated_rho(groups, times, rho, replicates, seed):
    """REML estimates of rho of an AR(1) with a trend, sigma^2 profiled out."""
    rng = np.random.default_rng(seed)
    lag = np.abs(np.subtract.outer(np.arange(times), np.arange(times)))
    y = rng.normal(size=(replicates, groups, times)) @ np.linalg.cholesky(rho**lag).T
    S = np.einsum("rgt,rgu->rtu", y, y)
    mean = y.mean(axis=1)
    D = np.column_stack([np.ones(times), np.arange(times)])
    nn = groups * times - 2

    def profile(r):
        Ri = np.linalg.inv(float(r) ** lag)
        A = D.T @ Ri @ D
        M = Ri @ D @ np.linalg.solve(A, D.T @ Ri)
        c = np.einsum("tu,rtu->r", Ri, S)
        c -= groups * np.einsum("rt,tu,ru->r", mean, M, mean)
        logs = np.linalg.slogdet(A)[1] - groups * np.linalg.slogdet(Ri)[1]
        return nn * np.log(c) + logs

    grid = np.arange(-0.3, 0.97, 0.01)
    values = np.stack([profile(r) for r in grid])
    k = values.argmin(axis=0).clip(1, len(grid) - 2)
    a, b, c = (values[k + j, np.arange(replicates)] for j in (-1, 0, 1))
    return grid[k] + 0.01 * (a - c) / (2.0 * (a - 2.0 * b + c))


@pytest.mark.slow
def test_bias_is_that_of_simulated_estimates():
    """To second order; what is left of it is of order 1 / groups^2."""
    groups, times, rho = 20, 5, 0.5
    found = np.concatenate(
        [simulated_rho(groups, times, rho, 10_000, seed) for seed in range(12)]
    )
    codes, time = np.repeat(np.arange(groups), times), np.tile(np.arange(times), groups)
    D = np.column_stack([np.ones(len(time)), time])
    part = correlated("ar", 1.0, np.array([rho]), codes, time.astype(float), codes >= 0)
    model = SmallSample(D, np.zeros(len(time)), [part])
    bias = model.bias(model.W("kenward-roger"))[1]
    error = found.std() / np.sqrt(len(found))
    assert bias < -15 * error  # there is something to be found
    assert_allclose(found.mean() - rho, bias, atol=3 * error)


# ------------------------------------------------------------------- designs with known df


@pytest.mark.parametrize("method", METHODS)
def test_a_randomised_block_design_has_the_df_of_its_anova(method):
    b, t = 6, 4
    rng = np.random.default_rng(3)
    block, treatment = np.repeat(np.arange(b), t), np.tile(np.arange(t), b)
    D = np.column_stack([np.ones(b * t), *(treatment == k for k in range(1, t))])
    y = rng.normal(size=b)[block] + rng.normal(size=b * t)
    table = y.reshape(b, t)
    left = table - table.mean(axis=0) - table.mean(axis=1)[:, None] + table.mean()
    error = np.sum(left**2) / ((b - 1) * (t - 1))
    between = t * np.sum((table.mean(axis=1) - table.mean()) ** 2) / (b - 1)
    assert between > error
    variances = np.array([(between - error) / t, error])
    model = SmallSample(
        D.astype(float), y, [Linear(variances, [same(block), np.eye(b * t)])]
    )
    assert_allclose(model.score, 0.0, atol=1e-10)
    L = np.eye(t)[1:]
    F, l, m, scale = model.test(method, L)
    expected = b * np.sum((table.mean(axis=0) - table.mean()) ** 2) / (t - 1) / error
    assert (l, round(scale, 12)) == (t - 1, 1.0)
    assert_allclose([F, m], [expected, (b - 1) * (t - 1)], rtol=1e-9)
    assert_allclose(model.df(method, L), (b - 1) * (t - 1), rtol=1e-9)
    assert_allclose(np.diag(model.vcov(method))[1:], 2 * error / b, rtol=1e-12)


@pytest.mark.parametrize("method", METHODS)
def test_linear_regression_has_n_minus_p(method):
    residuals = Y - X @ np.linalg.lstsq(X, Y, rcond=None)[0]
    s2 = residuals @ residuals / (N - 3)
    model = SmallSample(X, Y, [Linear(np.array([s2]), [np.eye(N)])])
    assert_allclose(model.df(method, np.eye(3)), N - 3, rtol=1e-10)
    assert_allclose(model.vcov(method), s2 * np.linalg.inv(X.T @ X), rtol=1e-10)
    F, l, m, scale = model.test(method, np.eye(3)[:2])
    assert_allclose([l, m, scale], [2, N - 3, 1.0], rtol=1e-10)
    assert_allclose(
        F,
        model.beta[:2]
        @ np.linalg.solve(s2 * np.linalg.inv(X.T @ X)[:2, :2], model.beta[:2])
        / 2,
        rtol=1e-10,
    )


def test_units_make_no_difference():
    """Columns of size 1e6 and 1e-6; F is that of any rows that span the same space."""
    size = np.array([1e6, 1e-6, 1.0])
    parts = [part(np.asarray(start, float)) for part, start in MODELS["effects and ar"]]
    plain, other = (SmallSample(X * s, Y, parts) for s in (1.0, size))
    for method in KENWARD_ROGER:
        a, b = plain.test(method, np.eye(3)[:2]), other.test(method, np.eye(3)[:2])
        assert_allclose(a, b, rtol=1e-9)
        assert_allclose(
            other.vcov(method) * np.outer(size, size),
            plain.vcov(method),
            rtol=1e-9,
            atol=1e-15,
        )
