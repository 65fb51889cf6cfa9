"""Weights of rows and groups, and robust standard errors."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.optimize import minimize

from sklearn_xmixed import MixedLinearRegressor, RandomEffects
from tests.conftest import differences, examples


def _three_levels(rng: np.random.Generator) -> tuple[pd.DataFrame, np.ndarray]:
    school = np.repeat(np.arange(12), 6)
    n = len(school)
    region = school // 3
    x = rng.normal(size=n)
    y = (
        1.0
        + 0.5 * x
        + rng.normal(size=4)[region]
        + rng.normal(size=12)[school]
        + rng.normal(size=n)
    )
    return pd.DataFrame({"region": region, "school": school, "x": x}), y


def _summary(model: MixedLinearRegressor) -> dict[str, np.ndarray]:
    r = model.results_
    return {
        "log_likelihood": np.array([r.log_likelihood]),
        "beta": r.beta,
        "beta_vcov": r.beta_vcov,
        "alpha": r.alpha,
        "alpha_vcov": r.alpha_vcov,
        "lr": np.array([r.lr_chi2 if r.has_lr_test else 0.0]),
        "wald": np.array([r.wald_chi2]),
        "n": np.array([r.n_obs]),
        "groups": np.array(
            [(g.n_groups, g.minimum, g.average, g.maximum) for g in r.groups]
        ),
    }


def _assert_same(a: MixedLinearRegressor, b: MixedLinearRegressor) -> None:
    left, right = _summary(a), _summary(b)
    for key in left:
        np.testing.assert_allclose(
            left[key], right[key], rtol=2e-5, atol=1e-8, err_msg=key
        )


LEVELS = [
    RandomEffects("region", weight="w3"),
    RandomEffects("school", ["x"], weight="w2"),
]


def _replicate(
    X: pd.DataFrame, y: np.ndarray, w1: np.ndarray
) -> tuple[pd.DataFrame, np.ndarray]:
    """Rows, schools and regions repeated as often as their weights say."""
    parts = []
    for region, rows in X.assign(y=y, w1=w1).groupby("region"):
        for copy3 in range(int(rows["w3"].iloc[0])):
            for school, inner in rows.groupby("school"):
                for copy2 in range(int(inner["w2"].iloc[0])):
                    part = inner.loc[inner.index.repeat(inner["w1"].astype(int))]
                    parts.append(
                        part.assign(
                            region=f"{region}-{copy3}", school=f"{school}-{copy2}"
                        )
                    )
    out = pd.concat(parts, ignore_index=True)
    return out[["region", "school", "x"]], out["y"].to_numpy()


@pytest.mark.parametrize("vce", ["oim", "robust"])
@settings(max_examples=examples(6), deadline=None)
@given(seed=st.integers(0, 10_000))
def test_frequency_weights_are_repetition_at_every_level(vce, seed):
    rng = np.random.default_rng(seed)
    X, y = _three_levels(rng)
    X["w3"] = rng.integers(1, 3, size=4)[X["region"]]
    X["w2"] = rng.integers(1, 4, size=12)[X["school"]]
    w1 = rng.integers(0, 4, size=len(X)).astype(float)
    w1[::6] = 1.0  # no school without rows
    weighted = MixedLinearRegressor(LEVELS, vce=vce).fit(X, y, sample_weight=w1)
    plain = [RandomEffects("region"), RandomEffects("school", ["x"])]
    repeated = MixedLinearRegressor(plain, vce=vce).fit(*_replicate(X, y, w1))
    if not repeated.converged_ or repeated.results_.alpha.min() < -6:
        return  # a variance at zero: alpha has no finite value to compare
    _assert_same(weighted, repeated)


def test_blups_of_frequency_weights_are_those_of_the_repeated_rows():
    rng = np.random.default_rng(3)
    X, y = _three_levels(rng)
    X["w3"], X["w2"] = 2.0, 1.0
    w1 = rng.integers(1, 4, size=len(X)).astype(float)
    weighted = MixedLinearRegressor(LEVELS).fit(X, y, sample_weight=w1)
    plain = [RandomEffects("region"), RandomEffects("school", ["x"])]
    repeated = MixedLinearRegressor(plain).fit(*_replicate(X, y, w1))
    mean, std = weighted.random_effects("school", return_std=True)
    mean_r, std_r = repeated.random_effects("school", return_std=True)
    first = [(f"{r}-0", f"{s}-0") for r, s in mean.index]
    np.testing.assert_allclose(mean, mean_r.loc[first], atol=2e-6)
    np.testing.assert_allclose(std, std_r.loc[first], atol=2e-6)


def test_zero_group_weights_drop_the_groups():
    rng = np.random.default_rng(5)
    X, y = _three_levels(rng)
    X["w"] = (X["school"] % 4 != 0).astype(float)
    spec = ["region", RandomEffects("school", weight="w")]
    weighted = MixedLinearRegressor(spec).fit(X, y)
    keep = X["w"] > 0
    plain = MixedLinearRegressor(["region", "school"]).fit(
        X.loc[keep, ["region", "school", "x"]], y[keep]
    )
    _assert_same(weighted, plain)
    assert weighted.n_groups_ == plain.n_groups_


def test_noninteger_frequency_weights_interpolate():
    rng = np.random.default_rng(6)
    X, y = _three_levels(rng)
    spec = RandomEffects("school")
    X = X[["school", "x"]]
    halves = MixedLinearRegressor(spec).fit(X, y, sample_weight=np.full(len(y), 0.5))
    doubled = MixedLinearRegressor(spec).fit(
        pd.concat([X, X]), np.tile(y, 2), sample_weight=np.full(2 * len(y), 0.25)
    )
    _assert_same(halves, doubled)


def test_pseudolikelihood_is_the_integral_of_the_manual():
    """Eq. (14) of the manual by numerical integration, maximised without the engine."""
    rng = np.random.default_rng(11)
    group = np.repeat(np.arange(8), 4)
    x = rng.normal(size=32)
    y = 1 + x + rng.normal(size=8)[group] + rng.normal(size=32)
    w1, w2 = rng.uniform(0.5, 3.0, size=32), rng.uniform(0.5, 4.0, size=8)
    X = pd.DataFrame({"g": group, "x": x, "w": w2[group]})
    model = MixedLinearRegressor(
        RandomEffects("g", weight="w"), weight_type="sampling"
    ).fit(X, y, sample_weight=w1)

    def log_likelihood(parameters: np.ndarray) -> float:
        b0, b1, log_tau, log_sigma = parameters
        tau, sigma = np.exp(log_tau), np.exp(log_sigma)
        total = 0.0
        for g in range(8):
            rows = group == g
            r, w = y[rows] - b0 - b1 * x[rows], w1[rows]

            def log_f(u, r=r, w=w):
                f1 = (
                    -0.5 * np.log(2 * np.pi)
                    - np.log(sigma)
                    - 0.5 * ((r - u) / sigma) ** 2
                )
                f2 = -0.5 * np.log(2 * np.pi) - np.log(tau) - 0.5 * (u / tau) ** 2
                return w @ f1 + f2

            mode = (w @ r / sigma**2) / (w.sum() / sigma**2 + 1 / tau**2)
            top = log_f(mode)
            value, _ = quad(
                lambda u, top=top: np.exp(log_f(u) - top),
                mode - 12 * tau,
                mode + 12 * tau,
                points=[mode],
                epsabs=1e-13,
                epsrel=1e-12,
                limit=200,
            )
            total += w2[g] * (top + np.log(value))
        return total

    tau = np.sqrt(model.covariances_["g"].iloc[0, 0])
    at = np.array([model.intercept_, *model.coef_, np.log(tau), np.log(model.sigma_)])
    assert log_likelihood(at) == pytest.approx(model.log_likelihood_, rel=1e-9)
    best = minimize(
        lambda p: -log_likelihood(p), at, method="BFGS", options={"gtol": 1e-6}
    )
    assert -best.fun <= model.log_likelihood_ + 1e-7
    np.testing.assert_allclose(best.x, at, atol=1e-4)

    # robust standard errors from finite-difference scores of the same integral
    def scores(step: float = 1e-5) -> np.ndarray:
        out = np.empty((8, 4))
        for g in range(8):
            keep = np.zeros(8)
            keep[g] = w2[g]
            for k in range(4):
                moved = np.zeros(4)
                moved[k] = step
                out[g, k] = (_one_group(at + moved, g) - _one_group(at - moved, g)) / (
                    2 * step
                )
        return out

    def _one_group(parameters: np.ndarray, g: int) -> float:
        nonlocal w2
        saved = w2
        w2 = np.where(np.arange(8) == g, saved, 0.0)
        try:
            return log_likelihood(parameters)
        finally:
            w2 = saved

    s = scores()
    meat = 8 / 7 * s.T @ s
    model_based = model.results_.model_beta_vcov[::-1, ::-1]  # _cons first
    robust = model_based @ meat[:2, :2] @ model_based
    found = model.results_.beta_vcov[::-1, ::-1]
    np.testing.assert_allclose(robust, found, rtol=1e-5)


@pytest.mark.slow
def test_three_levels_are_the_nested_integral():
    """Eq. (14) with one more level, both integrals by the trapezoidal rule.

    For integrands like these, that fall off as a normal density does, the rule is
    exact to rounding once its step is a fraction of their width.
    """
    rng = np.random.default_rng(23)
    X, y = _three_levels(rng)
    n, x = len(y), X["x"].to_numpy()
    w1 = rng.uniform(0.5, 3.0, n)
    w2, w3 = rng.uniform(0.5, 3.0, 12), rng.uniform(0.5, 3.0, 4)
    school, region = X["school"].to_numpy(), X["region"].to_numpy()
    frame = X.assign(w2=w2[school], w3=w3[region])
    spec = [RandomEffects("region", weight="w3"), RandomEffects("school", weight="w2")]
    model = MixedLinearRegressor(spec, fixed=["x"], weight_type="sampling")
    model.fit(frame, y, sample_weight=w1)
    r = model.results_
    t = np.linspace(-8.0, 8.0, 129)
    log_step = np.log(t[1] - t[0]) - 0.5 * np.log(2.0 * np.pi) - 0.5 * t**2

    def integral(log_f):
        """log of the integral of exp(log_f) against the standard normal, last axis."""
        top = (log_f + log_step).max(axis=-1)
        return top + np.log(np.exp(log_f + log_step - top[..., None]).sum(axis=-1))

    def by_region(theta):
        beta, constant, log_sd3, log_sd2, log_sigma = theta
        sd3, sd2, sigma = np.exp([log_sd3, log_sd2, log_sigma])
        e = y - constant - beta * x
        out = np.empty(4)
        for k in range(4):
            given = np.zeros(len(t))  # log density given u_3 at the nodes
            for j in np.unique(school[region == k]):
                rows = school == j
                u = sd3 * t[:, None] + sd2 * t  # (u_3, u_2)
                z = (e[rows] - u[..., None]) / sigma
                f = -0.5 * z**2 - np.log(sigma) - 0.5 * np.log(2.0 * np.pi)
                given += w2[j] * integral(f @ w1[rows])
            out[k] = w3[k] * integral(given)
        return out

    theta = np.concatenate([r.beta, r.alpha])
    assert by_region(theta).sum() == pytest.approx(r.log_likelihood, rel=1e-11)
    scores = differences(by_region, theta, step=1e-3)
    total = scores.sum(axis=0) / np.sqrt((scores**2).sum(axis=0))
    assert np.abs(total).max() < 1e-6  # it is the maximum
    # and the sandwich, its bread the inverse Hessian of the same integral
    H = differences(lambda q: differences(by_region, q, 1e-3).sum(axis=0), theta, 1e-3)
    bread = np.linalg.inv(-H)
    meat = 4 / 3 * scores.T @ scores
    full = bread[2:, 2:] @ meat[2:, 2:] @ bread[2:, 2:]
    np.testing.assert_allclose(r.alpha_vcov, full, rtol=1e-4)
    known = np.linalg.inv(-H[:2, :2])
    np.testing.assert_allclose(r.beta_vcov, known @ meat[:2, :2] @ known, rtol=1e-4)


def test_unweighted_robust_errors_are_the_explicit_sandwich():
    rng = np.random.default_rng(8)
    X, y = _three_levels(rng)
    model = MixedLinearRegressor(["region", "school"], vce="robust").fit(X, y)
    sigma2 = model.sigma_**2
    s3 = model.covariances_["region"].iloc[0, 0]
    s2 = model.covariances_["school"].iloc[0, 0]
    bread, meat = np.zeros((2, 2)), np.zeros((2, 2))
    for region in range(4):
        at = (X["region"] == region).to_numpy()
        school = X["school"].to_numpy()[at]
        V = sigma2 * np.eye(at.sum()) + s3 + s2 * (school[:, None] == school)
        W = np.column_stack([X["x"].to_numpy()[at], np.ones(at.sum())])
        r = y[at] - model.predict(X[at], kind="fixed")
        score = W.T @ np.linalg.solve(V, r)
        bread += W.T @ np.linalg.solve(V, W)
        meat += np.outer(score, score)
    inverse = np.linalg.inv(bread)
    expected = 4 / 3 * inverse @ meat @ inverse  # CR0 times M / (M - 1)
    np.testing.assert_allclose(model.results_.beta_vcov, expected, rtol=1e-8)
    np.testing.assert_allclose(model.results_.model_beta_vcov, inverse, rtol=1e-8)
    assert model.results_.n_clusters == 4


def test_clusters_above_the_top_level_are_summed():
    rng = np.random.default_rng(9)
    X, y = _three_levels(rng)
    by_region = MixedLinearRegressor(["region", "school"], vce="robust").fit(X, y)
    same = MixedLinearRegressor(
        ["region", "school"], vce="cluster", cluster="again"
    ).fit(X.assign(again=X["region"].map(str)), y)
    np.testing.assert_allclose(
        same.results_.beta_vcov, by_region.results_.beta_vcov, rtol=1e-10
    )
    np.testing.assert_allclose(
        same.results_.alpha_vcov, by_region.results_.alpha_vcov, rtol=1e-10
    )
    assert list(same.fixed_names_) == ["x"]


def test_linear_regression_has_robust_errors_by_row():
    rng = np.random.default_rng(10)
    X, y = rng.normal(size=(40, 2)), rng.normal(size=40)
    model = MixedLinearRegressor(vce="robust").fit(X, y)
    W = np.column_stack([X, np.ones(40)])
    inverse = np.linalg.inv(W.T @ W)
    r = y - model.predict(X)
    expected = 40 / 39 * inverse @ (W.T * r**2) @ W @ inverse
    np.testing.assert_allclose(model.results_.beta_vcov, expected, rtol=1e-9)


@pytest.mark.parametrize(
    ("options", "spec", "message"),
    [
        ({"method": "reml", "vce": "robust"}, "school", "method='ml'"),
        ({"method": "reml", "weight_type": "sampling"}, "school", "method='ml'"),
        ({"vce": "cluster"}, "school", "needs cluster="),
        ({"vce": "cluster", "cluster": "nowhere"}, "school", "'nowhere' is no column"),
        (
            {"vce": "cluster", "cluster": "school"},
            "region",
            "must nest in the clusters",
        ),
        ({"weight_scaling": "size"}, "school", "weight_type='sampling'"),
        ({"cluster": "region"}, "school", "vce='cluster'"),
        ({"vce": "robust"}, "one", "at least two clusters"),
        (
            {"weight_scaling": "gk", "weight_type": "sampling"},
            ["region", "school"],
            "one level of groups",
        ),
        ({}, RandomEffects("school", weight="x2"), "constant within its groups"),
        ({}, RandomEffects("school", weight="minus"), "not negative"),
        ({}, RandomEffects("school", weight="zero"), "zero in all rows"),
        ({}, RandomEffects("school", weight="nowhere"), "no column of X"),
        ({}, RandomEffects("_all", weight="one"), "'_all'"),
        ({"method": "reml"}, RandomEffects("school", weight="one"), "method='ml'"),
        ({"em_only": True}, RandomEffects("school", weight="one"), "em_only"),
    ],
)
def test_what_makes_no_sense_is_refused(options, spec, message):
    X, y = _three_levels(np.random.default_rng(0))
    X = X.assign(x2=np.arange(len(y)) + 1.0, minus=-1.0, zero=0.0, one=1.0, x=X["x"])
    model = MixedLinearRegressor(spec, fixed=["x"], **options)
    with pytest.raises(ValueError, match=message):
        model.fit(X, y)


def test_sampling_weights_imply_robust_errors_and_no_lr_test():
    X, y = _three_levels(np.random.default_rng(1))
    model = MixedLinearRegressor("school", weight_type="sampling")
    model.fit(X[["school", "x"]], y, sample_weight=np.full(len(y), 2.0))
    r = model.results_
    assert (r.vce, r.has_lr_test, r.pseudo, r.n_obs) == ("robust", False, True, len(y))


def test_the_size_of_top_level_weights_does_not_matter():
    """Sampling weights that sum to less than the coefficients are no exact fit."""
    X, y = _three_levels(np.random.default_rng(2))
    own = np.random.default_rng(3).uniform(0.5, 2.0, size=12)[X["school"]]
    spec = RandomEffects("school", weight="w")
    a, b = (
        MixedLinearRegressor(spec, weight_type="sampling").fit(
            X[["school", "x"]].assign(w=own * size), y
        )
        for size in (1.0, 1e-3)
    )
    assert a.converged_
    assert b.converged_
    np.testing.assert_allclose(a.results_.beta, b.results_.beta, atol=1e-6)
    np.testing.assert_allclose(a.results_.alpha, b.results_.alpha, atol=1e-5)
    np.testing.assert_allclose(a.results_.beta_vcov, b.results_.beta_vcov, rtol=1e-4)


def test_missing_weights_are_dropped_on_request():
    X, y = _three_levels(np.random.default_rng(4))
    w = np.full(len(y), 2.0)
    w[3] = np.nan
    X = X.assign(w=np.where(X["school"] == 5, np.nan, 1.0))
    spec = RandomEffects("school", weight="w")
    columns = ["school", "x", "w"]
    with pytest.raises(ValueError, match=r"NaN|finite"):
        MixedLinearRegressor(spec).fit(X[columns], y, sample_weight=w)
    model = MixedLinearRegressor(spec, missing="drop")
    model.fit(X[columns], y, sample_weight=w)
    keep = (~np.isnan(w)) & X["w"].notna().to_numpy()
    plain = MixedLinearRegressor("school").fit(
        X.loc[keep, ["school", "x"]], y[keep], sample_weight=w[keep]
    )
    _assert_same(model, plain)


def test_row_order_and_group_order_do_not_matter():
    rng = np.random.default_rng(12)
    X, y = _three_levels(rng)
    X["w3"], X["w2"] = (X["region"] + 1.0), (X["school"] % 3 + 1.0)
    w = rng.uniform(0.5, 2.0, size=len(y))
    options = {"weight_type": "sampling"}
    a = MixedLinearRegressor(LEVELS, **options).fit(X, y, sample_weight=w)
    p = rng.permutation(len(y))
    b = MixedLinearRegressor(LEVELS, **options).fit(X.iloc[p], y[p], sample_weight=w[p])
    _assert_same(a, b)


def test_robust_errors_of_years_are_those_of_centred_years():
    """Columns that are collinear but for 1e-7 of their size lose no digits."""
    rng = np.random.default_rng(31)
    school = np.repeat(np.arange(60), 6)
    t = np.tile(np.arange(6.0), 60)
    y = rng.normal(size=60)[school] + rng.normal(size=360)
    covariance = []
    for shift in (-2.5, 1990.0):
        X = pd.DataFrame({"school": school, "t": t + shift, "square": (t + shift) ** 2})
        model = MixedLinearRegressor("school", vce="robust").fit(X, y)
        covariance.append(model.results_.beta_vcov[1, 1])
    np.testing.assert_allclose(covariance[1], covariance[0], rtol=1e-8)
