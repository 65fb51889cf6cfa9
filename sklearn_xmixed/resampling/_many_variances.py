"""Variance parameters of many responses with their covariance matrices.

The formulas of ``inference/variances`` with an axis of responses last:
inside the parameter space along the elements of D, at a zero variance or a singular
matrix along the parameters that are off the boundary.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..covariance import Structure
from ..covariance._structure import ZERO
from ..likelihood import Block, ManyPieces, VarianceModel
from ._batch import sandwich

__all__ = ["ManyVariances", "many_variances"]

Array = np.ndarray

#: share of an eigenvalue of D below which its standard errors are left to a single fit
NEAR = 1e-6
#: smallest eigenvalue of a scaled Hessian that counts as positive
POSITIVE = 1e-9


@dataclass(frozen=True, eq=False)
class ManyVariances:
    """Estimates in the estimation metric.

    Parameters
    ----------
    alpha : ndarray of shape (B, a)
        log sd and atanh correlation, log sigma last.
    vcov : ndarray of shape (B, a, a)
        nan in the rows of parameters on the boundary.
    basis : ndarray of shape (B, a, a)
        Directions off the boundary in the elements of D and log sigma^2; columns of
        those that are held are zero.
    half : ndarray of shape (B, a, a)
        half half' is the covariance matrix along them.
    sure : ndarray of bool, shape (B,)
        Whether all that is as a single fit would have it.
    """

    alpha: Array
    vcov: Array
    basis: Array
    half: Array
    sure: Array


def many_variances(
    model: VarianceModel,
    D_blocks: list[Array],
    at: ManyPieces,
    nn: Array,
    *,
    std_errors: bool,
) -> ManyVariances:
    """From the optimum of every response.

    Parameters
    ----------
    D_blocks : list of ndarray of shape (q, q, B)
    at : ManyPieces
        With second derivatives along the elements, where standard errors are asked for.
    nn : ndarray of shape (B,)
    """
    sigma2, m, B = at.c / nn, model.n_params, len(nn)
    alpha, J = np.empty((m + 1, B)), np.zeros((m + 1, m + 1, B))
    alpha[m], J[m, m] = 0.5 * np.log(sigma2), 1.0
    free, sure = np.ones((m + 1, B), dtype=bool), np.ones(B, dtype=bool)
    for block, s, D in zip(model.blocks, model.slices, D_blocks, strict=True):
        Sigma = sigma2 * sandwich(block.metric, D)
        moved = block.metric @ block.structure.basis @ block.metric.T
        alpha[s], J[s, s], J[s, m] = _slopes(block.structure, Sigma, moved, sigma2)
        free[s], far = _inside(block, D)
        sure &= far
    a = m + 1
    nothing = np.full((B, a, a), np.nan)
    if not std_errors:
        return ManyVariances(alpha.T, nothing, nothing, nothing, np.ones(B, dtype=bool))
    H, moves = _hessian(model, at, sigma2)
    lost = np.flatnonzero(~free.all(axis=0))
    if len(lost):
        part, J[..., lost] = at.take(lost), np.eye(a)[..., None]
        H[..., lost], moves[..., lost] = _bounded(
            model, [D[..., lost] for D in D_blocks], part, nn[lost], free[:, lost]
        )
    half, definite = _inverse_root(H, free)
    J = J.transpose(2, 0, 1) * free.T[:, :, None]
    Jh = J @ half
    vcov = 2.0 * Jh @ Jh.swapaxes(1, 2)
    held = ~free.T
    vcov[held[:, :, None] | held[:, None, :]] = np.nan
    sure &= definite & (np.isfinite(vcov).all(axis=(1, 2)) | held.any(axis=1))
    moves[m] *= 2.0  # of log sigma
    basis = moves.transpose(2, 0, 1) * free.T[:, None, :]
    return ManyVariances(alpha.T, vcov, basis, np.sqrt(2.0) * half, sure)


def _hessian(
    model: VarianceModel, at: ManyPieces, sigma2: Array
) -> tuple[Array, Array]:
    """Hessian of -2 L* in the elements of the D_b and log sigma, and the moves."""
    m, B = model.n_params, len(sigma2)
    slope = np.zeros((m + 1, B))
    for block, s in zip(model.blocks, model.slices, strict=True):
        pulled = sandwich(block.Lambda.T, at.c_D[block.floor])
        slope[s] = np.tensordot(block.structure.basis, pulled, axes=([1, 2], [0, 1]))
    H = np.zeros((m + 1, m + 1, B))
    assert at.c_2 is not None
    assert at.l_2 is not None
    H[:m, :m] = at.c_2 / sigma2 + at.l_2
    H[m] -= 2.0 * slope / sigma2
    H[:, m] -= 2.0 * slope / sigma2
    H[m, m] += 4.0 * at.c / sigma2
    return H, np.repeat(np.eye(m + 1)[..., None], B, axis=2)


def _bounded(
    model: VarianceModel,
    D_blocks: list[Array],
    at: ManyPieces,
    nn: Array,
    free: Array,
) -> tuple[Array, Array]:
    """The same in the free alpha and log sigma (Eq. 15); others are held.

    The second result has each of them as elements of the D_b and log sigma, a column
    each.
    """
    sigma2, m, B = at.c / nn, model.n_params, len(nn)
    pick = np.zeros((m + 1, m + 1, B))
    pick[m, m] = 1.0
    c_1, bend = np.zeros((m + 1, B)), np.zeros((m + 1, m + 1, B))
    for block, s, D in zip(model.blocks, model.slices, D_blocks, strict=True):
        first, second = _curves(block.structure, sandwich(block.metric, D))
        back = np.linalg.inv(block.metric)
        first = np.array([sandwich(back, M) for M in first])
        C = sandwich(block.Lambda.T, at.c_D[block.floor])
        W = C / sigma2 + sandwich(block.Lambda.T, at.l_D[block.floor])
        W_back = sandwich(back.T, W)
        for k, (i, j) in enumerate(block.structure.places):
            pick[s, s.start + k] = first[:, i, j]
            pick[m, s.start + k] = -2.0 * D[i, j]
        c_1[s] = np.einsum("mabB,abB->mB", first, C)
        c_1[m] -= 2.0 * np.einsum("abB,abB->B", C, D)
        bend[s, s] = np.einsum("mnabB,abB->mnB", second, W_back)
        crossed = -2.0 * np.einsum("mabB,abB->mB", first, W)
        bend[s, m] += crossed
        bend[m, s] += crossed
        bend[m, m] += 4.0 * np.einsum("abB,abB->B", W, D)
    assert at.c_2 is not None
    assert at.l_2 is not None
    own = at.c_2 / sigma2 + at.l_2
    half = np.einsum("xiB,ijB->xjB", pick[:, :m], own)
    H = np.einsum("xjB,yjB->xyB", half, pick[:, :m]) + bend
    H[m] -= 2.0 * c_1 / sigma2
    H[:, m] -= 2.0 * c_1 / sigma2
    H[m, m] += 4.0 * nn
    return np.where(free[:, None] & free[None], H, 0.0), pick.swapaxes(0, 1)


def _curves(structure: Structure, Sigma: Array) -> tuple[Array, Array]:
    """First and second derivatives of Sigma in alpha, (m, q, q, B), (m, m, q, q, B)."""
    q, m, pattern = structure.q, structure.n_params, structure.pattern
    sd = np.sqrt(np.einsum("aaB->aB", Sigma).clip(0.0))
    scale = sd[:, None] * sd[None]
    r = np.divide(Sigma, scale, out=np.zeros_like(Sigma), where=scale > 0)
    off = ~np.eye(q, dtype=bool)
    diagonal = pattern.diagonal()
    number = np.arange(m)[:, None, None]
    u = (diagonal[:, None] == number).astype(float) + (diagonal[None, :] == number)
    c = ((pattern == number) & off).astype(float)
    u, c = u[..., None], c[..., None]
    slope = (1.0 - r**2) * scale
    bend = -2.0 * r * slope
    second = u[:, None] * u[None] * Sigma + c[:, None] * c[None] * bend
    second = second + (u[:, None] * c[None] + c[:, None] * u[None]) * slope
    return u * Sigma + c * slope, second


def _inverse_root(H: Array, free: Array) -> tuple[Array, Array]:
    """F with F F' = H^-1 in the free parameters, (B, a, a), and where H is definite."""
    a = len(H)
    H = np.where(free[:, None] & free[None], H, np.eye(a)[..., None]).transpose(2, 0, 1)
    size = np.sqrt(np.abs(np.einsum("Bii->Bi", H)))
    finite = np.isfinite(H).all(axis=(1, 2)) & (size > 0).all(axis=1)
    H = np.where(finite[:, None, None], H, np.eye(a))
    size = np.where(finite[:, None], size, 1.0)
    values, vectors = np.linalg.eigh(H / (size[:, :, None] * size[:, None, :]))
    definite = np.logical_and(finite, values[:, 0] > POSITIVE)
    half = vectors / np.sqrt(np.abs(values))[:, None, :] / size[:, :, None]
    return half * free.T[:, :, None], definite


def _inside(block: Block, D: Array) -> tuple[Array, Array]:
    """Which alpha are off the boundary, (m, B), as ``Structure.inside`` has it.

    And whether D is not so close to the boundary that rounding decides.
    """
    structure, metric = block.structure, block.metric
    values = np.linalg.eigvalsh(D.transpose(2, 0, 1))
    top = np.maximum(1.0, values[:, -1])
    null = values <= ZERO * top[:, None]
    whole = (metric**2).sum(axis=1)
    zero = np.einsum("aaB->aB", sandwich(metric, D)) <= ZERO * whole[:, None]
    singular = null.sum(axis=1) > zero.sum(axis=0)
    inside = np.array(
        [
            ~zero[i] & ~zero[j] & (~singular if i != j else True)
            for i, j in structure.places
        ]
    )
    far = (null | (values > NEAR * top[:, None])).all(axis=1)
    return inside, np.asarray(far)


def _slopes(
    structure: Structure, Sigma: Array, moved: Array, sigma2: Array
) -> tuple[Array, Array, Array]:
    """alpha, its slopes in the elements of D and in log sigma, of every response."""
    m, B = structure.n_params, len(sigma2)
    alpha, J, on_sigma = np.empty((m, B)), np.zeros((m, m, B)), np.zeros((m, B))
    variance = np.einsum("aaB->aB", Sigma).clip(0.0)
    sd = np.sqrt(variance)
    steps = np.einsum("maa->ma", moved)  # the elements' shares in the variances
    log_sd = 0.5 * steps[:, :, None] * sigma2 / variance
    for k, (i, j) in enumerate(structure.places):
        if i == j:
            alpha[k] = 0.5 * np.log(variance[i])
            J[k], on_sigma[k] = log_sd[:, i], 1.0
            continue
        size = sd[i] * sd[j]
        r = np.clip(Sigma[i, j] / size, -1.0, 1.0)
        alpha[k] = np.arctanh(r)
        slope = moved[:, i, j][:, None] * sigma2 / size
        J[k] = (slope - r * (log_sd[:, i] + log_sd[:, j])) / ((1.0 - r) * (1.0 + r))
    return alpha, J, on_sigma
