"""Likelihoods of replicates equal those of single trees; many searches equal one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose

from sklearn_xmixed import MixedLinearRegressor, RandomEffects
from sklearn_xmixed.datasets import load_productivity, load_sleepstudy
from sklearn_xmixed.design._compile import compile_design
from sklearn_xmixed.likelihood import (
    Redrawn,
    Reweighted,
    build_tree,
    evaluate,
    evaluate_many,
)
from sklearn_xmixed.optimization import newton_many

RNG = np.random.default_rng(0)


def two_levels(rows=slice(None)):
    X, y = load_sleepstudy(return_X_y=True)
    equation = RandomEffects("subject", ["days"], covariance="unstructured")
    return MixedLinearRegressor(equation), X[rows], y[rows]


def unbalanced():
    return two_levels(np.random.default_rng(1).random(180) < 0.6)


def three_levels():
    X, y = load_productivity(return_X_y=True)
    keep = np.random.default_rng(1).random(len(X)) < 0.4
    levels = [RandomEffects("region", ["hwy"]), RandomEffects("state", ["unemp"])]
    model = MixedLinearRegressor(levels, fixed=["hwy", "water", "unemp"])
    return model, X[keep], y[keep]


def four_levels():
    model, X, y = three_levels()
    X = X.assign(half=(X["year"] > 1978).astype(int))
    levels = [*model.get_params()["random_effects"], RandomEffects("half")]
    return model.set_params(random_effects=levels), X, y


def engine(make):
    model, X, y = make()
    model.fit(X, y)
    compiled = compile_design(model, X, y, None, None)
    return compiled.design, model._fitted.pool


def covariances(tree, B):
    D = []
    for floor in tree.shards[0].floors:
        root = RNG.normal(size=(floor.q, floor.q, B))
        D.append(np.einsum("abB,cbB->acB", root, root))
    return D


def steps(tree, B):
    out = []
    for k, floor in enumerate(tree.shards[0].floors):
        M = RNG.normal(size=(floor.q, floor.q, B))
        out.append((k, M + M.swapaxes(0, 1)))
    return out


def compare(many, trees, D, directions, reml):
    for b, tree in enumerate(trees):
        one = evaluate(
            tree, [d[:, :, b] for d in D], reml=reml, order=2,
            directions=[(k, M[:, :, b]) for k, M in directions],
        )  # fmt: skip
        assert_allclose(many.c[b], one.c, rtol=1e-10)
        assert_allclose(many.l[b], one.l, rtol=1e-10)
        assert_allclose(many.beta[:, b], one.root.beta, rtol=1e-8, atol=1e-9)
        for k in range(len(D)):
            size = np.abs(one.c_D[k]).max()
            assert_allclose(many.c_D[k][:, :, b], one.c_D[k], rtol=0, atol=1e-9 * size)
            size = np.abs(one.l_D[k]).max()
            assert_allclose(many.l_D[k][:, :, b], one.l_D[k], rtol=0, atol=1e-9 * size)
        for own, single in ((many.c_2, one.c_2), (many.l_2, one.l_2)):
            size = np.abs(single).max()
            assert_allclose(own[:, :, b], single, rtol=0, atol=1e-8 * size)


@pytest.mark.parametrize("reml", [False, True])
@pytest.mark.parametrize("make", [two_levels, unbalanced, three_levels, four_levels])
def test_new_responses(make, reml):
    design, pool = engine(make)
    tree = build_tree(design, pool)
    Y = design.y[:, None] + RNG.normal(size=(design.n_rows, 3)) * design.y.std()
    many = Redrawn.of(tree, design, pool).replicates(Y)
    trees = [build_tree(replace(design, y=y), pool) for y in Y.T]
    D, directions = covariances(tree, 3), steps(tree, 3)
    found = evaluate_many(many, D, reml=reml, directions=directions)
    compare(found, trees, D, directions, reml)


@pytest.mark.parametrize("reml", [False, True])
@pytest.mark.parametrize("make", [two_levels, unbalanced, three_levels, four_levels])
def test_counted_groups(make, reml):
    design, pool = engine(make)
    tree = build_tree(design, pool)
    maker = Reweighted.of(tree, design, pool)
    counts = RNG.integers(1, 4, size=(maker.n_groups, 3)).astype(float)
    many = maker.replicates(counts)
    trees = []
    for w in counts.T:
        top = replace(design.levels[0], weights=w)
        trees.append(
            build_tree(replace(design, levels=(top, *design.levels[1:])), pool)
        )
    assert_allclose(many.n, [t.n for t in trees])
    D, directions = covariances(tree, 3), steps(tree, 3)
    found = evaluate_many(many, D, reml=reml, directions=directions)
    compare(found, trees, D, directions, reml)


def test_some_of_them():
    design, pool = engine(three_levels)
    tree = build_tree(design, pool)
    many = Redrawn.of(tree, design, pool).replicates(
        RNG.normal(size=(design.n_rows, 4))
    )
    D = covariances(tree, 4)
    which = np.array([3, 1])
    all_ = evaluate_many(many, D, reml=True)
    some = evaluate_many(many.take(which), [d[:, :, which] for d in D], reml=True)
    assert_allclose(some.c, all_.c[which], rtol=1e-13)
    assert len(many.take(which)) == 2


# -- the search ------------------------------------------------------------------------


def rosenbrock(which, x):
    a, b = 1.0 + 0.1 * which, 100.0 / (1.0 + which)
    u, v = x
    f = (a - u) ** 2 + b * (v - u**2) ** 2
    g = np.array([-2 * (a - u) - 4 * b * u * (v - u**2), 2 * b * (v - u**2)])
    H = np.array(
        [[2 - 4 * b * (v - 3 * u**2), -4 * b * u], [-4 * b * u, 2 * b + 0 * u]]
    )
    return f, g, H


def test_many_searches_end_where_they_should():
    B = 40
    start = RNG.normal(size=(2, B)) * 3
    found = newton_many(rosenbrock, np.ones_like, start, np.ones(B), max_iter=200)
    a = 1.0 + 0.1 * np.arange(B)
    assert found.converged.all()
    assert_allclose(found.gamma, [a, a**2], rtol=1e-6)
    assert (found.smallest > 0).all()


def test_a_search_that_cannot_end_is_told():
    def line(which, x):
        zero = np.zeros((1, 1, x.shape[1]))
        return x[0].copy(), np.ones_like(x), zero

    found = newton_many(line, np.ones_like, np.zeros((1, 3)), np.ones(3), max_iter=20)
    assert not found.converged.any()


def test_values_that_are_no_numbers_are_left_out():
    def partly(which, x):
        f, g, H = rosenbrock(which, x)
        return np.where(which == 1, np.nan, f), g, H

    found = newton_many(partly, np.ones_like, np.zeros((2, 3)), np.ones(3))
    assert found.converged.tolist() == [True, False, True]


def test_the_better_of_two_searches():
    def double_well(which, x):
        (u,) = x
        f = (u**2 - 1) ** 2 + 0.1 * u
        return f, np.array([4 * u * (u**2 - 1) + 0.1]), (12 * u**2 - 4)[None, None]

    size = np.ones(2)
    left, right = (
        newton_many(double_well, np.ones_like, np.full((1, 2), s), size)
        for s in (-1.0, 1.0)
    )
    assert (right.better(left).gamma < 0).all()
    assert (left.better(right).gamma < 0).all()
