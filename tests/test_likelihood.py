"""The tree gives what the definition of the likelihood gives."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from sklearn_xmixed import RandomEffects
from sklearn_xmixed.likelihood import Tree, _stream, build_tree, evaluate
from sklearn_xmixed.likelihood.nested import _crossproducts, _sweeps
from tests.conftest import STRUCTURES, Case, cases, differences, examples, seeds, slow

# Values are sums of a few hundred terms of order one: 1e-11 relative leaves room for
# the condition of V (variance ratios up to 1e2 are drawn).
EXACT = {"rtol": 1e-11, "atol": 1e-9}
# Extrapolated central differences with step 1e-3 of a function of size 1e2 to 1e3:
# rounding gives 1e3 * 1e-16 / 1e-3 = 1e-10, truncation h^4 f''''' ~ 1e-11.
SLOPE = 1e-6

sizes = st.sampled_from([0.1, 1.0, 3.0])


def close(actual, desired, tolerance):
    """Relative to the largest element."""
    desired = np.asarray(desired)
    scale = 1.0 + np.abs(desired).max(initial=0.0)
    assert_allclose(actual, desired, rtol=0, atol=tolerance * scale)


def parameters(case, seed, size):
    gamma = case.engine.random_gamma(seed, size)
    return gamma, case.engine.at(gamma)


@given(cases(), seeds, sizes)
def test_log_likelihood_is_that_of_the_definition(case, seed, size):
    _, found = parameters(case, seed, size)
    right = case.oracle(found.Sigmas, found.sigma2).log_likelihood
    assert_allclose(-0.5 * found.deviance, right, **EXACT)


@given(cases(), seeds)
def test_sigma_is_profiled_out(case, seed):
    """No other residual variance is better when Sigma / sigma^2 is kept."""
    _, found = parameters(case, seed, 1.0)

    def value(sigma2):
        Sigmas = [S * sigma2 / found.sigma2 for S in found.Sigmas]
        return case.oracle(Sigmas, sigma2).log_likelihood

    best = value(found.sigma2)
    assert value(found.sigma2 * 1.01) < best
    assert value(found.sigma2 / 1.01) < best


@given(cases(), seeds, sizes)
def test_fixed_effects_and_their_covariance(case, seed, size):
    gamma, found = parameters(case, seed, size)
    right = case.oracle(found.Sigmas, found.sigma2)
    model = case.engine.fitted(gamma)
    a = case.fit_intercept
    close(np.append([model.intercept_] * a, model.coef_), right.beta, 1e-10)
    p = len(right.beta)
    order = [*range(a, p), *range(a)]
    close(model.vcov().to_numpy()[:p, :p], right.vcov[np.ix_(order, order)], 1e-10)


@given(cases(), seeds, sizes, st.booleans())
def test_blups_and_their_variances(case, seed, size, fixed_known):
    gamma, found = parameters(case, seed, size)
    right = case.oracle(found.Sigmas, found.sigma2)
    mean, std = case.engine.fitted(gamma).random_effects(
        return_std=True, fixed_known=fixed_known
    )
    variances = right.u_vcov if fixed_known else right.u_vcov_full
    for name, u, V in zip(mean, right.u, variances, strict=True):
        close(mean[name].to_numpy().ravel(), u, 1e-10)
        close(std[name].to_numpy().ravel() ** 2, np.diagonal(V), 1e-10)


@settings(max_examples=examples(30))
@given(cases(), seeds, sizes, st.sampled_from(["matsqrt", "matlog"]))
def test_gradient_and_hessian_by_differences(case, seed, size, parameterization):
    assume(parameterization == "matsqrt" or size < 3)  # exp(9) leaves no digits
    case = replace(case, parameterization=parameterization)
    objective = case.engine.objective
    gamma = case.engine.random_gamma(seed, size)
    value, gradient, hessian = objective.hessian(gamma)
    assert value == pytest.approx(objective.value(gamma), rel=1e-13)
    again, same = objective.gradient(gamma)
    assert again == pytest.approx(value, rel=1e-13)
    close(same, gradient, 1e-11)
    close(gradient, differences(objective.value, gamma, 1e-3), SLOPE)
    slope = differences(lambda g: objective.gradient(g)[1], gamma, 1e-3)
    close(hessian, slope, SLOPE)
    close(hessian, hessian.T, 1e-15)


@given(cases(), seeds, sizes)
def test_gradient_by_a_complex_step(case, seed, size):
    """Without any difference, so to rounding."""
    engine = case.engine
    D = engine.model.floors(engine.model.split(engine.random_gamma(seed, size)))
    at = evaluate(engine.tree, D, reml=case.reml)
    rng = np.random.default_rng(seed)
    for floor, d in enumerate(D):
        M = rng.normal(size=d.shape)
        M = M + M.T
        moved = [e.astype(complex) for e in D]
        moved[floor] = moved[floor] + 1e-30j * M
        tilted = evaluate(engine.tree, moved, reml=case.reml, order=0)
        close(np.sum(at.c_D[floor] * M), tilted.c.imag / 1e-30, 1e-9)
        close(np.sum(at.l_D[floor] * M), tilted.l.imag / 1e-30, 1e-9)


@given(cases(depth=st.just(1)), seeds, sizes)
def test_closed_form_hessian_is_the_complex_step(case, seed, size):
    engine = case.engine
    gamma = engine.random_gamma(seed, size)
    D = engine.model.floors(engine.model.split(gamma))
    directions = engine.model.directions(gamma)
    options = {"reml": case.reml, "order": 2, "directions": directions}
    closed = evaluate(engine.tree, D, **options)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_sweeps, "CLOSED_FORM_Q", 0)
        stepped = evaluate(engine.tree, D, **options)
    close(closed.c_2, stepped.c_2, 1e-10)
    close(closed.l_2, stepped.l_2, 1e-10)


def test_one_group_of_everything():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(30, 2)), columns=["x", "y"])
    case = Case(frame, [RandomEffects("_all", ["x"], covariance="unstructured")], ["x"])
    gamma = rng.normal(size=3)
    found = case.engine.at(gamma)
    right = case.oracle(found.Sigmas, found.sigma2).log_likelihood
    assert_allclose(-0.5 * found.deviance, right, **EXACT)


@pytest.mark.parametrize(
    ("method", "structure"),
    [("ml", s) for s in STRUCTURES]
    + [slow("reml", s) if s == "unstructured" else ("reml", s) for s in STRUCTURES],
)
def test_many_random_columns(structure, method):
    """More own columns than the closed-form Hessian takes and most groups have rows."""
    rng = np.random.default_rng(1)
    n, q = 80, 10
    names = [f"z{j}" for j in range(q)]
    frame = pd.DataFrame(rng.normal(size=(n, q)), columns=names)
    frame["g"] = rng.integers(0, 9, n)
    frame["y"] = rng.normal(size=n)
    case = Case(
        frame,
        [RandomEffects("g", names, covariance=structure)],
        names[:2],
        method=method,
    )
    gamma = case.engine.random_gamma(3, 0.5)
    found = case.engine.at(gamma)
    right = case.oracle(found.Sigmas, found.sigma2).log_likelihood
    assert_allclose(-0.5 * found.deviance, right, **EXACT)
    objective = case.engine.objective
    _, gradient, hessian = objective.hessian(gamma)
    close(gradient, differences(objective.value, gamma, 1e-3), SLOPE)
    close(hessian, differences(lambda g: objective.gradient(g)[1], gamma, 1e-3), SLOPE)


@pytest.mark.parametrize("structure", STRUCTURES)
@pytest.mark.parametrize("shift", [10.0, 1e3, 1e4, 1e5, 1e6])
def test_columns_far_from_zero(structure, shift):
    """A level's columns are then nearly collinear with its constant."""
    rng = np.random.default_rng(1)
    frame = pd.DataFrame(
        {"x": shift + rng.normal(size=60), "g": np.repeat(range(12), 5)}
    )
    frame["y"] = rng.normal(size=60)
    case = Case(frame, [RandomEffects("g", ["x"], covariance=structure)], ["x"])
    # effects about the columns' centre are of order one, so V is well conditioned
    found = case.engine.at(0.3 * case.engine.random_gamma(2))
    right = case.oracle(found.Sigmas, found.sigma2).log_likelihood
    # Z Sigma Z' loses the digits that x^2 has in front of the rest
    assert_allclose(-0.5 * found.deviance, right, rtol=1e-10 + 1e-15 * shift**2)


@pytest.mark.parametrize("q", [23, 24, 26])
@pytest.mark.parametrize("structure", ["independent", "identity"])
def test_as_many_random_columns_as_the_fixed_part_has(structure, q):
    """Around the number of columns from which a level's basis is only scaled."""
    rng = np.random.default_rng(2)
    names = [f"z{j}" for j in range(q)]
    frame = pd.DataFrame(rng.normal(1.0, 1.0, size=(150, q)), columns=names)
    frame["g"] = rng.integers(0, 8, 150)
    frame["y"] = rng.normal(size=150)
    case = Case(frame, [RandomEffects("g", names, covariance=structure)], names)
    found = case.engine.at(case.engine.random_gamma(0, 0.3))
    right = case.oracle(found.Sigmas, found.sigma2)
    assert_allclose(-0.5 * found.deviance, right.log_likelihood, **EXACT)


# ------------------------------------------------------ ways to do the same


def same_objective(one, other, gamma):
    for a, b in zip(one.hessian(gamma), other.hessian(gamma), strict=True):
        close(a, b, 1e-10)
    assert one.value(gamma) == pytest.approx(other.value(gamma), rel=1e-12)


@st.composite
def repeated_designs(draw):
    """Many groups, few designs: what compression is for."""
    rng = np.random.default_rng(draw(seeds))
    groups, times = draw(st.integers(10, 60)), draw(st.integers(1, 4))
    kinds = draw(st.integers(1, 3))
    patterns = [rng.normal(size=times) for _ in range(kinds)]
    x = np.concatenate([patterns[g % kinds] for g in range(groups)])
    g = np.repeat(np.arange(groups), times)
    frame = pd.DataFrame(
        {
            "top": g // draw(st.integers(2, 9)),
            "g": g,
            "x": x,
            "w": rng.normal(size=len(g)),
        }
    )
    frame["y"] = rng.normal(size=len(g))
    equations = [RandomEffects("g", draw(st.sampled_from([[], ["x"]])))]
    if draw(st.booleans()):
        equations.insert(0, RandomEffects("top"))
    weight = draw(st.booleans())
    method = "ml" if weight else draw(st.sampled_from(["ml", "reml"]))
    return Case(
        frame,
        equations,
        ["x", "w"],
        method=method,
        sample_weight=rng.integers(1, 4, groups)[g].astype(float) if weight else None,
    )


@given(st.one_of(repeated_designs(), cases()), seeds, sizes)
def test_compression_changes_nothing(case, seed, size):
    engine = case.engine
    same_objective(engine.compressed, engine.objective, engine.random_gamma(seed, size))


def test_compression_does_compress():
    rng = np.random.default_rng(0)
    g = np.repeat(np.arange(1000), 3)
    frame = pd.DataFrame({"g": g, "y": rng.normal(size=3000)})
    engine = Case(frame, [RandomEffects("g")], []).engine
    nodes = engine.compressed.tree.shards[0].floors[0].block.shape[2]
    assert nodes < 10
    same_objective(engine.compressed, engine.objective, np.array([0.7]))


@given(cases(), seeds, st.integers(1, 9), st.sampled_from([1, 40, 1 << 17]))
def test_block_and_shard_sizes_do_not_matter(case, seed, rows, size):
    engine = case.engine
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_stream, "BLOCK_ROWS", rows)
        patch.setattr(_crossproducts, "SHARD_SIZE", size)
        other = replace(case, frame=case.frame.copy()).engine
    same_objective(other.objective, engine.objective, engine.random_gamma(seed))


@given(cases(), seeds, st.integers(1, 4))
def test_shards_add_up(case, seed, cut):
    """Trees over parts of the top-level groups make up the tree over all."""
    engine = case.engine
    design = engine.compiled.design
    top = design.levels[0]
    assume(0 < cut < top.n_groups)
    parts = [
        build_tree(part, engine.pool)
        for part in (
            _part(design, top.codes < cut),
            _part(design, top.codes >= cut),
        )
    ]
    joined = Tree(
        tuple(s for part in parts for s in part.shards),
        sum(part.within for part in parts),
        sum(part.total for part in parts),
        sum(part.n for part in parts),
    )
    D = engine.model.floors(engine.model.split(engine.random_gamma(seed)))
    options = {"reml": case.reml, "order": 2, "directions": [(0, np.eye(len(D[0])))]}
    one = evaluate(joined, D, **options)
    all_ = evaluate(engine.tree, D, **options)
    for name in ("c", "l", "c_2", "l_2"):
        close(getattr(one, name), getattr(all_, name), 1e-10)
    for a, b in zip(one.c_D + one.l_D, all_.c_D + all_.l_D, strict=True):
        close(a, b, 1e-10)


def _part(design, rows):
    levels, parents = [], 0
    for level in design.levels:
        codes = level.codes[rows]
        first, last = int(codes.min()), int(codes.max()) + 1
        levels.append(
            replace(
                level,
                codes=codes - first,
                n_groups=last - first,
                parents=level.parents[first:last] - parents,
            )
        )
        parents = first
    return replace(
        design,
        X=design.X[rows],
        extra=design.extra[rows],
        y=design.y[rows],
        levels=tuple(levels),
        order=None,
        starts=None,
    ).sorted()
