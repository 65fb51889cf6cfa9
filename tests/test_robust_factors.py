"""Robust standard errors with factors that cross below the top level.

The witness is the definition: scores of every top-level group by differences of its
log likelihood, from V formed in full.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from sklearn_xmixed import MixedLinearRegressor, RandomEffects
from tests.conftest import differences


def crossed(seed: int, regions: int = 14) -> pd.DataFrame:
    """Rows and columns that cross in every region, cells of the rows below them."""
    rng = np.random.default_rng(seed)
    parts = []
    for region in range(regions):
        k = int(rng.integers(18, 30))
        part = pd.DataFrame(
            {
                "region": region,
                "a": rng.integers(0, 5, k),
                "b": rng.integers(0, 4, k),
                "x": rng.normal(size=k),
            }
        )
        effects_a, effects_b = rng.normal(size=5), 0.8 * rng.normal(size=4)
        part["y"] = 1 + 0.5 * part.x + 0.7 * rng.normal() + rng.normal(size=k)
        part["y"] += effects_a[part.a] + effects_b[part.b]
        part["y"] += part.x * 0.6 * rng.normal()
        parts.append(part)
    frame = pd.concat(parts, ignore_index=True)
    return frame.sample(frac=1.0, random_state=seed).reset_index(drop=True)


A, B = (RandomEffects("region", factor=name, name=name) for name in "ab")
COMMON = RandomEffects("region", factor="a", name="a", covariance="exchangeable")
SLOPE = RandomEffects("region", ["x"], covariance="unstructured")
MODELS = {
    "one factor": [A],
    "crossed": [A, B],
    "with an intercept": [A, B, RandomEffects("region")],
    "with a slope": [B, SLOPE],
    "exchangeable": [COMMON, B],
    "with a level below": [A, RandomEffects("b")],
}


def fit(frame, spec, weights=None, **options):
    model = MixedLinearRegressor(spec, fixed=["x"], **options)
    return model.fit(frame.drop(columns="y"), frame["y"], weights)


def kernels(frame, name):
    """V as a function of (alpha, log sigma), for each model."""
    same = {
        key: (frame[cols].to_numpy()[:, None] == frame[cols].to_numpy()[None]).all(-1)
        for key, cols in {
            "region": ["region"],
            "a": ["region", "a"],
            "b": ["region", "b"],
        }.items()
    }
    x = frame.x.to_numpy()
    one = np.eye(len(frame))

    def V(at):
        v, sigma2 = np.exp(2 * at), np.exp(2 * at[-1])
        if name == "exchangeable":
            c = np.tanh(at[1]) * v[0]
            out = (v[0] - c) * same["a"] + c * same["region"] + v[2] * same["b"]
        elif name == "with a slope":
            r = np.tanh(at[3]) * np.exp(at[1] + at[2])
            slope = v[1] * np.outer(x, x) + v[2] + r * (x[:, None] + x)
            out = v[0] * same["b"] + same["region"] * slope
        else:
            order = {
                "one factor": ["a"],
                "crossed": ["a", "b"],
                "with an intercept": ["a", "b", "region"],
                "with a level below": ["a", "b"],
            }[name]
            out = sum(k * same[key] for k, key in zip(v, order, strict=False))
        return out + sigma2 * one

    return V


def dense_scores(frame, name, results, weight=None):
    V = kernels(frame, name)
    X = np.column_stack([frame.x, np.ones(len(frame))])
    y = frame.y.to_numpy()
    rows = [np.flatnonzero(frame.region == g) for g in range(frame.region.max() + 1)]

    def by_region(theta):
        whole = V(theta[2:])
        out = []
        for at in rows:
            V_g, r = whole[np.ix_(at, at)], y[at] - X[at] @ theta[:2]
            log_det = np.linalg.slogdet(V_g)[1]
            out.append(-0.5 * (log_det + r @ np.linalg.solve(V_g, r)))
        return np.array(out)

    theta = np.concatenate([results.beta, results.alpha])
    total = by_region(theta).sum() - 0.5 * len(y) * np.log(2 * np.pi)
    assert_allclose(total, results.log_likelihood, rtol=1e-9)
    return differences(by_region, theta, step=3e-4)


@pytest.mark.parametrize("name", MODELS)
def test_sandwich_is_that_of_the_definition(name):
    frame = crossed(1)
    robust = fit(frame, MODELS[name], vce="robust").results_
    plain = fit(frame, MODELS[name]).results_
    assert robust.n_clusters == 14
    scores = dense_scores(frame, name, robust)
    total = np.abs(scores.sum(axis=0)) / np.sqrt((scores**2).sum(axis=0))
    assert total.max() < 1e-4
    meat = 14 / 13 * scores.T @ scores
    for key, part in (("beta_vcov", slice(0, 2)), ("alpha_vcov", slice(2, None))):
        bread = getattr(plain, key)
        expected = bread @ meat[part, part] @ bread
        size = np.sqrt(np.diagonal(expected))
        scale = np.outer(size, size)
        found = getattr(robust, key)
        assert_allclose(found / scale, expected / scale, atol=1e-5, err_msg=key)


def test_one_factor_is_a_level_below():
    frame = crossed(2)
    top = RandomEffects("region", intercept=False)
    for options in ({"vce": "robust"}, {"weight_type": "sampling"}):
        w = np.random.default_rng(0).uniform(0.5, 2.0, len(frame))
        a = fit(frame, A, w, **options).results_
        b = fit(frame, [top, "a"], w, **options).results_
        assert a.n_clusters == b.n_clusters == 14
        assert_allclose(a.log_likelihood, b.log_likelihood, rtol=1e-10)
        assert_allclose(a.beta_vcov, b.beta_vcov, rtol=1e-6)
        assert_allclose(a.alpha_vcov, b.alpha_vcov, rtol=1e-5)


@pytest.mark.parametrize("name", ["crossed", "exchangeable", "with a slope"])
def test_frequency_weights_of_rows_are_copies(name):
    frame = crossed(3)
    w = np.random.default_rng(1).integers(0, 4, len(frame))
    copies = frame.loc[frame.index.repeat(w)]
    a = fit(frame, MODELS[name], w, vce="robust").results_
    b = fit(copies, MODELS[name], vce="robust").results_
    assert (a.n_obs, a.n_clusters) == (b.n_obs, b.n_clusters)
    assert_allclose(a.log_likelihood, b.log_likelihood, rtol=1e-10)
    assert_allclose(a.beta_vcov, b.beta_vcov, rtol=1e-5)
    assert_allclose(a.alpha_vcov, b.alpha_vcov, rtol=1e-4, atol=1e-7)


def test_clusters_above_the_top_level():
    frame = crossed(4)
    frame["pair"] = frame.region // 2
    a = fit(frame, [A, B], vce="cluster", cluster="pair").results_
    plain = fit(frame, [A, B]).results_
    scores = dense_scores(frame, "crossed", a)
    scores = scores.reshape(7, 2, -1).sum(axis=1)
    meat = 7 / 6 * scores.T @ scores
    expected = plain.beta_vcov @ meat[:2, :2] @ plain.beta_vcov
    assert a.n_clusters == 7
    assert_allclose(a.beta_vcov, expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("spec", "options", "kind", "message"),
    [
        (
            RandomEffects("_all", factor="a"),
            {"vce": "robust"},
            ValueError,
            "'_all' is a single one",
        ),
        (
            [RandomEffects("_all", factor="a"), "region"],
            {"vce": "cluster", "cluster": "region"},
            ValueError,
            "'_all' is a single one",
        ),
        (
            RandomEffects("_all", factor="a"),
            {"weight_type": "sampling"},
            ValueError,
            "'_all' is a single one",
        ),
        (
            A,
            {"weight_type": "sampling", "weight_scaling": "size"},
            ValueError,
            "one level of groups",
        ),
        (
            [A, RandomEffects("region", weight="one")],
            {},
            NotImplementedError,
            "sample_weight",
        ),
    ],
)
def test_refused_with_a_reason(spec, options, kind, message):
    frame = crossed(5).assign(one=1.0)
    with pytest.raises(kind, match=message):
        fit(frame, spec, **options)
