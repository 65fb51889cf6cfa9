"""Profiles of the likelihood: lme4's intervals, and refits at the same value."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from sklearn_xmixed import MixedLinearRegressor, RandomEffects, Residuals
from sklearn_xmixed.covariance import STRUCTURES, get_structure
from sklearn_xmixed.datasets import (
    load_orthodont,
    load_pastes,
    load_penicillin,
    load_sleepstudy,
)
from sklearn_xmixed.diagnostics import profile, within_correlation
from sklearn_xmixed.diagnostics._held import HeldCovariance
from tests.conftest import Case, differences, simulate, slow
from tests.test_boundary import DYESTUFF2

REFERENCE = {
    case["data"]: case["intervals"]
    for case in json.loads(
        (Path(__file__).parent / "reference" / "profile.json").read_text()
    )["cases"]
}
SLOPES = RandomEffects("subject", ["days"], covariance="unstructured")


def sleepstudy(**parameters):
    X, y = load_sleepstudy(return_X_y=True)
    return MixedLinearRegressor(SLOPES, **parameters).fit(X, y), X, y


@pytest.mark.parametrize(
    ("parameter", "name"),
    [
        (("subject", "sd(_cons)"), "sd_(Intercept)|subject"),
        slow(("subject", "sd(days)"), "sd_days|subject"),
        (("subject", "corr(days,_cons)"), "cor_days.(Intercept)|subject"),
        slow(("Residual", "sd(Residual)"), "sigma"),
        slow("_cons", "(Intercept)"),
        ("days", "days"),
    ],
    ids=str,
)
def test_sleepstudy_by_lme4(parameter, name):
    found = profile(*sleepstudy(), parameter)
    assert_allclose(found.interval(), REFERENCE["sleepstudy"][name], rtol=2e-4)


@pytest.mark.parametrize(
    ("parameter", "name"),
    [
        (("plate", "sd(R.plate)"), "sd_(Intercept)|plate"),
        slow(("sample", "sd(R.sample)"), "sd_(Intercept)|sample"),
        slow(("Residual", "sd(Residual)"), "sigma"),
        ("_cons", "(Intercept)"),
    ],
    ids=str,
)
def test_crossed_factors_by_lme4(parameter, name):
    X, y = load_penicillin(return_X_y=True)
    crossed = [RandomEffects("_all", factor=n) for n in ("plate", "sample")]
    model = MixedLinearRegressor(crossed, fixed=[]).fit(X, y)
    found = profile(model, X, y, parameter)
    assert_allclose(found.interval(), REFERENCE["penicillin"][name], rtol=5e-4)


@pytest.mark.parametrize(
    ("parameter", "name"),
    [
        (("batch", "sd(_cons)"), "sd_(Intercept)|batch"),
        (("cask", "sd(_cons)"), "sd_(Intercept)|cask:batch"),
        slow(("Residual", "sd(Residual)"), "sigma"),
        ("_cons", "(Intercept)"),
    ],
    ids=str,
)
def test_nested_levels_by_lme4(parameter, name):
    """The interval of the batches' standard deviation reaches zero."""
    X, y = load_pastes(return_X_y=True)
    model = MixedLinearRegressor(["batch", "cask"], fixed=[]).fit(X, y)
    found = profile(model, X, y, parameter)
    assert_allclose(found.interval(), REFERENCE["pastes"][name], rtol=5e-4, atol=1e-9)


def test_what_a_profile_holds():
    model, X, y = sleepstudy()
    found = profile(model, X, y, ("subject", "sd(days)"))
    row = model.results_.variance_frame("sd").loc[("subject", "sd(days)")]
    assert found.estimate == pytest.approx(row["estimate"])
    assert found.std_error == pytest.approx(row["std_error"], rel=1e-5)
    assert (np.diff(found.value) > 0).all()
    assert (np.diff(found.zeta) > 0).all()
    at = list(found.zeta).index(0.0)
    assert found.value[at] == found.estimate
    assert_allclose(found.deviance, found.zeta**2)
    assert list(found.to_frame()) == ["value", "zeta", "deviance"]
    # near the estimate zeta is the Wald statistic
    slope = (found.zeta[at + 1] - found.zeta[at - 1]) / (
        found.value[at + 1] - found.value[at - 1]
    )
    assert slope == pytest.approx(1 / found.std_error, rel=0.05)
    narrow, wide = found.interval(0.5), found.interval(0.99)
    assert wide[0] < narrow[0] < found.estimate < narrow[1] < wide[1]


@pytest.mark.parametrize("method", ["ml", "reml"])
def test_a_held_variance_is_that_of_a_rescaled_problem(method):
    """Holding sd(_cons) leaves one free variance: the oracle on a grid agrees."""
    from scipy.optimize import minimize_scalar

    from sklearn_xmixed.likelihood import oracle

    X, y = load_orthodont(return_X_y=True)
    model = MixedLinearRegressor("subject", fixed=["age"], method=method).fit(X, y)
    found = profile(model, X, y, ("subject", "sd(_cons)"))
    A = np.column_stack([np.ones(len(y)), X["age"]])
    codes = pd.factorize(X["subject"])[0]
    for value, zeta in list(zip(found.value, found.zeta, strict=True))[::4]:
        Sigma = np.array([[value**2]])

        def deviance(log_sigma, Sigma=Sigma):
            terms = [(np.ones((len(y), 1)), codes, Sigma)]
            at = oracle(
                A,
                y.to_numpy(float),
                terms,
                np.exp(2 * log_sigma),
                reml=method == "reml",
            )
            return -2.0 * at.log_likelihood

        best = minimize_scalar(deviance, bounds=(-1, 2), method="bounded").fun
        rise = best + 2.0 * model.log_likelihood_
        assert zeta**2 == pytest.approx(rise, abs=1e-5)


@pytest.mark.parametrize("covariance", ["exchangeable", "identity", "independent"])
def test_other_structures(covariance):
    """Every row of the variance table can be profiled."""
    case = simulate(3, groups=25, covariance=covariance)
    model = case.fit()
    for parameter in model.results_.variance_frame("sd").index:
        found = profile(model, case.X, case.y, parameter)
        low, high = found.interval()
        assert low < found.estimate < high
        if np.isfinite(found.std_error):
            at = list(found.zeta).index(0.0)
            slope = (found.zeta[at + 1] - found.zeta[at - 1]) / (
                found.value[at + 1] - found.value[at - 1]
            )
            assert slope == pytest.approx(1 / found.std_error, rel=0.1)


def test_a_variance_at_zero():
    X, y = DYESTUFF2[["batch"]], DYESTUFF2["y"]
    model = MixedLinearRegressor("batch", fixed=[]).fit(X, y)
    found = profile(model, X, y, ("batch", "sd(_cons)"))
    low, high = found.interval()
    assert low == pytest.approx(0.0, abs=1e-4)
    assert 1.0 < high < 4.0
    assert (found.zeta >= 0).all()


def test_what_cannot_be_profiled():
    model, X, y = sleepstudy(method="reml")
    with pytest.raises(ValueError, match="method='ml'"):
        profile(model, X, y, "days")
    with pytest.raises(ValueError, match="one of"):
        profile(model, X, y, "weeks")
    with pytest.raises(ValueError, match="sd\\(days\\)"):
        profile(model, X, y, ("subject", "sd(weeks)"))
    model = MixedLinearRegressor(
        "subject", fixed=["days"], residuals=Residuals("ar", order=2, time="days")
    ).fit(X, y)
    with pytest.raises(NotImplementedError, match="single number"):
        profile(model, X, y, ("Residual", "phi1"))
    assert profile(model, X, y, "days").interval()[0] > 0
    with pytest.raises(ValueError, match="confidence_level"):
        profile(model, X, y, "days").interval(95)


def dense_ar(X, y, rho, log_sigma=None):
    """-2L of an autoregression without random effects; sigma at its best."""
    t, g = X["days"].to_numpy(), X["subject"].to_numpy()
    A = np.column_stack([np.ones(len(t)), t])
    V = (g[:, None] == g[None, :]) * rho ** np.abs(t[:, None] - t[None, :])
    Vi = np.linalg.inv(V)
    beta = np.linalg.solve(A.T @ Vi @ A, A.T @ Vi @ y)
    c, n = (y - A @ beta) @ Vi @ (y - A @ beta), len(t)
    log_sigma = 0.5 * np.log(c / n) if log_sigma is None else log_sigma
    value = n * (np.log(2 * np.pi) + 2 * log_sigma) + c / np.exp(2 * log_sigma)
    return value + np.linalg.slogdet(V)[1]


def test_parameters_of_an_autoregression():
    from scipy.optimize import minimize_scalar

    X, y = load_sleepstudy(return_X_y=True)
    model = MixedLinearRegressor(
        RandomEffects("subject", intercept=False),
        fixed=["days"],
        residuals=Residuals("ar", time="days"),
    ).fit(X, y)
    least = -2.0 * model.log_likelihood_
    response = y.to_numpy()
    found = profile(model, X, y, ("Residual", "rho"))
    for value, zeta in list(zip(found.value, found.zeta, strict=True))[::3]:
        rise = dense_ar(X, response, value) - least
        assert zeta**2 == pytest.approx(rise, abs=1e-6)
    found = profile(model, X, y, ("Residual", "sd(e)"))
    for value, zeta in list(zip(found.value, found.zeta, strict=True))[::4]:

        def at(rho, sigma=value):
            return dense_ar(X, response, rho, np.log(sigma))

        rise = minimize_scalar(at, bounds=(0.0, 0.99), method="bounded").fun - least
        assert zeta**2 == pytest.approx(rise, abs=1e-5)


@pytest.mark.parametrize(
    ("effects", "residuals"),
    [
        ("subject", Residuals("ar", time="days")),
        slow(RandomEffects("subject", intercept=False), Residuals("exchangeable")),
        slow("subject", Residuals(by="half")),
        (
            RandomEffects("subject", intercept=False),
            Residuals("exponential", time="days"),
        ),
    ],
    ids=["ar", "exchangeable", "by", "exponential"],
)
def test_structured_residuals(effects, residuals):
    """Near the estimate the profile has the slope of the standard error."""
    X, y = load_sleepstudy(return_X_y=True)
    X = X.assign(half=np.where(X["subject"] % 2 == 0, "even", "odd"))
    model = MixedLinearRegressor(effects, fixed=["days"], residuals=residuals).fit(X, y)
    for parameter in model.results_.variance_frame("sd").index:
        found = profile(model, X, y, parameter)
        at = list(found.zeta).index(0.0)
        slope = (found.zeta[at + 1] - found.zeta[at - 1]) / (
            found.value[at + 1] - found.value[at - 1]
        )
        assert slope == pytest.approx(1 / found.std_error, rel=0.03)
        low, high = found.interval()
        assert low < found.estimate < high


@pytest.mark.parametrize("name", STRUCTURES)
@pytest.mark.parametrize("q", [1, 2, 3])
@pytest.mark.parametrize("kind", ["", "sd", "corr"])
def test_held_covariances(name, q, kind):
    """Round trip, the held value stays, and derivatives by differences."""
    structure = get_structure(name, q)
    if kind == "corr" and structure.n_params == structure.n_variances:
        pytest.skip("no correlation")
    rng = np.random.default_rng(q)
    A = rng.normal(size=(q, q))
    Sigma = structure.spread(structure.gather(A @ A.T + 0.5 * np.eye(q)))
    effects = {"": (), "sd": (q - 1,), "corr": (q - 1, 0)}[kind]
    held = HeldCovariance(structure, kind, effects)
    sd = np.sqrt(np.diagonal(Sigma))
    value = 0.0
    if kind == "sd":
        value = sd[-1]
    elif kind == "corr":
        value = Sigma[0, -1] / sd[0] / sd[-1]
    free = held.free(Sigma)
    assert len(free) == held.size
    S, slopes = held.build(free, value)
    assert_allclose(S, Sigma, atol=1e-12)
    moved = free + 0.1 * rng.normal(size=len(free))
    S, slopes = held.build(moved, value)
    if kind == "sd":
        assert np.sqrt(S[-1, -1]) == pytest.approx(value)
    elif kind == "corr":
        assert S[0, -1] / np.sqrt(S[0, 0] * S[-1, -1]) == pytest.approx(value)
    if len(free):
        numeric = differences(lambda x: held.build(x, value)[0], moved)
        assert_allclose(slopes, np.moveaxis(numeric, -1, 0), atol=1e-8)


# ------------------------------------------------------- correlation within groups


def brute_force(t, g, z, V):
    """Pairs of rows one by one."""
    rows = []
    for i in range(len(t)):
        for j in range(i + 1, len(t)):
            if g[i] == g[j]:
                r = V[i, j] / np.sqrt(V[i, i] * V[j, j])
                half = 0.5 * (z[i] ** 2 + z[j] ** 2)
                rows.append((abs(t[i] - t[j]), z[i] * z[j], half, r))
    pairs = pd.DataFrame(rows, columns=["lag", "product", "square", "implied"])
    by_lag = pairs.groupby("lag")
    out = by_lag[["implied"]].mean()
    out["observed"] = by_lag["product"].sum() / by_lag["square"].sum()
    out["n_pairs"] = by_lag.size()
    return out


def test_within_correlation_by_brute_force():
    X, y = load_sleepstudy(return_X_y=True)
    keep = np.random.default_rng(0).permutation(len(y))[:120]
    X, y = X.iloc[keep], y.iloc[keep]
    model = MixedLinearRegressor(SLOPES).fit(X, y)
    table = within_correlation(model, X, y, time="days")
    t, g = X["days"].to_numpy(), X["subject"].to_numpy()
    Z = np.column_stack([t, np.ones(len(t))])
    V = Z @ model.covariances_["subject"].to_numpy() @ Z.T
    V += model.sigma_**2 * np.eye(len(t))
    r = (y - model.predict(X, kind="fixed")).to_numpy()
    expected = brute_force(t, g, r / np.sqrt(np.diagonal(V)), V)
    assert_allclose(table["lag"], expected.index)
    for name in expected:
        assert_allclose(table[name], expected[name], rtol=1e-9)
    assert (table["std_error"] > 0).all()


def test_within_correlation_of_an_autoregression():
    X, y = load_sleepstudy(return_X_y=True)
    model = MixedLinearRegressor(
        RandomEffects("subject", intercept=False),
        fixed=["days"],
        residuals=Residuals("ar", time="days"),
    ).fit(X, y)
    table = within_correlation(model, X, y)
    rho = model.residual_parameters_["rho"]
    assert_allclose(table["implied"], rho ** table["lag"])
    # lags of the order of rows are the same here
    again = within_correlation(model, X.drop(columns=[]), y, time="days")
    assert_allclose(again, table)


def test_within_correlation_of_nested_levels():
    X, y = load_pastes(return_X_y=True)
    model = MixedLinearRegressor(["batch", "cask"], fixed=[]).fit(X, y)
    v = {k: float(S.iloc[0, 0]) for k, S in model.covariances_.items()}
    total = sum(v.values()) + model.sigma_**2
    cask = within_correlation(model, X, y)
    assert list(cask["lag"]) == [1.0]
    assert_allclose(cask["implied"], (v["batch"] + v["cask"]) / total)
    batch = within_correlation(model, X, y, level="batch")
    assert batch["implied"].iloc[-1] == pytest.approx(v["batch"] / total)


def test_within_correlation_in_bins():
    case = simulate(4, groups=30, size=8)
    model = case.fit()
    table = within_correlation(model, case.X, case.y, time="x0", n_bins=6)
    assert len(table) == 6
    sizes = case.frame.groupby("g").size()
    assert table["n_pairs"].sum() == (sizes * (sizes - 1) // 2).sum()
    assert table["n_pairs"].max() < 1.1 * table["n_pairs"].min()


def test_within_correlation_says_what_is_wrong():
    X, y = load_sleepstudy(return_X_y=True)
    model = MixedLinearRegressor(SLOPES).fit(X, y)
    with pytest.raises(ValueError, match="time names no column"):
        within_correlation(model, X, y, time="hours")
    with pytest.raises(ValueError, match="level must be one of"):
        within_correlation(model, X, y, level="school")
    flat = MixedLinearRegressor(fixed=["days"]).fit(X, y)
    with pytest.raises(ValueError, match="no groups"):
        within_correlation(flat, X, y)


def test_simulated_data_agree_with_their_model():
    case = Case(
        simulate(1, groups=400, size=6, correlation=0.5).frame,
        [RandomEffects("g", ["x0"], covariance="unstructured")],
        ["x0"],
    )
    model = case.fit()
    table = within_correlation(model, case.X, case.y)
    few = table[table["n_pairs"] > 500]
    z = (few["observed"] - few["implied"]) / few["std_error"]
    assert (z.abs() < 3.5).all()
