"""Robust standard errors and weights of groups with structured residuals.

The witness is the definition: scores of every cluster by differences of its
log likelihood, from V formed in full; and, for weights, copies of whole clusters.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from sklearn_xmixed import MixedLinearRegressor, RandomEffects, Residuals
from sklearn_xmixed.estimation._estimate import Estimate
from sklearn_xmixed.inference.robust._sandwich import parameter_scores
from sklearn_xmixed.likelihood.structured._kind import Structured
from sklearn_xmixed.optimization import Certificate
from tests.conftest import differences, slow
from tests.test_residuals import (
    EFFECTS,
    SPECS,
    data,
    dense_lambda,
    engine,
    in_turn,
    random_terms,
    residuals_of,
    some_theta,
)

ALL = [
    (name, effects, by)
    for name in SPECS
    for effects in EFFECTS
    for by in (None, "b")
    if (name, by) != ("independent", None)
]
#: models that the data below determine well
FITS = [
    ("independent", "three", "b"),
    ("exchangeable", "none", None),
    ("exchangeable", "above", "b"),
    ("ar", "intercept", None),
    ("ar", "none", "b"),
    ("ar", "three", None),
    ("ar2", "none", None),
    ("ma", "above", None),
    ("ma2", "none", None),
    ("unstructured", "none", None),
    ("banded", "none", "b"),
    ("toeplitz", "none", "b"),
    ("exponential", "above", None),
]
EVERYDAY = {*FITS[:1], *FITS[4:6], *FITS[9:10], *FITS[12:]}


def correlated(seed: int, groups: int = 60) -> pd.DataFrame:
    """Data with variance at every level and errors that are correlated in time."""
    rng = np.random.default_rng(seed)
    frame = data(seed + 1, groups=groups)
    e = rng.normal(size=(groups, 7))
    e[:, 1:] += 0.6 * e[:, :-1]
    frame["y"] += 1.5 * e[frame.g, frame.t] + rng.normal(size=groups // 3)[frame.h]
    frame["y"] += frame.x1 * rng.normal(size=groups)[frame.g]
    frame["y"] *= np.where(frame.b == "a", 1.0, 1.4)
    return frame


def fit(frame, effects, residuals, weights=None, **options):
    model = MixedLinearRegressor(
        effects, fixed=["x0", "x1"], residuals=residuals, **options
    )
    return model.fit(frame.drop(columns="y"), frame.y, weights)


def dense_by_cluster(frame, design, residual, clusters):
    """Log likelihood of each cluster at (beta, alpha, psi, log sigma)."""
    X = np.column_stack([np.ones(len(frame)), frame[["x0", "x1"]]])
    y, p = frame.y.to_numpy(), X.shape[1]
    m = sum(e.structure.n_params for e in design.equations)

    def by_cluster(x):
        V = np.exp(2.0 * x[-1]) * dense_lambda(residual, design.residual, x[p + m : -1])
        for Z, group, Sigma in random_terms(frame, design, x[p:]):
            V = V + (group[:, None] == group) * (Z @ Sigma @ Z.T)
        out = []
        for k in range(int(clusters.max()) + 1):
            rows = np.flatnonzero(clusters == k)
            V_k, r = V[np.ix_(rows, rows)], y[rows] - X[rows] @ x[:p]
            log_det = np.linalg.slogdet(V_k)[1]
            out.append(-0.5 * (log_det + r @ np.linalg.solve(V_k, r)))
        return np.array(out)

    return by_cluster


def dense_scores(frame, objective, beta, alpha, psi, log_sigma, clusters):
    """Scores in beta and the reported variance parameters, by differences."""
    residual = objective.residual
    f = dense_by_cluster(frame, objective.rows.design, residual, clusters)
    x = np.concatenate([beta, alpha, psi, [log_sigma]])
    scores = differences(f, x, step=3e-4)
    J = residual.jacobian(log_sigma, psi)
    own = scores[:, -len(J.T) :] @ np.linalg.pinv(J)
    p = len(beta)
    return scores[:, :p], np.concatenate([scores[:, p : p + len(alpha)], own], axis=1)


@pytest.mark.parametrize(
    ("name", "effects", "by"),
    [c if in_turn(*c) and "_" not in c[0] else slow(*c) for c in ALL],
)
def test_scores_are_those_of_the_definition(name, effects, by):
    """At any parameters, by clusters that hold several top-level groups."""
    frame = data(11, groups=18)
    objective = engine(frame, EFFECTS[effects], residuals_of(name, by))
    rows, model = objective.rows, objective.model
    theta = some_theta(objective, 3)
    psi = theta[model.n_params :]
    D_blocks = model.split(theta[: model.n_params])
    tree, _ = rows.tree(psi)
    pieces = objective.pieces(D_blocks)
    sigma2 = 1.3
    kind = Structured(rows.design, rows.pool, rows, tree, model, reml=objective.reml)
    kind.objective.settle(theta)
    found = Estimate.of(kind, D_blocks, pieces, [], Certificate(converged=True))
    found = replace(found, sigma2=sigma2)
    clusters = (frame.h // 2).to_numpy()
    n_own = len(objective.residual.estimates(0.0, psi))
    free = np.ones(model.n_params + n_own, dtype=bool)
    beta, alpha = parameter_scores(found, clusters, free)
    beta = beta @ rows.pool.R  # beta = R^-1 beta_Q
    at = [
        b.structure.to_natural(S)
        for b, S in zip(model.blocks, found.Sigmas, strict=True)
    ]
    expected = dense_scores(
        frame,
        objective,
        rows.pool.coefficients(pieces.root.beta),
        np.concatenate([*at, []]),
        psi,
        0.5 * np.log(sigma2),
        clusters,
    )
    for ours, theirs in zip((beta, alpha), expected, strict=True):
        assert_allclose(ours, theirs, rtol=1e-6, atol=1e-7 * np.abs(theirs).max())


def dense_sandwich(frame, effects, residuals, model, clusters):
    """M / (M - 1) H^-1 sum s s' H^-1, in two blocks, with numerical scores."""
    objective = engine(frame, effects, residuals)
    psi, results = model._fitted.errors.psi, model.results_
    m = objective.model.n_params
    beta, alpha = dense_scores(
        frame,
        objective,
        np.roll(results.beta, 1),
        results.alpha[:m],
        psi,
        np.log(model.sigma_),
        clusters,
    )
    scores = np.concatenate([np.roll(beta, -1, axis=1), alpha], axis=1)
    M, p = len(scores), beta.shape[1]
    plain = fit(frame, effects, residuals).results_
    meat = M / (M - 1) * scores.T @ scores
    return (
        plain.beta_vcov @ meat[:p, :p] @ plain.beta_vcov,
        plain.alpha_vcov @ meat[p:, p:] @ plain.alpha_vcov,
        scores,
    )


@pytest.mark.parametrize(
    ("name", "effects", "by"), [c if c in EVERYDAY else slow(*c) for c in FITS]
)
def test_sandwich_is_that_of_the_definition(name, effects, by):
    frame = correlated(11)
    spec, equations = residuals_of(name, by), EFFECTS[effects]
    model = fit(frame, equations, spec, vce="robust")
    top = "h" if effects in ("three", "above") else "g"
    clusters = frame[top].to_numpy()
    beta, alpha, scores = dense_sandwich(frame, equations, spec, model, clusters)
    results = model.results_
    assert results.n_clusters == clusters.max() + 1
    # zero at the optimum, in units of their own size
    total = np.abs(scores.sum(axis=0)) / np.sqrt((scores**2).sum(axis=0))
    assert total.max() < 1e-5
    for ours, theirs in ((results.beta_vcov, beta), (results.alpha_vcov, alpha)):
        size = np.sqrt(np.diagonal(theirs))
        scale = np.outer(size, size)
        assert_allclose(ours / scale, theirs / scale, atol=1e-6)


@pytest.mark.parametrize("name", ["ar", "unstructured"])
def test_clusters_above_the_groups(name):
    frame = correlated(12)
    spec = residuals_of(name)
    for effects in ("none", "intercept")[: 2 - (name != "ar")]:
        model = fit(frame, EFFECTS[effects], spec, vce="cluster", cluster="h")
        clusters = frame.h.to_numpy()
        beta, alpha, _ = dense_sandwich(frame, EFFECTS[effects], spec, model, clusters)
        assert model.results_.n_clusters == 20
        assert_allclose(model.results_.beta_vcov, beta, rtol=1e-6, atol=1e-9)
        assert_allclose(model.results_.alpha_vcov, alpha, rtol=1e-5, atol=1e-7)


def copies(frame, weight):
    """Whole groups repeated, each copy a group of its own."""
    parts = [
        frame[weight > k].assign(g=lambda f, k=k: f.g + 1000 * k)
        for k in range(int(weight.max()))
    ]
    return pd.concat(parts, ignore_index=True)


@pytest.mark.daily
@pytest.mark.parametrize("vce", ["oim", "robust"])
@pytest.mark.parametrize(
    ("name", "effects", "by"),
    [
        c if c in (("ar", "intercept", None), ("banded", "none", "b")) else slow(*c)
        for c in FITS
        if c[1] in ("none", "intercept")
    ],
)
def test_frequency_weights_of_groups_are_copies(name, effects, by, vce):
    frame = correlated(13).drop(columns="h")
    weight = 1 + frame.g % 3
    spec = residuals_of(name, by)
    (plain,) = EFFECTS[effects]
    weighted = RandomEffects("g", intercept=plain.intercept, weight="w")
    a = fit(frame.assign(w=weight), weighted, spec, vce=vce).results_
    b = fit(copies(frame, weight), plain, spec, vce=vce).results_
    assert_allclose(a.log_likelihood, b.log_likelihood, rtol=1e-10)
    for key in ("beta", "beta_vcov", "alpha", "alpha_vcov"):
        left, right = getattr(a, key), getattr(b, key)
        size = np.abs(right).max()
        assert_allclose(left / size, right / size, atol=2e-6, err_msg=key)
    assert (a.n_obs, a.n_clusters) == pytest.approx(
        (b.n_obs, b.n_clusters), nan_ok=True
    )
    assert a.groups == b.groups


@pytest.mark.parametrize("name", ["ar", "ma", "exponential"])
def test_sampling_weights_of_clusters_are_copies_in_one_cluster(name):
    """Estimates those of the copies; their scores add up in the cluster."""
    frame = correlated(14)
    weight = 1 + frame.h % 3
    spec = residuals_of(name)
    equations = [RandomEffects("h", weight="w"), RandomEffects("g")]
    a = fit(frame.assign(w=weight), equations, spec, weight_type="sampling").results_
    parts = [
        frame[weight > k].assign(
            h=lambda f, k=k: f.h + 1000 * k, cluster=lambda f: f.h % 1000
        )
        for k in range(3)
    ]
    parts = [p.assign(cluster=p.h % 1000) for p in parts]
    repeated = pd.concat(parts, ignore_index=True)
    b = fit(repeated, ["h", "g"], spec, vce="cluster", cluster="cluster").results_
    assert a.vce == "robust"
    assert a.n_clusters == b.n_clusters == 20
    assert_allclose(a.log_likelihood, b.log_likelihood, rtol=1e-10)
    for key in ("beta", "beta_vcov", "alpha", "alpha_vcov"):
        left, right = getattr(a, key), getattr(b, key)
        size = np.abs(right).max()
        assert_allclose(left / size, right / size, atol=2e-6, err_msg=key)


@pytest.mark.parametrize("vce", ["oim", "robust"])
def test_row_weights_with_a_variance_per_category(vce):
    frame = correlated(15)
    weight = (1 + frame.index % 3).to_numpy()
    repeated = frame.loc[frame.index.repeat(weight)].reset_index(drop=True)
    frame["half"] = np.where(frame.index % 2, "even", "odd")
    repeated["half"] = frame["half"].to_numpy()[np.repeat(frame.index, weight)]
    spec = Residuals(by="half")
    for effects in (EFFECTS["intercept"], EFFECTS["three"]):
        a = fit(frame, effects, spec, weight, vce=vce).results_
        b = fit(repeated, effects, spec, vce=vce).results_
        assert_allclose(a.log_likelihood, b.log_likelihood, rtol=1e-10)
        assert_allclose(a.beta_vcov, b.beta_vcov, rtol=1e-5)
        assert_allclose(a.alpha, b.alpha, atol=1e-6)
        assert_allclose(a.alpha_vcov, b.alpha_vcov, rtol=1e-4, atol=1e-7)


def test_without_groups_rows_are_the_clusters():
    frame = correlated(16)
    spec = Residuals(by="b")
    weight = (1 + frame.index % 3).to_numpy()
    a = fit(frame, None, spec, weight, vce="robust").results_
    repeated = frame.loc[frame.index.repeat(weight)].reset_index(drop=True)
    b = fit(repeated, None, spec, vce="robust").results_
    assert a.n_clusters == b.n_clusters == weight.sum()
    assert_allclose(a.beta_vcov, b.beta_vcov, rtol=1e-7)
    assert_allclose(a.alpha_vcov, b.alpha_vcov, rtol=1e-6)
    # the scores of log sd are (r / sd)^2 - 1
    a, plain = (fit(frame, None, spec, vce=v) for v in ("robust", "oim"))
    sd = np.exp(a.results_.alpha)[(frame.b == "b").astype(int)]
    z = (frame.y - a.predict(frame.drop(columns="y"))) / sd
    scores = (z**2 - 1).to_numpy()[:, None] * pd.get_dummies(frame.b).to_numpy()
    bread, n = plain.results_.alpha_vcov, len(frame)
    expected = n / (n - 1) * bread @ scores.T @ scores @ bread
    assert_allclose(a.results_.alpha_vcov, expected, rtol=1e-6, atol=1e-12)


def test_row_weights_and_correlated_residuals_say_why():
    frame = correlated(17)
    w = np.ones(len(frame))
    for kind in ("frequency", "sampling"):
        with pytest.raises(ValueError, match="correlated within their group"):
            fit(frame, "g", Residuals("ar", time="t"), w, weight_type=kind)


def test_levels_without_effects_hand_their_weights_down():
    """Their parts are independent: a copy of the group is a copy of its parts."""
    frame = correlated(18)
    frame["w"] = 1.0 + frame.h % 2
    down = [RandomEffects("h", intercept=False, weight="w"), RandomEffects("g")]
    own = RandomEffects("g", weight="w")
    a = fit(frame, down, None).results_
    b = fit(frame, own, None).results_
    assert_allclose(a.log_likelihood, b.log_likelihood, rtol=1e-12)
    assert_allclose(a.alpha_vcov, b.alpha_vcov, rtol=1e-8)
    # at the middle of three, and at the bottom
    frame["v"] = 1.0 + frame.g % 3
    middle = [RandomEffects("h"), RandomEffects("g", intercept=False, weight="v")]
    a = fit(frame, middle, None, vce="robust").results_
    b = fit(frame, "h", None, frame.v.to_numpy(), vce="robust").results_
    assert_allclose(a.log_likelihood, b.log_likelihood, rtol=1e-12)
    assert_allclose(a.alpha_vcov, b.alpha_vcov, rtol=1e-8)


def test_a_top_level_without_effects_is_the_cluster():
    """As if it were named by vce="cluster"."""
    frame = correlated(19)
    empty = RandomEffects("h", intercept=False)
    a = fit(frame, [empty, "g"], None, vce="robust").results_
    b = fit(frame, "g", None, vce="cluster", cluster="h").results_
    assert a.n_clusters == b.n_clusters == 20
    assert_allclose(a.beta_vcov, b.beta_vcov, rtol=1e-9)
    assert_allclose(a.alpha_vcov, b.alpha_vcov, rtol=1e-9)
    linear = fit(frame, empty, None, vce="robust").results_
    again = fit(frame, None, None, vce="cluster", cluster="h").results_
    assert_allclose(linear.beta_vcov, again.beta_vcov, rtol=1e-9)


@pytest.mark.daily
@pytest.mark.parametrize("vce", ["oim", "robust"])
@pytest.mark.parametrize(
    "name", ["ar2", "independent", slow("ma"), slow("exponential")]
)
def test_weights_at_two_levels_are_copies(name, vce):
    """Groups in copied groups, with and without effects on the lower level.

    Toeplitz is left out: with few groups that have all six times the likelihood grows
    without bound towards singular matrices.
    """
    frame = correlated(20)
    frame["wh"] = 1.0 + frame.h % 2
    frame["wg"] = 1.0 + frame.g % 3
    parts = [
        frame[(frame.wh > i) & (frame.wg > j)].assign(
            h=lambda f, i=i: f.h + 1000 * i, g=lambda f, j=j: f.g + 1000 * j
        )
        for i in range(2)
        for j in range(3)
    ]
    whole = pd.concat(parts, ignore_index=True)
    spec = residuals_of(name, "b")
    for intercept in (True, False):
        upper, lower = {"intercept": intercept}, {"intercept": not intercept}
        weighted = [
            RandomEffects("h", weight="wh", **upper),
            RandomEffects("g", weight="wg", **lower),
        ]
        plain = [RandomEffects("h", **upper), RandomEffects("g", **lower)]
        a = fit(frame, weighted, spec, vce=vce).results_
        b = fit(whole, plain, spec, vce=vce).results_
        assert a.groups == b.groups
        assert a.n_obs == b.n_obs
        assert_allclose(a.log_likelihood, b.log_likelihood, rtol=1e-10)
        for key in ("beta", "beta_vcov", "alpha", "alpha_vcov"):
            left, right = getattr(a, key), getattr(b, key)
            size = np.abs(right).max()
            assert_allclose(left / size, right / size, atol=5e-6, err_msg=key)
