"""Crossed effects: against the definition, the manual and equivalent formulations."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from sklearn.base import clone

from sklearn_xmixed import MixedLinearRegressor, RandomEffects
from sklearn_xmixed.datasets import load_penicillin
from sklearn_xmixed.diagnostics.samples import sample_of
from sklearn_xmixed.likelihood import Objective, oracle
from sklearn_xmixed.likelihood.crossed._exact import evaluate_crossed
from tests.conftest import manual_data

WEEK, ID = RandomEffects("_all", factor="week"), RandomEffects("_all", factor="id")
STATE = RandomEffects("region", factor="state", covariance="exchangeable")
PUBLIC = ["private", "emp", "hwy", "water", "other", "unemp"]


def pig(spec, **options):
    frame = manual_data("pig")
    model = MixedLinearRegressor(spec, fixed=["week"], **options)
    return model.fit(frame.drop(columns="weight"), frame["weight"])


def productivity(spec, **options):
    frame = manual_data("productivity")
    model = MixedLinearRegressor(spec, fixed=PUBLIC, **options)
    return model.fit(frame.drop(columns="gsp"), frame["gsp"])


def same_fit(first, second, tolerance=1e-6):
    assert_allclose(first.log_likelihood_, second.log_likelihood_, rtol=1e-11)
    assert_allclose(first.coef_, second.coef_, rtol=tolerance)
    n = len(first.coef_) + 1
    assert_allclose(
        first.vcov().to_numpy()[:n, :n],
        second.vcov().to_numpy()[:n, :n],
        rtol=20 * tolerance,
        atol=1e-12,
    )


# deviance and standard deviations by lme4 1.1-31, its objective minimised to the end
PENICILLIN = {
    "reml": (330.860588991, 0.846704355311, 1.93155832447, 0.549923136376),
    "ml": (332.188348669, 0.84557219206, 1.77064628027, 0.549932196144),
}


# --------------------------------------------------------------- random models


def crossed_data(seed=0, n=160, negative=False):
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "x": rng.normal(size=n),
            "a": rng.integers(0, 7, n),
            "b": rng.integers(0, 5, n),
            "g": rng.integers(0, 9, n),
            "h": rng.integers(0, 3, n),
        }
    )
    frame["y"] = (
        1.0
        + 0.5 * frame.x
        + rng.normal(size=7)[frame.a]
        + rng.normal(size=5)[frame.b]
        + (not negative) * rng.normal(size=9)[frame.g]
        + rng.normal(size=9)[frame.g] * frame.x
        + rng.normal(size=n)
    )
    effects = rng.normal(size=(9, 3)) * 1.5
    if negative:
        effects -= 0.6 * effects.mean(axis=1, keepdims=True)
    frame["y"] += effects[frame.g, frame.h]
    return frame


SPECS = {
    "two factors": [
        RandomEffects("_all", factor="a"),
        RandomEffects("_all", factor="b"),
    ],
    "factor over slopes": [
        RandomEffects("_all", factor="a"),
        RandomEffects("g", ["x"], covariance="unstructured"),
    ],
    "slopes of the larger level remain": [
        RandomEffects("_all", factor="row"),
        RandomEffects("g", ["x"]),
    ],
    "three factors": [
        RandomEffects("_all", factor="a"),
        RandomEffects("_all", factor="b"),
        RandomEffects("_all", factor="g"),
    ],
    "repeated level": [
        RandomEffects("_all", factor="a"),
        RandomEffects("g", ["x"], intercept=False),
        RandomEffects("g"),
    ],
    "crossed slopes": [
        RandomEffects("_all", ["x"], factor="a", covariance="unstructured"),
        RandomEffects("_all", ["x"], factor="g"),
        RandomEffects("_all", factor="b"),
    ],
    "slopes of factors within groups": [
        RandomEffects("_all", factor="a"),
        RandomEffects("h", ["x"], factor="b", covariance="exchangeable"),
        RandomEffects("h", ["x"], factor="g", intercept=False),
    ],
    "blocks": [
        RandomEffects("h"),
        RandomEffects("h", factor="a"),
        RandomEffects("h", factor="g"),
    ],
    "factor within groups": [
        RandomEffects("_all", factor="a"),
        RandomEffects("g", factor="h"),
    ],
    "exchangeable": [
        RandomEffects("_all", factor="a"),
        RandomEffects("g", factor="h", covariance="exchangeable"),
    ],
}


def oracle_terms(model, frame, spec):
    """(Z, codes, Sigma) of every equation, and where its effects stand there."""
    n, out = len(frame), []
    for e, (name, Sigma) in zip(spec, model.covariances_.items(), strict=True):
        index = model.random_effects_[name].index
        if e.factor is None or len(e.columns):
            by = [e.group] if e.factor is None else [e.factor]
            if e.factor is not None and e.group != "_all":
                by = [e.group, e.factor]
            codes = frame.groupby(by).ngroup().to_numpy()
            columns = [*e.columns]
            if "_cons" in Sigma:
                columns.append("_cons")
            Z = frame.assign(_cons=1.0)[columns].to_numpy(float)
            place = np.arange((codes.max() + 1) * Z.shape[1])
            out.append(
                (name, (Z, codes, Sigma.loc[columns, columns].to_numpy()), place)
            )
            continue
        labels = pd.factorize(frame[e.factor], sort=True)
        L = len(labels[1])
        Z = np.zeros((n, L))
        Z[np.arange(n), labels[0]] = 1.0
        codes = (
            np.zeros(n, dtype=int)
            if e.group == "_all"
            else pd.factorize(frame[e.group], sort=True)[0]
        )
        v = Sigma["variance"].iloc[0]
        c = Sigma["covariance"].iloc[0] if "covariance" in Sigma else 0.0
        S = (v - c) * np.eye(L) + c
        level = labels[1].get_indexer(index.get_level_values(-1))
        group = index.get_level_values(0) if e.group != "_all" else np.zeros(len(index))
        out.append((name, (Z, codes, S), np.asarray(group, int) * L + level))
    return out


def little_noise(name, noise):
    """Effects of size one and residuals of size ``noise``."""
    frame, rng = crossed_data(1), np.random.default_rng(5)
    y = 1.0 + 0.5 * frame.x + rng.normal(size=7)[frame.a]
    if name == "two factors":
        y += rng.normal(size=5)[frame.b]
    else:
        y += rng.normal(size=9)[frame.g] + rng.normal(size=9)[frame.g] * frame.x
    return frame.assign(y=y + noise * rng.normal(size=len(frame)))


@pytest.mark.parametrize("method", ["ml", "reml"])
@pytest.mark.parametrize("name", ["two factors", "factor over slopes"])
def test_residuals_a_thousandth_of_the_effects(name, method):
    """Cross-products of y have half of the digits, those of what effects leave do not."""
    frame, spec = little_noise(name, 1e-3), SPECS[name]
    model = MixedLinearRegressor(spec, fixed=["x"], method=method)
    model.fit(frame, frame["y"])
    assert model.converged_
    X, y = np.column_stack([np.ones(160), frame["x"]]), frame["y"].to_numpy()
    terms = [term for _, term, _ in oracle_terms(model, frame, spec)]

    def definition(sigma, sizes=(1.0, 1.0)):
        moved = [(Z, g, S * k) for (Z, g, S), k in zip(terms, sizes, strict=True)]
        return oracle(X, y, moved, sigma**2, reml=method == "reml")

    there = definition(model.sigma_)
    top = there.log_likelihood
    assert model.log_likelihood_ == pytest.approx(top, abs=1e-6)
    for step in (0.99, 1.01):
        around = [(1.0, (step, 1.0)), (1.0, (1.0, step)), (step, (1.0, 1.0))]
        for scale, sizes in around:
            assert definition(scale * model.sigma_, sizes).log_likelihood < top
    # the constant is known to a share of the effects' size only
    assert_allclose(model.coef_, there.beta[1:], atol=1e-8)
    fitted = model.predict(frame)
    Zu = sum(
        np.einsum("nq,nq->n", Z, u.reshape(-1, Z.shape[1])[g])
        if Z.shape[1] < 5
        else Z @ u
        for (Z, g, _), u in zip(terms, there.u, strict=True)
    )
    assert_allclose(fitted, X @ there.beta + Zu, atol=1e-8)
    total = sample_of(model, frame, frame["y"], None, None).total
    root = np.sqrt(np.append(np.ones(2), model._fitted.posterior.pieces.root.c))
    assert_allclose(total / np.outer(root, root), np.eye(3), atol=1e-5)
    again = pickle.loads(pickle.dumps(model))
    assert_allclose(again.predict(frame), fitted, rtol=1e-12)


def test_little_noise_without_dense_factors():
    frame = little_noise("two factors", 1e-3)
    model = MixedLinearRegressor(SPECS["two factors"], fixed=["x"])
    exact = clone(model).fit(frame, frame["y"])
    found = model.set_params(crossed="iterative", n_probes=400, random_state=0)
    found.fit(frame, frame["y"])
    assert_allclose(found.sigma_, exact.sigma_, rtol=1e-3)
    assert_allclose(found.coef_, exact.coef_, atol=1e-6)


@pytest.mark.daily
@pytest.mark.parametrize("method", ["ml", "reml"])
@pytest.mark.parametrize("negative", [False, True])
@pytest.mark.parametrize("name", SPECS)
def test_equal_to_the_definition(name, method, negative):
    frame = crossed_data(3, negative=negative).assign(row=lambda f: np.arange(160) // 2)
    spec = SPECS[name]
    model = MixedLinearRegressor(spec, fixed=["x"], method=method)
    model.fit(frame.drop(columns="y"), frame["y"])
    assert model.converged_
    terms = oracle_terms(model, frame, spec)
    X = np.column_stack([np.ones(len(frame)), frame.x])
    found = oracle(
        X,
        frame["y"].to_numpy(),
        [t for _, t, _ in terms],
        model.sigma_**2,
        reml=method == "reml",
    )
    assert_allclose(model.log_likelihood_, found.log_likelihood, rtol=1e-10)
    assert_allclose([model.intercept_, *model.coef_], found.beta, rtol=1e-7)
    vcov = model.vcov().to_numpy()[:2, :2][::-1, ::-1]
    assert_allclose(vcov, found.vcov, rtol=1e-7)
    variances = found.u_vcov if method == "ml" else found.u_vcov_full
    for (term, _, place), u, V in zip(terms, found.u, variances, strict=True):
        mean, std = model.random_effects(term, return_std=True)
        assert_allclose(mean.to_numpy().ravel(), u[place], atol=1e-7)
        assert_allclose(std.to_numpy().ravel() ** 2, np.diagonal(V)[place], atol=1e-7)
    # the likelihood falls in every direction
    for k in range(len(terms)):
        for factor in (0.99, 1.01):
            moved = [
                (Z, codes, S * (factor if i == k else 1.0))
                for i, (_, (Z, codes, S), _) in enumerate(terms)
            ]
            there = oracle(
                X, frame["y"].to_numpy(), moved, model.sigma_**2, reml=method == "reml"
            )
            assert there.log_likelihood <= found.log_likelihood + 1e-9
    if name == "exchangeable" and negative:
        assert model.covariances_["g"]["covariance"].iloc[0] < 0


@pytest.mark.parametrize("name", SPECS)
def test_gradient_and_standard_errors_of_predictions(name):
    """The gradient is the slope of the value; the rows' variance that of a BLUP."""
    frame = crossed_data(5).assign(row=lambda f: np.arange(160) // 2)
    X, y = frame.drop(columns="y"), frame["y"]
    from sklearn_xmixed import _regressor

    seen = {}
    original = _regressor.estimate

    def spy(*args, **options):
        seen["found"] = original(*args, **options)
        return seen["found"]

    _regressor.estimate = spy
    try:
        model = MixedLinearRegressor(SPECS[name], fixed=["x"], method="reml").fit(X, y)
    finally:
        _regressor.estimate = original
    objective = seen["found"].objective
    rng = np.random.default_rng(0)
    gamma = objective.join(seen["found"].D_blocks) + 0.1 * rng.normal(
        size=objective.n_params
    )
    _, g, _ = objective.hessian(gamma)
    model_of = objective.model
    directions = model_of.directions(gamma)
    exact = objective.curvature(model_of.split(gamma), directions)
    D = model_of.floors(model_of.split(gamma))
    average = evaluate_crossed(objective.sweep(D), reml=True, directions=directions)
    by_differences = objective.differences(D, directions)
    for which in ("c_2", "l_2"):
        one, other = getattr(exact, which), getattr(by_differences, which)
        assert_allclose(one, other, rtol=1e-6, atol=1e-7 * np.abs(one).max())
    assert_allclose(
        average.c_2, exact.c_2, rtol=1e-6, atol=1e-7 * np.abs(exact.c_2).max()
    )
    H = Objective.hessian(objective, gamma)[2]
    for k in range(len(gamma)):
        step = np.zeros(len(gamma))
        step[k] = 1e-5
        slope = (objective.value(gamma + step) - objective.value(gamma - step)) / 2e-5
        assert_allclose(g[k], slope, rtol=1e-5, atol=1e-4)
        up, down = (
            objective.gradient(gamma + step)[1],
            objective.gradient(gamma - step)[1],
        )
        assert_allclose(H[k], (up - down) / 2e-5, rtol=1e-4, atol=1e-3)
    # rows: intercept and x together with the effects, by the definition
    mean, std = model.predict(X, return_std=True)
    assert_allclose(mean, model.predict(X), rtol=1e-12)
    assert np.isfinite(std).all()
    assert (std > 0).all()
    again = pickle.loads(pickle.dumps(model))
    assert_allclose(again.predict(X), mean, rtol=1e-12)


def test_predictions_are_sums_of_effects():
    frame = crossed_data(1)
    X, y = frame.drop(columns="y"), frame["y"]
    model = MixedLinearRegressor(SPECS["two factors"], fixed=["x"]).fit(X, y)
    fixed = model.predict(X, kind="fixed")
    a, b = (model.random_effects_[k].iloc[:, 0] for k in "ab")
    expected = fixed + a.loc[X.a].to_numpy() + b.loc[X.b].to_numpy()
    assert_allclose(model.predict(X), expected, rtol=1e-10)
    unseen = X.assign(a=99)
    assert_allclose(model.predict(unseen), fixed + b.loc[X.b].to_numpy(), rtol=1e-10)
    both = X.assign(a=99, b=99)
    mean, std = model.predict(both, return_std=True)
    assert_allclose(mean, fixed, rtol=1e-12)
    prior = sum(S["variance"].iloc[0] for S in model.covariances_.values())
    _, alone = model.predict(X, kind="fixed", return_std=True)
    assert_allclose(std**2, prior + alone**2, rtol=1e-9)
    assert np.isnan(model.set_params(unseen="nan").predict(unseen)).all()
    with pytest.raises(ValueError, match="labels of 'a'"):
        model.set_params(unseen="raise").predict(unseen)


def test_exchangeable_predicts_a_new_level_by_the_common_effect():
    """The same as the random intercept of the equivalent levels."""
    frame = crossed_data(2)
    frame["y"] += 3.0 * np.sin(frame.g)
    X, y = frame.drop(columns="y"), frame["y"]
    spec = RandomEffects("g", factor="h", covariance="exchangeable")
    model = MixedLinearRegressor(spec, fixed=["x"]).fit(X, y)
    nested = MixedLinearRegressor(["g", "h"], fixed=["x"]).fit(X, y)
    new = X.assign(h=7)
    for data in (X, new):
        first, second = (m.predict(data, return_std=True) for m in (model, nested))
        assert_allclose(first[0], second[0], rtol=1e-5)
        assert_allclose(first[1], second[1], rtol=1e-5)


def test_frequency_weights_are_copies():
    frame = crossed_data(4)
    weights = np.arange(len(frame)) % 3 + 1
    copies = frame.loc[frame.index.repeat(weights)]
    spec = SPECS["two factors"]
    first = MixedLinearRegressor(spec, fixed=["x"]).fit(
        frame.drop(columns="y"), frame["y"], weights
    )
    second = MixedLinearRegressor(spec, fixed=["x"]).fit(
        copies.drop(columns="y"), copies["y"]
    )
    same_fit(first, second)


def test_factor_without_variance():
    """A zero variance is found and told apart from a failure."""
    rng = np.random.default_rng(8)
    frame = pd.DataFrame({"a": np.arange(60) % 6, "b": np.arange(60) // 12})
    y = rng.normal(size=60)
    y -= pd.Series(y).groupby(frame.a).transform("mean").to_numpy()
    model = MixedLinearRegressor(SPECS["two factors"], fixed=[]).fit(frame, y)
    assert model.converged_
    assert model.covariances_["a"]["variance"].iloc[0] < 1e-8


# ------------------------------------------------------------------ the manual


@pytest.mark.parametrize("spec", [[WEEK, ID], [WEEK, RandomEffects("id")]])
def test_example_10(spec):
    model = pig(spec)
    results = model.results_
    assert f"{model.log_likelihood_:.3f}" == "-1013.824"
    assert f"{results.lr_chi2:.2f}" == "474.85"
    assert_allclose(results.wald_chi2, 13258.28, atol=0.06)
    sds = np.sqrt(model.variance_components_["estimate"].to_numpy())
    assert_allclose(sds, [0.2915259, 3.851783, 2.073], rtol=1e-5)
    table = results.variance_table("sd", 0.95)
    assert_allclose(table.std_error, [0.1490187, 0.4058045, 0.0756007], rtol=1e-5)
    assert_allclose(table.ci_lower, [0.107046, 3.133167, 1.929997], rtol=1e-5)
    assert_allclose(table.ci_upper, [0.7939333, 4.73522, 2.226598], rtol=1e-5)
    fixed = model.coef_table()
    assert_allclose(fixed["estimate"], [6.209896, 19.35561], atol=5e-6)
    assert_allclose(fixed["std_error"], [0.0539313, 0.6333982], rtol=4e-6)
    text = str(model.summary())
    assert "_all: Identity" in text
    assert "sd(R.week)" in text
    assert f"{model.aic_:.3f} {model.bic_:.2f}" == "2037.648 2057.99"


def dense(frame, response, fixed, make_terms, parameters):
    """Log likelihood and Wald statistic of all slopes, by the definition."""
    *variances, sigma2 = parameters
    X = np.column_stack([np.ones(len(frame)), frame[fixed]]).astype(float)
    y = frame[response].to_numpy(float)
    found = oracle(X, y, make_terms(*variances), sigma2, reml=False)
    slopes, V = found.beta[1:], found.vcov[1:, 1:]
    return found.log_likelihood, slopes @ np.linalg.solve(V, slopes)


def corners(printed, digit):
    """Everything that would be printed so, at its extremes."""
    ends = [(v - 0.5 * digit, v + 0.5 * digit) for v in printed]
    return np.array(np.meshgrid(*ends)).reshape(len(printed), -1).T


def indicators(frame, name):
    codes, labels = pd.factorize(frame[name], sort=True)
    return np.eye(len(labels))[codes]


def test_example_10_is_printed_short_of_the_maximum():
    """Wald 13258.28 is that of the printed estimates; ours have a higher likelihood."""
    frame = manual_data("pig")
    week, animal = indicators(frame, "week"), indicators(frame, "id")
    one = np.zeros(len(frame), dtype=int)

    def terms(a, b):
        return [(week, one, a * np.eye(9)), (animal, one, b * np.eye(48))]

    def at(sds):
        return dense(frame, "weight", ["week"], terms, np.square(sds))

    model = pig([WEEK, ID])
    sds = np.sqrt(model.variance_components_["estimate"].to_numpy())
    value, wald = at(sds)
    assert_allclose(wald, model.results_.wald_chi2, rtol=1e-9)
    assert f"{wald:.2f}" == "13258.32"
    near = [at(s) for s in corners([0.2915259, 3.851783, 2.073], 1e-7)]
    assert all(value - there[0] > 1e-11 for there in near)
    assert f"{near[0][1]:.2f}" == "13258.28"
    _certify(at, sds, model.results_.variance_table("sd", 0.95).std_error)


def test_example_11_is_printed_short_of_the_maximum():
    frame = manual_data("productivity")
    state = indicators(frame, "state")
    region = pd.factorize(frame["region"], sort=True)[0]

    def terms(v, c):
        return [(state, region, (v - c) * np.eye(48) + c)]

    def at(parameters):
        return dense(frame, "gsp", PUBLIC, terms, parameters)

    model = productivity([STATE])
    table = model.variance_components_
    ours = table["estimate"].to_numpy()
    _, wald = at(ours)
    assert_allclose(wald, model.results_.wald_chi2, rtol=1e-9)
    assert f"{wald:.2f}" == "18829.07"
    near = [at(p)[1] for p in corners([0.0077263, 0.0014506, 0.0013461], 1e-7)]
    assert min(near) < 18829.06 < max(near)
    _certify(at, ours, table["std_error"].to_numpy())


def _certify(at, parameters, errors):
    """The dense likelihood is stationary: what is left of its slope moves nothing."""
    for k, error in enumerate(errors):
        step = np.zeros(len(parameters))
        step[k] = 0.02 * error
        up, down = at(parameters + step)[0], at(parameters - step)[0]
        here = at(parameters)[0]
        slope, bend = up - down, up + down - 2.0 * here
        # the maximum of the parabola through the three points
        assert abs(0.5 * slope / bend * 0.02) < 2e-4
        assert bend < 0


@pytest.mark.parametrize("method", ["ml", "reml"])
def test_equivalent_formulations_of_example_10(method):
    first, second = pig([WEEK, ID], method=method), pig([WEEK, "id"], method=method)
    same_fit(first, second)
    assert_allclose(
        first.random_effects_["id"], second.random_effects_["id"], rtol=1e-6, atol=1e-8
    )
    same_fit(pig([ID], method=method), pig("id", method=method))
    assert list(first.random_effects_["week"].columns) == ["R.week"]
    assert list(second.random_effects_["id"].index[:2]) == [1, 2]


def test_example_11():
    model = productivity([STATE])
    results = model.results_
    assert f"{model.log_likelihood_:.4f}" == "1430.5017"
    assert f"{results.lr_chi2:.2f}" == "1154.73"
    assert_allclose(results.wald_chi2, 18829.06, atol=0.02)
    table = model.variance_components_
    assert list(table.index) == [
        ("region", "var(R.state)"),
        ("region", "cov(R.state)"),
        ("Residual", "var(Residual)"),
    ]
    assert_allclose(table["estimate"], [0.0077263, 0.0014506, 0.0013461], atol=1e-7)
    assert_allclose(table["std_error"], [0.0017926, 0.0012995, 0.0000689], atol=1e-7)
    assert_allclose(table["ci_lower"], [0.0049032, -0.0010963, 0.0012176], atol=1e-7)
    assert_allclose(table["ci_upper"], [0.0121749, 0.0039975, 0.0014882], atol=1e-7)
    text = str(model.summary())
    assert "region: Exchangeable" in text
    assert "corr(R.state)" in text


@pytest.mark.parametrize("method", ["ml", "reml"])
def test_equivalent_formulations_of_example_11(method):
    nested = productivity(["region", "state"], method=method)
    region, state = (RandomEffects("_all", factor=f) for f in ("region", "state"))
    inner = RandomEffects("region", factor="state")
    for spec in ([STATE], ["region", inner], [region, inner], [region, state]):
        model = productivity(spec, method=method)
        same_fit(model, nested, 1e-5)


# ----------------------------------------------------------------------- lme4


def test_penicillin():
    X, y = load_penicillin(return_X_y=True)
    plate, sample = X.columns
    spec = [RandomEffects("_all", factor=plate), RandomEffects("_all", factor=sample)]
    model = MixedLinearRegressor(spec, fixed=[], method="reml").fit(X, y)
    assert_allclose(-2 * model.log_likelihood_, PENICILLIN["reml"][0], rtol=1e-9)
    sds = np.sqrt(model.variance_components_["estimate"])
    assert_allclose(sds, PENICILLIN["reml"][1:], rtol=1e-6)
    model = MixedLinearRegressor(spec, fixed=[]).fit(X, y)
    assert_allclose(-2 * model.log_likelihood_, PENICILLIN["ml"][0], rtol=1e-9)
    sds = np.sqrt(model.variance_components_["estimate"])
    assert_allclose(sds, PENICILLIN["ml"][1:], rtol=1e-6)


INSTEVAL = Path(__file__).parents[2] / "shared" / "bench" / "insteval.csv.gz"
INSTEVAL = Path(os.environ.get("XMIXED_INSTEVAL", INSTEVAL))
# log likelihood, variances, intercept by lme4 1.1-31, its objective minimised by nlminb
# as far as its digits go: 1e-6 in a variance is 4e-10 in 237,784
LARGE = {
    ("reml", 2): (-118891.940194, 0.1062147464184, 0.273734505679, 1.387179651272),
    ("ml", 2): (-118888.86299, 0.106201694534, 0.2734909982829, 1.387180972267),
    ("reml", 3): (-118830.76786, None, None, None, None),
    ("ml", 3): (-118825.891359, None, None, None, None),
}


@pytest.mark.slow
@pytest.mark.skipif(not INSTEVAL.exists(), reason="InstEval is not at hand")
@pytest.mark.parametrize(("method", "n_factors"), LARGE)
def test_insteval(method, n_factors):
    frame = pd.read_csv(INSTEVAL)
    frame["place"] = frame["dept"] * 10 + frame["service"]
    spec = [RandomEffects("_all", factor=f) for f in ("s", "d", "place")[:n_factors]]
    fixed = ["service"] if n_factors == 3 else []
    model = MixedLinearRegressor(spec, fixed=fixed, method=method)
    model.fit(frame.drop(columns="y"), frame["y"])
    assert model.converged_
    value, *variances = LARGE[method, n_factors]
    assert_allclose(model.log_likelihood_, value, rtol=1e-11)
    if variances[0] is not None:
        found = model.variance_components_["estimate"]
        assert_allclose(found, variances, rtol=1.5e-6)


# -------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("spec", "options", "error", "words"),
    [
        (WEEK, {"vce": "robust"}, ValueError, "'_all' is a single one"),
        (STATE, {"vce": "robust"}, ValueError, "at least two clusters"),
        (
            RandomEffects("_all", factor="week", covariance="unstructured"),
            {},
            ValueError,
            "'identity'",
        ),
        (
            RandomEffects("_all", factor="week", intercept=False),
            {},
            ValueError,
            "neither columns nor",
        ),
        (RandomEffects("_all", factor="nowhere"), {}, ValueError, "'nowhere'"),
        (RandomEffects("_all", factor=3), {}, TypeError, "name of a variable"),
    ],
)
def test_refused_with_a_reason(spec, options, error, words):
    frame = pd.DataFrame({"week": [1, 2, 3, 1], "region": 1, "state": 2, "x": 1.0})
    with pytest.raises(error, match=words):
        MixedLinearRegressor(spec, fixed=[], **options).fit(frame, [1.0, 2.0, 3.0, 5.0])


# ------------------------------------------------------------------ exchangeable


def many_levels(negative, seed=0, n_levels=900, n=4000):
    """An exchangeable factor of more levels than any matrix of theirs would be formed."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "x": rng.normal(size=n),
            "g": rng.integers(0, 6, n),
            "h": rng.integers(0, n_levels, n),
            "d": rng.integers(0, 30, n),
        }
    )
    effects = rng.normal(size=(6, n_levels))
    if negative:
        effects -= effects.mean(axis=1, keepdims=True)
    else:
        effects += rng.normal(size=(6, 1))
    frame["y"] = (
        frame.x + effects[frame.g, frame.h] + 0.5 * rng.normal(size=30)[frame.d]
    )
    frame["y"] += rng.normal(size=n)
    return frame


@pytest.mark.parametrize("method", ["ml", "reml"])
def test_large_exchangeable_factor_is_two_independent_terms(method):
    frame = many_levels(negative=False)
    X, y = frame.drop(columns="y"), frame["y"]
    d = RandomEffects("_all", factor="d")
    spec = RandomEffects("g", factor="h", covariance="exchangeable")
    one = MixedLinearRegressor([d, spec], fixed=["x"], method=method).fit(X, y)
    two = MixedLinearRegressor(
        [d, "g", RandomEffects("g", factor="h", name="h")], fixed=["x"], method=method
    ).fit(X, y)
    same_fit(one, two)
    v, c = one.covariances_["g"].to_numpy()[0]
    g = two.covariances_["g"].iloc[0, 0]
    assert_allclose([c, v - c], [g, two.covariances_["h"].iloc[0, 0]], rtol=1e-5)
    mean, std = one.random_effects("g", return_std=True)
    h = two.random_effects_["h"]
    own = two.random_effects_["g"].reindex(h.index.get_level_values(0))
    assert_allclose(
        mean.to_numpy(), h.to_numpy() + own.to_numpy(), rtol=1e-3, atol=1e-5
    )
    assert (std > 0).all().all()


def test_large_exchangeable_factor_with_a_negative_covariance():
    """c is at least -v / (L - 1): at that end group means of the effects are zero."""
    frame = many_levels(negative=True, n_levels=500)
    X, y = frame.drop(columns="y"), frame["y"]
    spec = [
        RandomEffects("_all", factor="d"),
        RandomEffects("g", factor="h", covariance="exchangeable"),
    ]
    model = MixedLinearRegressor(spec, fixed=["x"]).fit(X, y)
    v, c = model.covariances_["g"].to_numpy()[0]
    assert c >= -v / 499 * (1 + 1e-9)
    assert c < 0.01 * v
    independent = MixedLinearRegressor(
        [spec[0], RandomEffects("g", factor="h")], fixed=["x"]
    ).fit(X, y)
    assert model.log_likelihood_ >= independent.log_likelihood_ - 1e-8


def test_exchangeable_iteratively_is_refused_below_zero():
    frame = crossed_data(3, negative=True)
    X, y = frame.drop(columns="y"), frame["y"]
    spec = SPECS["exchangeable"]
    exact = MixedLinearRegressor(spec, fixed=["x"]).fit(X, y)
    assert exact.covariances_["g"]["covariance"].iloc[0] < 0
    with pytest.raises(NotImplementedError, match="negative covariance"):
        MixedLinearRegressor(spec, fixed=["x"], crossed="iterative").fit(X, y)
