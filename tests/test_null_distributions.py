"""Null distributions of likelihood-ratio tests of variances.

Witnesses: RLRsim (``rlrsim.json``), solid angles, fits one by one.
"""

import json
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import chi2

from sklearn_xmixed import MixedLinearRegressor, RandomEffects, Residuals, lrtest
from sklearn_xmixed.covariance import get_structure
from sklearn_xmixed.datasets import load_pastes, load_sleepstudy
from sklearn_xmixed.inference import Cone, chi_bar_square
from sklearn_xmixed.resampling import _likelihoods
from sklearn_xmixed.resampling._pair import Pair
from tests.conftest import slow

STORED = json.loads((Path(__file__).parent / "reference" / "rlrsim.json").read_text())
SLOPE = RandomEffects("g", ["x"], intercept=False)
BOTH = RandomEffects("g", ["x"])
#: larger and smaller random part, fixed part of the smaller, method
PAIRS = {
    "lrt": ("g", None, ["x"], "ml"),
    "lrt_with_slope": ("g", None, [], "ml"),
    "rlrt": ("g", None, ["x"], "reml"),
    "rlrt_slope": (SLOPE, None, ["x"], "reml"),
    "rlrt_besides": (BOTH, "g", ["x"], "reml"),
}
N = 20_000


@cache
def pair(case, kind):
    X = pd.DataFrame(STORED["cases"][case]["data"])
    y = X.pop("y")
    larger, smaller, fixed, method = PAIRS[kind]
    return (
        MixedLinearRegressor(larger, fixed=["x"], method=method).fit(X, y),
        MixedLinearRegressor(smaller, fixed=fixed, method=method).fit(X, y),
        X,
        y,
    )


@pytest.mark.daily
@pytest.mark.parametrize("kind", PAIRS)
@pytest.mark.parametrize("case", STORED["cases"])
def test_exact_agrees_with_rlrsim(case, kind):
    theirs = STORED["cases"][case][kind]
    test = lrtest(*pair(case, kind), method="exact", n_resamples=N)
    assert (test.kind, test.n_resamples) == ("exact", N)
    assert test.chi2 == pytest.approx(theirs["statistic"], rel=1e-6, abs=1e-6)
    if test.chi2 < 1e-9:  # RLRsim counts what is greater than zero
        assert test.p_value == 1.0
        return
    p = theirs["p_value"]
    error = np.sqrt(p * (1 - p) * (1 / N + 1 / STORED["n_draws"])) + 1 / N
    assert abs(test.p_value - p) < 4 * error
    assert ("count as known" in test.note) == (kind == "rlrt_besides")
    assert "boundary" not in test.note


@pytest.mark.parametrize("kind", [slow("lrt"), "rlrt", "lrt_with_slope"])
def test_bootstrap_agrees_with_exact(kind):
    found = {
        method: lrtest(*pair("middle", kind), method=method, n_resamples=4000)
        for method in ("exact", "bootstrap")
    }
    assert found["bootstrap"].kind == "bootstrap"
    p = found["exact"].p_value
    difference = abs(found["bootstrap"].p_value - p)
    assert difference < 4 * np.sqrt(2 * p * (1 - p) / 4000) + 1 / 4000


@cache
def shuffled():
    X, y = load_sleepstudy(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(y))
    return X.iloc[order].reset_index(drop=True), y.iloc[order].reset_index(drop=True)


def sleep(effects, **parameters):
    specs = {
        "none": None,
        "constant": "subject",
        "independent": RandomEffects("subject", ["days"]),
        "identity": RandomEffects("subject", ["days"], covariance="identity"),
        "unstructured": RandomEffects("subject", ["days"], covariance="unstructured"),
        "blocks": [RandomEffects("subject", ["days"], intercept=False), "subject"],
    }
    model = MixedLinearRegressor(specs[effects], fixed=["days"], **parameters)
    return model.fit(*shuffled())


@pytest.mark.daily
@pytest.mark.parametrize("method", ["ml", "reml"])
@pytest.mark.parametrize(
    ("larger", "smaller"), [("independent", "constant"), ("unstructured", "none")]
)
def test_fits_together_and_one_by_one(monkeypatch, larger, smaller, method):
    """Rows in no order, so that a response in another order would be seen."""
    models = sleep(larger, method=method), sleep(smaller, method=method)
    both = Pair.of(*models, *shuffled(), None, None)
    seeds = np.random.SeedSequence(1).spawn(12)
    together, failed = _likelihoods.bootstrap_statistics(both, seeds, None)
    assert not any(failed)
    monkeypatch.setattr(_likelihoods, "why_not", lambda *_: "for the test")
    alone, failed = _likelihoods.bootstrap_statistics(both, seeds, None)
    assert not any(failed)
    assert together == pytest.approx(alone, abs=1e-5)
    assert together.max() < 40 < lrtest(*models).chi2


def test_bootstrap_of_three_levels_and_of_residual_structures():
    X, y = load_pastes(return_X_y=True)
    large = MixedLinearRegressor(["batch", "cask"], fixed=[]).fit(X, y)
    small = MixedLinearRegressor(["batch"], fixed=[]).fit(X, y)
    test = lrtest(large, small, X, y, method="bootstrap", n_resamples=99)
    assert (test.p_value, test.df, test.n_resamples) == (0.01, 1, 99)
    assert str(test) == f"LR (bootstrap) = {test.chi2:.2f}   Prob >= LR = 0.0100"
    ar = sleep("constant", residuals=Residuals("ar", time="days"))
    test = lrtest(ar, sleep("constant"), *shuffled(), method="bootstrap", n_resamples=9)
    assert test.p_value == 0.1
    with pytest.raises(ValueError, match="the residuals have a structure"):
        lrtest(ar, sleep("none"), *shuffled(), method="exact")


# ------------------------------------------------------------------------ chi-bar


def test_weights_of_two_variances():
    A = np.array([[2.0, 0.7], [0.7, 1.0]])
    V = np.linalg.inv(A)
    angle = np.arccos(-V[0, 1] / np.sqrt(V[0, 0] * V[1, 1])) / (2 * np.pi)
    cone = Cone((get_structure("independent", 2),), A)
    # the projections have a positive angle's share of the plane
    p, weights = chi_bar_square(3.0, cone, 0, 40_000, np.random.default_rng(0))
    expected = np.array([angle, 0.5, 0.5 - angle])[::-1]
    assert sorted(weights) == pytest.approx(sorted(expected), abs=0.01)
    assert weights[1] == pytest.approx(0.5, abs=1e-6)
    mixture = sum(w * chi2.sf(3.0, j) for j, w in enumerate(weights) if j)
    assert p == pytest.approx(mixture, abs=5e-3)


def test_weights_of_a_covariance_matrix_are_those_of_a_circular_cone():
    # 2 x 2 matrices in Frobenius' norm: a cone in space with half angle 45 degrees
    cone = Cone((get_structure("unstructured", 2),), np.diag([1.0, 1.0, 2.0]))
    _, weights = chi_bar_square(1.0, cone, 0, 40_000, np.random.default_rng(0))
    angle = (1 - np.cos(np.pi / 4)) / 2
    assert weights == pytest.approx([angle, 0.5 - angle, 0.5 - angle, angle], abs=0.01)


def test_free_parameters_raise_the_degrees():
    cone = Cone((get_structure("independent", 2),), np.eye(2))
    _, weights = chi_bar_square(1.0, cone, 2, 20_000, np.random.default_rng(0))
    assert weights == pytest.approx([0, 0, 0.25, 0.5, 0.25], abs=0.02)


@pytest.mark.parametrize("method", ["ml", "reml"])
def test_one_variance_and_its_covariance_need_no_simulation(method):
    models = sleep("unstructured", method=method), sleep("constant", method=method)
    test = lrtest(*models, *shuffled())
    assert (test.kind, test.weights) == ("chibar2", (0.0, 0.5, 0.5))
    assert (test.note, test.n_resamples) == ("", 0)
    mixture = 0.5 * chi2.sf(test.chi2, 1) + 0.5 * chi2.sf(test.chi2, 2)
    assert test.p_value == pytest.approx(mixture, rel=1e-10)


def test_several_variances():
    tests = [
        lrtest(sleep(effects), sleep("none"), *shuffled(), n_resamples=2000)
        for effects in ("independent", "blocks")  # the same model
    ]
    assert tests[0].weights == pytest.approx(tests[1].weights, abs=1e-9)
    assert tests[0].weights[1] == pytest.approx(0.5, abs=1e-6)
    assert str(tests[0]).startswith("LR chibar2 = 148.29   Prob >= chibar2 = 0.0000")
    assert lrtest(sleep("none"), sleep("independent"), *shuffled()).df == 2


@pytest.mark.parametrize(
    ("larger", "smaller", "kind"),
    [
        ("constant", "none", "chibar2(01)"),
        ("independent", "identity", "chi2"),  # equal variances
        ("unstructured", "independent", "chi2"),  # a covariance
    ],
)
def test_the_rest_is_as_without_the_data(larger, smaller, kind):
    models = sleep(larger), sleep(smaller)
    assert lrtest(*models, *shuffled()) == lrtest(*models)
    assert lrtest(*models).kind == kind


@pytest.mark.slow
def test_size_of_the_mixture():
    """Responses without random effects: the mixture rejects as often as it says.

    Many groups, since the mass at zero comes near its limit but slowly.
    """
    rng = np.random.default_rng(5)
    n = 6000
    X = pd.DataFrame({"g": np.repeat(np.arange(1000), 6), "x": rng.normal(size=n)})
    models = [
        MixedLinearRegressor(effects, fixed=["x"], method="reml")
        for effects in (BOTH, None)
    ]
    p = []
    for _ in range(300):
        y = rng.normal(size=n)
        fits = [model.fit(X, y) for model in models]
        p.append(lrtest(*fits, X, y, n_resamples=1000).p_value)
    for size in (0.05, 0.2):  # four standard errors
        error = 4 * np.sqrt(size * (1 - size) / len(p))
        assert abs(np.mean(np.array(p) < size) - size) < error


# ------------------------------------------------------------------------ refusals


def test_refusals():
    models = sleep("independent"), sleep("constant")
    with pytest.raises(ValueError, match=r"needs the data, X and y"):
        lrtest(*models, method="exact")
    with pytest.raises(ValueError, match=r"method must be one of .* got 'wald'"):
        lrtest(*models, *shuffled(), method="wald")
    with pytest.raises(ValueError, match="n_resamples must be an integer"):
        lrtest(*models, *shuffled(), n_resamples=0)
    with pytest.raises(
        ValueError, match=r"smaller model has random.*method='bootstrap'"
    ):
        lrtest(*models, *shuffled(), method="exact")
    with pytest.raises(ValueError, match="more than one variance"):
        lrtest(sleep("unstructured"), sleep("none"), *shuffled(), method="exact")
    with pytest.raises(TypeError, match="must be a fitted estimator, got Results"):
        lrtest(models[0].results_, models[1], *shuffled())
    X, y = shuffled()
    with pytest.raises(ValueError, match=r"are not the data that the larger model"):
        lrtest(*models, X, y[::-1].to_numpy(), method="bootstrap")
