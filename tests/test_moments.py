"""Moments of columns, and which columns are collinear by them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from sklearn_xmixed.design import _moments
from sklearn_xmixed.design._design import kept_columns
from sklearn_xmixed.design._moments import Moments, independent_columns
from tests.conftest import seeds


def columns(seed, n=50, k=4, location=10.0):
    rng = np.random.default_rng(seed)
    return location + rng.normal(size=(n, k)) * 10.0 ** rng.uniform(-2, 2, k)


@given(seeds, st.integers(1, 60), st.integers(1, 5))
def test_moments_are_what_they_are_called(seed, n, k):
    M = columns(seed, n, k)
    at = Moments.of([M])
    deviations = M - M.mean(axis=0)
    right = deviations.T @ deviations
    assert at.n == n
    assert_allclose(at.mean, M.mean(axis=0), rtol=1e-13)
    # sums of n products of deviations from a shift near the mean
    assert_allclose(at.centred, right, rtol=0, atol=1e-12 * np.abs(right).max() + 1e-20)
    whole = np.column_stack([np.ones(n), M])
    assert_allclose(at.raw(), whole.T @ whole, rtol=1e-11, atol=1e-9)


@given(seeds, st.integers(2, 40))
def test_weights_are_repetitions(seed, n):
    M = columns(seed, n)
    weights = np.random.default_rng(seed).integers(1, 4, n)
    at = Moments.of([M], weights.astype(float))
    right = Moments.of([np.repeat(M, weights, axis=0)])
    assert at.n == right.n
    assert_allclose(at.mean, right.mean, rtol=1e-12)
    scale = np.abs(right.centred).max()
    assert_allclose(at.centred, right.centred, rtol=0, atol=1e-12 * scale)


@given(seeds, st.integers(1, 20))
def test_blocks_do_not_matter(seed, rows):
    M = columns(seed)
    right = Moments.of([M])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_moments, "BLOCK_ROWS", rows)
        at = Moments.of([M[:, :2], M[:, 2:3], M[:, 3]])
    assert_allclose(at.mean, right.mean, rtol=1e-12)
    scale = np.abs(right.centred).max()
    assert_allclose(at.centred, right.centred, rtol=0, atol=1e-11 * scale)


@pytest.mark.parametrize("dtype", [np.float32, np.int64, bool])
def test_columns_of_other_types(dtype):
    M = np.random.default_rng(0).integers(0, 2, (30, 2)).astype(dtype)
    at, right = Moments.of([M]), Moments.of([M.astype(float)])
    assert_allclose(at.centred, right.centred, rtol=1e-14)


def test_a_large_mean_costs_no_digits():
    """Calendar years in seconds: raw sums of squares would keep no digit."""
    x = np.arange(1000.0)
    at = Moments.of([1e9 + x])
    assert_allclose(at.centred[0, 0], ((x - x.mean()) ** 2).sum(), rtol=1e-12)


def test_a_trend_moves_the_mean_away_from_the_shift():
    """The shift is that of the first block; the rest may be far from it."""
    x = np.concatenate([np.zeros(8192), np.full(40000, 1e4)])
    x += np.tile([0.0, 1.0], len(x) // 2)
    at = Moments.of([x])
    assert_allclose(at.centred[0, 0], ((x - x.mean()) ** 2).sum(), rtol=1e-10)


# ------------------------------------------------------- independent columns


@given(seeds, st.integers(1, 6), st.data())
def test_a_combination_of_earlier_columns_is_left_out(seed, k, data):
    rng = np.random.default_rng(seed)
    M = rng.normal(size=(40, k))
    place = data.draw(st.integers(1, k))
    extra = M[:, :place] @ (rng.normal(size=place) + 2.0)
    whole = np.insert(M, place, extra, axis=1)
    keep, smallest = independent_columns(whole.T @ whole)
    assert keep.sum() == k
    assert not keep[place]
    assert 0 < smallest <= 1


def test_columns_of_nothing():
    keep, _ = independent_columns(np.diag([0.0, 1.0, 0.0]))
    assert keep.tolist() == [False, True, False]
    keep, smallest = independent_columns(np.zeros((0, 0)))
    assert keep.shape == (0,)
    assert smallest == 1.0


def kept(M, constant=True, weights=None):
    at = Moments.of([M], weights)
    number = np.arange(M.shape[1])
    return kept_columns(
        at, number, list(M.T), constant=constant, weights=weights
    ).tolist()


@pytest.mark.parametrize("scale", [1e-8, 1.0, 1e8])
@pytest.mark.parametrize("location", [0.0, 1.0, 1e6])
def test_size_and_origin_do_not_decide(scale, location):
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 60))
    M = np.column_stack([a, scale * (location + b), 3 * a - b, np.full(60, scale)])
    assert kept(M) == [True, True, False, False]
    # without a constant the last column is news, and the third as well if b is shifted
    assert kept(M, constant=False) == [True, True, location != 0, location == 0]


@pytest.mark.parametrize("gap", [1e-3, 1e-5, 1e-6])
def test_close_columns_are_told_apart_by_the_rows(gap):
    """Cross-products alone lose columns closer than about 1e-6."""
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 60))
    assert kept(np.column_stack([a, a + gap * b])) == [True, True]
    assert kept(np.column_stack([a, a])) == [True, False]


def test_a_column_that_varies_only_where_the_weight_is_zero():
    x = np.zeros(20)
    x[0] = 1.0
    weights = np.ones(20)
    weights[0] = 0.0
    assert kept(x[:, None], weights=weights) == [False]
    assert kept(x[:, None]) == [True]


def test_more_columns_than_rows():
    M = np.random.default_rng(0).normal(size=(4, 9))
    assert sum(kept(M)) == 3
    assert sum(kept(M, constant=False)) == 4


def test_a_polynomial_of_years_is_kept():
    year = np.repeat(np.arange(1990.0, 2011.0), 3)
    M = np.column_stack([year, year**2])
    assert kept(M) == [True, True]
