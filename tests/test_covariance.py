"""Structures and parameterisations of one covariance matrix."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from sklearn_xmixed.covariance import (
    PARAMETERIZATIONS,
    get_structure,
    to_sd_corr,
)
from tests.conftest import STRUCTURES, differences, examples, seeds

structures = st.builds(get_structure, st.sampled_from(STRUCTURES), st.integers(1, 5))
maps = st.sampled_from(sorted(PARAMETERIZATIONS)).map(PARAMETERIZATIONS.get)
sizes = st.sampled_from([0.1, 1.0, 2.0])
N_PARAMS = {
    "identity": lambda q: 1,
    "independent": lambda q: q,
    "exchangeable": lambda q: 2 if q > 1 else 1,
    "unstructured": lambda q: q * (q + 1) // 2,
}


def close(actual, desired, tolerance):
    desired = np.asarray(desired)
    scale = np.abs(desired).max(initial=0.0) + 1e-300
    assert_allclose(actual, desired, rtol=0, atol=tolerance * scale)


def draw(structure, seed, size=1.0):
    return size * np.random.default_rng(seed).normal(size=structure.n_params)


def covariance(structure, seed):
    """A positive definite matrix of the structure, by another way than the maps."""
    rng = np.random.default_rng(seed)
    q, name = structure.q, structure.name
    sd = np.exp(rng.normal(size=q))
    if name == "unstructured":
        A = rng.normal(size=(q, q + 2)) * sd[:, None]
        return A @ A.T
    if name == "independent":
        return np.diag(sd**2)
    r = rng.uniform(-0.9 / max(1, q - 1), 0.9) if name == "exchangeable" else 0.0
    return sd[0] ** 2 * ((1 - r) * np.eye(q) + r * np.ones((q, q)))


# ------------------------------------------------------------------ patterns


@given(structures)
def test_pattern(structure):
    q, pattern = structure.q, structure.pattern
    assert structure.n_params == N_PARAMS[structure.name](q)
    assert (pattern == pattern.T).all()
    assert set(pattern.ravel()) - {-1} == set(range(structure.n_params))
    # variances are numbered before covariances
    assert set(np.diagonal(pattern)) == set(range(structure.n_variances))
    assert structure.basis.shape == (structure.n_params, q, q)
    assert_allclose(structure.basis.sum(axis=0), pattern >= 0)
    for k, (i, j) in enumerate(structure.places):
        assert i <= j
        assert pattern[i, j] == k


@given(structures, seeds)
def test_spread_and_gather_are_inverse(structure, seed):
    values = draw(structure, seed)
    matrix = structure.spread(values)
    assert (matrix == matrix.T).all()
    assert (matrix[structure.pattern < 0] == 0).all()
    assert_allclose(structure.gather(matrix), values, rtol=1e-15)


@given(structures, seeds)
def test_gather_is_the_projection_onto_the_structure(structure, seed):
    """What EM's M step needs: the nearest member of the structure."""
    A = np.random.default_rng(seed).normal(size=(structure.q, structure.q))
    A = A + A.T
    rest = A - structure.spread(structure.gather(A))
    assert_allclose(np.tensordot(structure.basis, rest, axes=2), 0.0, atol=1e-13)


@pytest.mark.parametrize("name", STRUCTURES)
def test_labels(name):
    assert get_structure(name, 1).label == "Identity"
    assert get_structure(name, 3).label == name.capitalize()


@given(structures, seeds, seeds)
def test_patterns_are_closed_under_symmetric_products(structure, one, two):
    """So a square root or a logarithm has the pattern of the matrix itself."""
    S = structure.spread(draw(structure, one))
    for product in (S @ S, np.linalg.matrix_power(S, 3)):
        close(structure.spread(structure.gather(product)), product, 1e-12)


# --------------------------------------------------------------- gamma <-> D


@given(structures, maps, seeds, sizes)
def test_values_are_covariance_matrices_of_the_structure(structure, map_, seed, size):
    D = map_.value(structure, draw(structure, seed, size))
    assert_allclose(D, D.T, rtol=0, atol=1e-12 * np.abs(D).max())
    close(structure.spread(structure.gather(D)), D, 1e-12)
    assert np.linalg.eigvalsh(D)[0] >= -1e-12 * np.abs(D).max()


@given(structures, maps, seeds)
def test_any_covariance_matrix_of_the_structure_is_reached(structure, map_, seed):
    D = covariance(structure, seed)
    # the square root of a matrix with condition number k costs sqrt(k) digits
    close(map_.value(structure, map_.inverse(structure, D)), D, 1e-10)


@given(structures, seeds, sizes)
def test_matlog_round_trip_of_parameters(structure, seed, size):
    map_, gamma = PARAMETERIZATIONS["matlog"], draw(structure, seed, size)
    again = map_.inverse(structure, map_.value(structure, gamma))
    # eigenvalues of D lie up to exp(4 * 2 * sqrt(5)) apart
    assert_allclose(again, gamma, rtol=0, atol=1e-5)


@given(structures, seeds)
def test_matsqrt_of_a_singular_matrix(structure, seed):
    map_ = PARAMETERIZATIONS["matsqrt"]
    zero = np.zeros((structure.q, structure.q))
    assert_allclose(map_.inverse(structure, zero), 0.0, atol=0)
    assert_allclose(map_.value(structure, np.zeros(structure.n_params)), zero, atol=0)
    if structure.name == "unstructured":
        v = np.random.default_rng(seed).normal(size=structure.q)
        D = np.outer(v, v)
        close(map_.value(structure, map_.inverse(structure, D)), D, 1e-7)


def test_matlog_of_a_singular_matrix_is_finite():
    structure = get_structure("unstructured", 2)
    map_ = PARAMETERIZATIONS["matlog"]
    gamma = map_.inverse(structure, np.ones((2, 2)))
    assert np.isfinite(gamma).all()
    close(map_.value(structure, gamma), np.ones((2, 2)), 1e-10)
    assert np.isfinite(map_.inverse(structure, np.zeros((2, 2)))).all()


@given(structures, maps, seeds, sizes)
def test_first_derivatives(structure, map_, seed, size):
    gamma = draw(structure, seed, size)
    first = map_.first(structure, gamma)
    assert first.shape == (structure.n_params, structure.q, structure.q)
    right = differences(lambda g: map_.value(structure, g), gamma, 1e-3)
    # fourth-order differences of exp with norm up to 2 sqrt(5) and rounding / 1e-3
    close(first, np.moveaxis(right, -1, 0), 1e-8)


@settings(max_examples=examples(20))
@given(structures, maps, seeds, sizes)
def test_second_derivatives(structure, map_, seed, size):
    gamma = draw(structure, seed, size)
    weight = np.random.default_rng(seed + 1).normal(size=(structure.q, structure.q))
    weight = weight + weight.T
    second = map_.second(structure, gamma, weight)

    def slope(g):
        return np.tensordot(map_.first(structure, g), weight, axes=2)

    scale = np.abs(map_.first(structure, gamma)).max() * np.abs(weight).max() + 1e-300
    assert_allclose(
        second / scale, differences(slope, gamma, 1e-3) / scale, rtol=0, atol=1e-7
    )
    assert_allclose(second, second.T, rtol=0, atol=1e-12 * scale)


# ------------------------------------------------------------ natural metric


def from_natural(structure, alpha):
    """Sigma by the definition: log sds first, then atanh correlations."""
    out = np.zeros((structure.q, structure.q))
    for (i, j), k in np.ndenumerate(structure.pattern):
        if k >= 0:
            sds = np.exp(
                alpha[structure.pattern[i, i]] + alpha[structure.pattern[j, j]]
            )
            out[i, j] = sds if i == j else sds * np.tanh(alpha[k])
    return out


@given(structures, seeds)
def test_natural_metric_round_trip(structure, seed):
    Sigma = covariance(structure, seed)
    alpha = structure.to_natural(Sigma)
    close(from_natural(structure, alpha), Sigma, 1e-12)
    values = to_sd_corr(structure, Sigma)
    n = structure.n_variances
    assert_allclose(values[:n], np.exp(alpha[:n]), rtol=1e-13)
    assert_allclose(values[n:], np.tanh(alpha[n:]), rtol=1e-13, atol=1e-15)


@given(structures, seeds)
def test_natural_derivatives(structure, seed):
    Sigma = covariance(structure, seed)
    alpha = structure.to_natural(Sigma)
    first, second = structure.natural_derivatives(Sigma)
    slope = differences(lambda a: from_natural(structure, a), alpha, 1e-3)
    close(first, np.moveaxis(slope, -1, 0), 1e-9)
    bend = differences(
        lambda a: structure.natural_derivatives(from_natural(structure, a))[0],
        alpha,
        1e-3,
    )
    scale = np.abs(Sigma).max()
    for k in range(structure.n_params):
        for h in range(structure.n_params):
            assert_allclose(second[k][h], bend[k, ..., h], rtol=0, atol=1e-9 * scale)


def test_natural_metric_on_the_boundary():
    structure = get_structure("unstructured", 2)
    alpha = structure.to_natural(np.diag([4.0, 0.0]))
    assert alpha[0] == pytest.approx(np.log(2.0))
    assert alpha[1] == -np.inf
    assert np.isnan(alpha[2])
    alpha = structure.to_natural(np.ones((2, 2)))
    assert_allclose(alpha[:2], 0.0, atol=1e-15)
    assert alpha[2] == np.inf
