"""Crossed effects by products alone: against the exact way, and its own error bars."""

from __future__ import annotations

import json
import pickle

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_xmixed import MixedLinearRegressor, RandomEffects, _regressor
from sklearn_xmixed.inference import Results
from sklearn_xmixed.likelihood import Iterative, IterativeObjective, Probes
from sklearn_xmixed.likelihood.crossed import _blocks, _plan
from sklearn_xmixed.likelihood.crossed._krylov import conjugate_gradients, quadrature
from tests.conftest import slow

UNSTRUCTURED = "unstructured"
TWO = [RandomEffects("_all", factor="s"), RandomEffects("_all", factor="d")]
SPECS = {
    "two factors": TWO,
    "three factors": [*TWO, RandomEffects("_all", factor="k")],
    "slopes of the larger": [
        RandomEffects("_all", ["x"], factor="s", covariance=UNSTRUCTURED),
        RandomEffects("_all", factor="d"),
    ],
    "slopes of the smaller": [
        RandomEffects("_all", factor="s"),
        RandomEffects("_all", ["x"], factor="d", covariance=UNSTRUCTURED),
    ],
    "both": [
        RandomEffects("_all", ["x"], factor="s", covariance=UNSTRUCTURED),
        RandomEffects("_all", ["x"], factor="d"),
    ],
    "factor over a level": [
        RandomEffects("_all", factor="d"),
        RandomEffects("s", ["x"]),
    ],
}


def ratings(seed=0, students=150, teachers=40, n=1500):
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "x": rng.normal(size=n),
            "s": rng.integers(0, students, n),
            "d": rng.integers(0, teachers, n),
            "k": rng.integers(0, 12, n),
        }
    )
    frame["y"] = (
        1.0
        + 0.5 * frame.x
        + 0.8 * rng.normal(size=students)[frame.s]
        + 0.5 * rng.normal(size=students)[frame.s] * frame.x
        + 0.5 * rng.normal(size=teachers)[frame.d]
        + 0.4 * rng.normal(size=teachers)[frame.d] * frame.x
        + 0.3 * rng.normal(size=12)[frame.k]
        + rng.normal(size=n)
    )
    return frame


def fit(frame, spec=TWO, **options):
    model = MixedLinearRegressor(spec, fixed=["x"], method="reml", **options)
    return model.fit(frame.drop(columns="y"), frame["y"])


@pytest.fixture(scope="module")
def frame():
    return ratings()


def objectives(frame, spec, monkeypatch, *, reml=True, count=10, seed=3):
    """The exact objective of a fit, and the same with probes."""
    seen = {}
    original = _regressor.estimate

    def spy(*args, **options):
        seen["found"] = original(*args, **options)
        return seen["found"]

    monkeypatch.setattr(_regressor, "estimate", spy)
    model = MixedLinearRegressor(spec, fixed=["x"], method="reml" if reml else "ml")
    model.fit(frame.drop(columns="y"), frame["y"])
    exact = seen["found"].objective
    few = with_probes(exact, count, seed)
    gamma = exact.join(seen["found"].D_blocks)
    return exact, few, gamma


def with_probes(exact, count, seed):
    return IterativeObjective(
        exact.frame,
        exact.model,
        Probes(exact.frame.x, count, seed),
        reml=exact.reml,
        log_det_basis=0.5 * exact.constant,
    )


@pytest.mark.daily
@pytest.mark.parametrize("reml", [False, True])
@pytest.mark.parametrize("name", SPECS)
def test_gradient_is_the_slope_for_the_same_signs(frame, name, reml, monkeypatch):
    _, few, gamma = objectives(frame, SPECS[name], monkeypatch, reml=reml)
    gamma = gamma * (1.0 + 0.1 * np.random.default_rng(1).normal(size=len(gamma)))
    value, slope = few.gradient(gamma)
    assert few.gradient(gamma)[0] == value
    for k in range(len(gamma)):
        step = np.zeros(len(gamma))
        step[k] = 1e-5
        difference = few.value(gamma + step) - few.value(gamma - step)
        assert_allclose(slope[k], difference / 2e-5, rtol=1e-5, atol=2e-4)


def test_equal_seeds_give_the_same_function(frame, monkeypatch):
    exact, few, gamma = objectives(frame, TWO, monkeypatch)
    again, other = with_probes(exact, 10, 3), with_probes(exact, 10, 4)
    assert again.value(gamma) == few.value(gamma)
    assert_array_equal(again.gradient(gamma)[1], few.gradient(gamma)[1])
    assert other.value(gamma) != few.value(gamma)


@pytest.mark.parametrize(
    "name", [slow(name) if number % 2 else name for number, name in enumerate(SPECS)]
)
def test_everything_but_the_log_determinant_is_exact(frame, name, monkeypatch):
    exact, few, gamma = objectives(frame, SPECS[name], monkeypatch)
    D = exact.model.floors(exact.model.split(gamma))
    one, other = exact.sweep(D), few.sweep(D)
    assert isinstance(other, Iterative)
    assert_allclose(other.S, one.S, rtol=1e-9)
    v = one.root.v[:, None]
    for t in range(len(D)):
        assert_allclose(other.E(t, v), one.E(t, v), rtol=1e-6, atol=1e-8)
    directions = exact.model.directions(gamma)
    assert_allclose(other.curvature(directions), one.curvature(directions), rtol=1e-6)
    # the probes' mean over many draws is the log determinant and its slope
    many = with_probes(exact, 4000, 5).sweep(D)
    error = many.noise.values.std() / np.sqrt(4000)
    assert abs(many.log_det - one.log_det) < 4.0 * error
    for t in range(len(D)):
        noise = many.noise.slopes[t].std(axis=0) / np.sqrt(4000)
        assert (np.abs(many.slope(t) - one.slope(t)) <= 4.5 * noise + 1e-9).all()


@pytest.mark.slow
def test_reported_error_is_honest(frame):
    """Over draws of the signs the estimates scatter as much as each fit says."""
    exact = fit(frame)
    fits = [
        fit(frame, crossed="iterative", n_probes=10, random_state=k) for k in range(60)
    ]
    off = np.array([m.results_.alpha - exact.results_.alpha for m in fits])
    said = np.array([m.results_.monte_carlo.alpha for m in fits])
    z = off[:, :2] / said[:, :2]
    value = np.array([m.log_likelihood_ - exact.log_likelihood_ for m in fits])
    value /= [m.results_.monte_carlo.log_likelihood for m in fits]
    for scores in (*z.T, value):
        assert abs(scores.mean()) < 4.0 / np.sqrt(60)
        assert 0.7 < scores.std() < 1.5
    assert all(m.results_.monte_carlo.relative < 0.15 for m in fits)


@pytest.mark.parametrize("name", SPECS)
def test_fit_agrees_with_the_exact_one(frame, name):
    one, other = fit(frame, SPECS[name]), fit(frame, SPECS[name], crossed="iterative")
    assert other.converged_
    assert one.results_.monte_carlo is None
    error = other.results_.monte_carlo
    assert abs(one.log_likelihood_ - other.log_likelihood_) < 4.0 * error.log_likelihood
    off = np.abs(one.results_.alpha - other.results_.alpha)
    assert (off <= 4.5 * error.alpha + 1e-7).all()
    se, other_se = (np.sqrt(np.diagonal(m.results_.alpha_vcov)) for m in (one, other))
    assert_allclose(other_se, se, rtol=0.05)
    assert_allclose(other.coef_, one.coef_, rtol=1e-3)
    for level in one.covariances_:
        means, errors = one.random_effects(level, return_std=True)
        means_2, errors_2 = other.random_effects(level, return_std=True)
        assert np.abs(means - means_2).max().max() < 0.02
        # the errors are estimated from 200 probes
        ratio = (errors_2 / errors).to_numpy()
        assert np.sqrt(np.mean((ratio - 1.0) ** 2)) < 0.05
    rows = frame.drop(columns="y").head(20)
    one_std, other_std = (m.predict(rows, return_std=True)[1] for m in (one, other))
    assert_allclose(other_std, one_std, rtol=0.02)
    unseen = rows.assign(d=-1)
    one_std, other_std = (m.predict(unseen, return_std=True)[1] for m in (one, other))
    assert_allclose(other_std, one_std, rtol=0.05)


def test_results_say_so(frame):
    model = fit(frame, crossed="iterative", n_probes=20)
    text = str(model.summary())
    assert "Estimated iteratively with 20 random probes" in text.replace("\n", " ")
    saved = json.loads(json.dumps(model.results_.to_dict(), allow_nan=False))
    again = Results.from_dict(saved)
    assert again.monte_carlo.log_likelihood == model.results_.monte_carlo.log_likelihood
    copy = pickle.loads(pickle.dumps(model))
    rows = frame.drop(columns="y").head(5)
    assert_array_equal(copy.predict(rows), model.predict(rows))
    assert "iteratively" not in str(fit(frame).summary())


def test_auto_is_exact_until_that_costs_too_much(frame, monkeypatch):
    assert fit(frame).results_.monte_carlo is None
    monkeypatch.setattr(_plan, "AFFORDABLE", 0.0)
    assert fit(frame).results_.monte_carlo is not None
    assert fit(frame, crossed="exact").results_.monte_carlo is None


def open_plan(monkeypatch, accepted):
    """Any time that is saved is worth it, up to an error."""
    monkeypatch.setattr(_plan, "WORTH", -np.inf)
    monkeypatch.setattr(_plan, "WORTH_SHARE", np.inf)
    monkeypatch.setattr(_plan, "ACCEPTED", accepted)


def test_auto_weighs_time_against_the_predicted_error(frame, monkeypatch, capsys):
    exact = fit(frame)
    assert "by dense factors" in exact.results_.crossed
    assert "Predicted" not in exact.results_.crossed  # too quick to be asked
    open_plan(monkeypatch, accepted=0.0)
    kept = fit(frame, verbose=2)
    assert kept.results_.monte_carlo is None
    assert_allclose(kept.log_likelihood_, exact.log_likelihood_, rtol=1e-12)
    assert "Predicted Monte Carlo error" in kept.results_.crossed
    assert kept.results_.crossed in capsys.readouterr().out
    open_plan(monkeypatch, accepted=10.0)
    quick, again, more = fit(frame), fit(frame), fit(frame, n_probes=60)
    assert "by iterative solves" in quick.results_.crossed
    assert "crossed='exact' takes" in quick.results_.crossed
    assert quick.log_likelihood_ == again.log_likelihood_  # the same signs
    assert more.results_.monte_carlo.n_probes == 60
    error = more.results_.monte_carlo.log_likelihood
    assert abs(more.log_likelihood_ - exact.log_likelihood_) < 5.0 * error


def test_predicted_error_is_that_of_the_fit(frame, monkeypatch):
    """Twelve probes tell what sixty will scatter, within the noise of a spread."""
    open_plan(monkeypatch, accepted=10.0)
    model = fit(frame, n_probes=60)
    said = float(model.results_.crossed.split("60 probes: ")[1].split()[0])
    assert 0.4 < said / model.results_.monte_carlo.log_likelihood < 2.5


def test_auto_stays_exact_where_a_covariance_may_be_negative(frame, monkeypatch):
    open_plan(monkeypatch, accepted=10.0)
    regions = frame.assign(region=frame.s % 5)
    spec = RandomEffects("region", factor="d", covariance="exchangeable")
    model = fit(regions, spec)
    assert model.results_.monte_carlo is None
    assert "by dense factors" in model.results_.crossed


def test_number_of_probes_follows_the_noise():
    assert _plan.probes_for(1e-4) == _plan.FEWEST
    assert _plan.probes_for(0.03) == 36  # 0.03 / 6 is the error that is aimed at
    assert _plan.probes_for(10.0) == _plan.MOST


def test_memory_is_predicted(frame, monkeypatch, capsys):
    fit(frame, verbose=1)
    assert "remain" not in capsys.readouterr().out  # not worth a word
    fit(frame, verbose=2)
    assert "40 random effects remain" in capsys.readouterr().out
    monkeypatch.setattr(_plan, "available_memory", lambda: 1e4)
    with pytest.raises(MemoryError, match=r"40 random effects remain.*'exact' needs"):
        fit(frame, crossed="exact")
    with pytest.raises(MemoryError, match=r"'iterative' needs.*fewer n_probes"):
        fit(frame)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"crossed": "dense"}, "crossed"),
        ({"n_probes": 1}, "n_probes"),
        ({"n_probes": 2.5}, "n_probes"),
    ],
)
def test_bad_parameters(frame, options, words):
    with pytest.raises(ValueError, match=words):
        fit(frame, **options)


# ------------------------------------------------------------------- the algorithms


def matrix(n=60, seed=0):
    rng = np.random.default_rng(seed)
    A = rng.normal(size=(n, 2 * n)) / np.sqrt(2 * n)
    M = A @ A.T + 0.2 * np.eye(n)
    size = np.sqrt(np.diagonal(M))
    return M / np.outer(size, size)


def test_conjugate_gradients():
    N = matrix()
    rhs = np.random.default_rng(1).normal(size=(60, 5))
    rhs[:, 2] = 0.0
    x, residual = conjugate_gradients(lambda v: N @ v, rhs, tol=1e-12, max_iter=200)
    assert_allclose(x, np.linalg.solve(N, rhs), rtol=1e-9, atol=1e-12)
    assert residual < 1e-12
    _, residual = conjugate_gradients(lambda v: N @ v, rhs, tol=1e-12, max_iter=2)
    assert residual > 1e-6


def test_quadrature_and_its_derivative():
    N = matrix()
    z = np.random.default_rng(2).choice([-1.0, 1.0], size=(60, 4))
    values, vectors = np.linalg.eigh(N)
    log = (vectors * np.log(values)) @ vectors.T
    found = quadrature(lambda v: N @ v, z, tol=1e-13, max_iter=60)
    expected = np.einsum("nb,nm,mb->b", z, log - N + np.eye(60), z)
    assert_allclose(found.values, expected, rtol=1e-10)
    dN = np.random.default_rng(3).normal(size=(60, 60))
    dN = dN + dN.T
    u, rho = found.vectors, found.weights
    slope = np.einsum("nrb,nm,mrb,rb->b", u, dN, u, rho)
    ends = [
        quadrature(lambda v, M=N + h * dN: M @ v, z, tol=1e-13, max_iter=60).values
        for h in (1e-6, -1e-6)
    ]
    assert_allclose(slope, (ends[0] - ends[1]) / 2e-6, rtol=1e-5, atol=1e-6)


def test_quadrature_of_a_space_that_is_complete_early():
    z = np.random.default_rng(2).choice([-1.0, 1.0], size=(8, 3))
    found = quadrature(lambda v: v, z, tol=1e-12, max_iter=50)
    assert_allclose(found.values, 0.0, atol=1e-14)
    N = np.full((2, 2), 0.5) + 0.5 * np.eye(2)
    found = quadrature(
        lambda v: N @ v, np.array([[1.0], [-1.0]]), tol=1e-12, max_iter=9
    )
    assert_allclose(found.values, 2.0 * (np.log(0.5) + 0.5))


def test_robust_errors_are_exact_or_refused(frame, monkeypatch):
    nested = RandomEffects("d", factor="k")
    options = {"vce": "robust", "crossed": "iterative"}
    X, y = frame.drop(columns="y"), frame["y"]
    with pytest.raises(ValueError, match="scores of single groups"):
        MixedLinearRegressor(nested, fixed=["x"], **options).fit(X, y)
    monkeypatch.setattr(_plan, "AFFORDABLE", 0.0)
    model = MixedLinearRegressor(nested, fixed=["x"], vce="robust").fit(X, y)
    assert model.results_.monte_carlo is None


def test_zero_variance(frame):
    """A variance of zero is found, and the others have their standard errors."""
    y = frame["y"] - frame.groupby("d")["y"].transform("mean")
    fits = [
        MixedLinearRegressor(TWO, fixed=["x"], crossed=way).fit(frame, y)
        for way in ("exact", "iterative")
    ]
    tables = [m.variance_components_.to_numpy() for m in fits]
    assert all(m.converged_ for m in fits)
    assert fits[1].covariances_["d"]["variance"].iloc[0] == 0.0
    assert_allclose(tables[1], tables[0], rtol=1e-5)
    assert_allclose(fits[1].log_likelihood_, fits[0].log_likelihood_, rtol=1e-10)


def test_blocks_are_found(capsys):
    """Regions that share nothing are factorised one by one."""
    rng = np.random.default_rng(0)
    region = rng.integers(0, 60, 12_000)
    frame = pd.DataFrame(
        {
            "x": rng.normal(size=12_000),
            "s": region * 40 + rng.integers(0, 40, 12_000),
            "d": region * 12 + rng.integers(0, 12, 12_000),
        }
    )
    frame["y"] = (
        frame.x + rng.normal(size=2400)[frame.s] + rng.normal(size=720)[frame.d]
    )
    frame["y"] += rng.normal(size=12_000)
    model = fit(frame, verbose=2)
    assert (
        "720 random effects remain, the largest block has 12" in capsys.readouterr().out
    )
    other = fit(frame, crossed="iterative")
    error = other.results_.monte_carlo.log_likelihood
    assert abs(model.log_likelihood_ - other.log_likelihood_) < 4.0 * error


def test_unseen_levels_of_slopes(frame):
    """Their whole variance at the row's x counts; the other factor's effects stay."""
    model = fit(frame, SPECS["both"])
    rows = frame.drop(columns="y").head(30)
    mean, std = model.predict(rows.assign(s=-1, d=-1), return_std=True)
    assert_allclose(mean, model.predict(rows, kind="fixed"))
    _, alone = model.predict(rows, kind="fixed", return_std=True)
    Z = np.column_stack([rows.x, np.ones(30)])
    prior = sum(
        np.einsum("na,ab,nb->n", Z, Sigma.to_numpy(), Z)
        for Sigma in model.covariances_.values()
    )
    assert_allclose(std**2, alone**2 + prior, rtol=1e-9)
    d = model.random_effects_["d"].loc[rows.d].to_numpy()
    known = model.predict(rows.assign(s=-1))
    assert_allclose(known, mean + (Z * d).sum(axis=1), rtol=1e-9)


def test_a_single_factor_leaves_nothing_to_estimate(frame):
    one = fit(frame, TWO[:1])
    other = fit(frame, TWO[:1], crossed="iterative")
    assert_allclose(other.log_likelihood_, one.log_likelihood_, rtol=1e-12)
    assert other.results_.monte_carlo.log_likelihood == 0.0
    assert_allclose(
        other.random_effects("s", return_std=True)[1],
        one.random_effects("s", return_std=True)[1],
    )


def test_large_blocks_are_processed_in_panels(frame, monkeypatch):
    """Products in panels and single precision give the same standard errors."""
    one = fit(frame)
    monkeypatch.setattr(_blocks, "SMALL", 4)
    monkeypatch.setattr(_blocks, "SINGLE", 16)
    monkeypatch.setattr(_blocks, "PANEL", 7)
    other = fit(frame)
    assert_allclose(other.results_.alpha_vcov, one.results_.alpha_vcov, rtol=1e-5)
    assert_allclose(other.results_.alpha, one.results_.alpha, rtol=1e-9)
