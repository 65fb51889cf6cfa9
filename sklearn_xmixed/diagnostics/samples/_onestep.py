"""Variance parameters without a top-level group, by one Newton step.

At the optimum for all groups, the gradient and the Hessian of -2L of the others are
known group by group: the sums of Eq. (14) of the likelihood page less the group's own
part, with beta and c those of the others; the Hessian is a complex step of this gradient
along each direction.  One step leaves an error that is quadratic in the change
(Eqs. 6-8 of the diagnostics page).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...covariance import PARAMETERIZATIONS, Parameterization, Structure
from ...covariance._parameterization import MatLog, MatSqrt
from ...likelihood import VarianceModel, equation_blocks
from ...likelihood._pieces import STEP
from ...likelihood.nested._tree import ascend, descend
from ._nested import NestedRows
from ._onestep_result import OneStep
from ._path import cross_products

__all__ = ["one_step"]

Array = np.ndarray

#: of differences in psi of a gradient that is itself exact
PSI_STEP = 1e-4
#: a longer step on matrix logarithms is taken on square roots instead, one of the
#: residuals' parameters not at all
SHORT = 1.0


@dataclass(frozen=True, eq=False)
class _Others:
    """All groups but one, at one D and psi, for every group.

    Parameters
    ----------
    delta : ndarray of shape (p, M)
    c, l : ndarray of shape (M,)
    G : list of ndarray of shape (q, q, M)
        d(-2L)/dD per floor.
    """

    delta: Array
    c: Array
    l: Array
    G: list[Array]


def one_step(sample: NestedRows, groups: Array) -> OneStep:
    """One Newton step from the optimum for every group.

    It is taken on matrix logarithms where it is short, on matrix square roots, which
    reach zero, otherwise: the likelihood is closer to a parabola in the former.

    Parameters
    ----------
    groups : ndarray of int, shape (n,)
        Independent groups of the rows, in their order: those of the highest level with
        random effects, or any without.
    """
    fitted = sample.fitted
    D = fitted.posterior.D
    blocks = equation_blocks(sample.compiled.design, fitted.pool, sample.tree)
    model = VarianceModel(blocks, len(D), PARAMETERIZATIONS["matsqrt"])
    D_blocks = []
    for block, equation in zip(blocks, fitted.equations, strict=True):
        lift = np.linalg.inv(block.metric)
        D_blocks.append(lift @ equation.Sigma @ lift.T / fitted.sigma2)
    first = np.flatnonzero(np.append(True, groups[1:] != groups[:-1]))
    n_left = sample.n - np.add.reduceat(sample.total_weights, first)
    nn = n_left - sample.p * fitted.reml
    here = _others(sample, D, nn, first)
    found = _Curve.at(sample, model, here, nn, first)
    d, shift = found.step(MatSqrt(), D_blocks, here)
    if all(_inside(x) for x in D_blocks):
        d_log, other = found.step(MatLog(), D_blocks, here)
        short = found.length <= SHORT
        shift = np.where(short[:, None], other, shift)
        d = [
            np.where(short[:, None, None], x, y) for x, y in zip(d_log, d, strict=True)
        ]
    far = np.abs(shift[:, model.n_params :]).max(axis=1, initial=0.0) > SHORT
    shift[far] = np.nan
    log_c = np.einsum("gk,gk->g", found.log_c, shift)
    sigma2 = here.c / nn * np.exp(log_c)
    delta = here.delta.T + np.einsum("gpk,gk->gp", found.slope, shift)
    Sigmas = [
        block.metric @ (sigma2[:, None, None] * x) @ block.metric.T
        for block, x in zip(blocks, d, strict=True)
    ]
    return OneStep(Sigmas, sigma2, delta, shift[:, model.n_params :])


@dataclass(eq=False)
class _Curve:
    """Derivatives along the elements of the D_b and psi, for every group.

    Parameters
    ----------
    model : VarianceModel
    g : ndarray of shape (M, m)
    H : ndarray of shape (M, m, m)
        Of -2L.
    log_c : ndarray of shape (M, m)
    slope : ndarray of shape (M, p, m)
        Of the coefficients.
    length : ndarray of shape (M,)
        Largest change of a parameter of the D_b in the last step.
    """

    model: VarianceModel
    g: Array
    H: Array
    log_c: Array
    slope: Array
    length: Array

    @classmethod
    def at(
        cls,
        sample: NestedRows,
        model: VarianceModel,
        here: _Others,
        nn: Array,
        first: Array,
    ) -> _Curve:
        D = sample.fitted.posterior.D
        elements, M, m = model.elements(), len(nn), model.n_params
        psi = sample.psi
        size = m + len(psi)
        g, log_c = np.empty((M, size)), np.empty((M, size))
        H, slope = np.empty((M, size, size)), np.empty((M, sample.p, size))

        def along(there: _Others, k: int) -> None:
            for l, (other, change) in enumerate(elements):
                slopes = np.einsum("abg,ab->g", there.G[other].imag, change)
                H[:, l, k] = H[:, k, l] = slopes / STEP
            log_c[:, k] = there.c.imag / STEP / here.c
            slope[:, :, k] = there.delta.T.imag / STEP

        for k, (floor, change) in enumerate(elements):
            g[:, k] = np.einsum("abg,ab->g", here.G[floor], change)
            moved = [x.astype(complex) for x in D]
            moved[floor] = moved[floor] + 1j * STEP * change
            along(_others(sample, moved, nn, first), k)
        for k in range(len(psi)):
            there = _complex_psi(sample, psi, k, nn, first)
            g[:, m + k] = _slope(there, nn)
            along(there, m + k)
        if len(psi):
            g[:, m:] += _log_det_slopes(sample, psi, first)
            for l in range(len(psi)):
                move = np.zeros(len(psi))
                move[l] = PSI_STEP * max(1.0, abs(psi[l]))
                ends = []
                for at in (psi + move, psi - move):
                    sides = [
                        _slope(_complex_psi(sample, at, k, nn, first), nn)
                        for k in range(len(psi))
                    ]
                    lambda_ = _log_det_slopes(sample, at, first)
                    ends.append(np.column_stack(sides) + lambda_)
                H[:, m:, m + l] = (ends[0] - ends[1]) / (2.0 * move[l])
            stuck = m + np.flatnonzero(sample.fitted.errors.model.at_boundary(psi))
            g[:, stuck] = 0.0
            H[:, stuck] = H[:, :, stuck] = 0.0
            H[:, stuck, stuck] = 1.0
        H = 0.5 * (H + H.transpose(0, 2, 1))
        return cls(model, g, H, log_c, slope, np.zeros(M))

    def step(
        self, metric: Parameterization, D_blocks: Sequence[Array], here: _Others
    ) -> tuple[list[Array], Array]:
        """D_b after the step, (M, q, q) each, and the linear change of the elements."""
        m = self.model.n_params
        J, bend = np.eye(self.H.shape[1]), np.zeros_like(self.H)
        starts = []
        for block, s, D in zip(
            self.model.blocks, self.model.slices, D_blocks, strict=True
        ):
            structure = block.structure
            gamma = metric.inverse(structure, D)
            starts.append(gamma)
            first = metric.first(structure, gamma)
            J[s, s] = np.column_stack([structure.gather(M) for M in first])
            W = np.einsum(
                "ba,bcg,cd->gad", block.Lambda, here.G[block.floor], block.Lambda
            )
            bend[:, s, s] = np.einsum(
                "gab,abij->gij", W, _second(metric, structure, gamma)
            )
        step = _solve_where_definite(J.T @ self.H @ J + bend, -self.g @ J)
        with np.errstate(invalid="ignore"):
            self.length = np.abs(step[:, :m]).max(axis=1, initial=0.0)
        out = []
        for block, s, gamma in zip(
            self.model.blocks, self.model.slices, starts, strict=True
        ):
            S = np.tensordot(gamma + step[:, s], block.structure.basis, axes=1)
            out.append(_square(S) if metric.name == "matsqrt" else _exponential(S))
        return out, step @ J.T


def _inside(D: Array) -> bool:
    values = np.linalg.eigvalsh(D)
    return bool(values[0] > 1e-6 * max(values[-1], 1e-6))


def _square(S: Array) -> Array:
    return S @ S


def _exponential(S: Array) -> Array:
    known = np.isfinite(S).all(axis=(1, 2), keepdims=True)
    values, vectors = np.linalg.eigh(np.where(known, S, 0.0))
    values = np.exp(values.clip(-50.0, 50.0))
    out = np.einsum("gab,gb,gcb->gac", vectors, values, vectors)
    return np.where(known, out, np.nan)


def _second(metric: Parameterization, structure: Structure, gamma: Array) -> Array:
    """d2D_ab/dgamma2 as an array of shape (q, q, m, m), symmetric in a and b."""
    q, m = structure.q, structure.n_params
    out = np.empty((q, q, m, m))
    for a in range(q):
        for b in range(q):
            W = np.zeros((q, q))
            W[a, b] += 0.5
            W[b, a] += 0.5
            out[a, b] = metric.second(structure, gamma, W)
    return out


def _others(sample: NestedRows, D: Sequence[Array], nn: Array, first: Array) -> _Others:
    """c, l, the coefficients and d(-2L)/dD without each group."""
    root = sample.fitted.posterior.pieces.root
    p, reml = sample.p, sample.fitted.reml
    nodes = sample.grow(D)
    own_S = nodes[-1].given if nodes else cross_products(sample.whitened, first)
    S = own_S.sum(axis=-1)[:, :, None] - own_S  # (p + 1, p + 1, M)
    S = S.transpose(2, 0, 1)
    with np.errstate(all="ignore"):
        det = np.linalg.det(S[:, :p, :p])
        whole = np.abs(det) > 1e-12
        safe = np.where(whole[:, None, None], S[:, :p, :p], np.eye(p))
        Q = np.linalg.inv(safe)
    delta = np.einsum("gab,gb->ga", Q, S[:, :p, p])
    c = S[:, p, p] - np.einsum("ga,ga->g", S[:, :p, p], delta)
    lost = ~(whole & (nn > 0) & (c.real > 0))
    weight = np.where(lost, np.nan, nn / np.where(lost, 1.0, c))
    c, delta = np.where(lost, np.nan, c), np.where(lost[:, None], np.nan, delta)
    l = np.zeros(len(nn), dtype=c.dtype)
    if reml:
        l = l + np.log(np.where(whole, det, 1.0))
    if not nodes:
        return _Others(delta.T, c, l, [])
    Phi = np.zeros((p + 1, p + 1))
    Phi[:, 0] = root.v
    Phi[:p, 1:] = root.F
    (shard,) = sample.tree.shards
    down = descend(shard, list(D), ascend(shard, list(D), p + 1), Phi)
    # e - E delta = [e E] (1, -delta)
    tail = np.concatenate([np.ones((len(delta), 1)), -delta], axis=1)
    G = []
    for k, floor in enumerate(shard.floors):
        T, drop, E = down.T[k], down.drop[k], down.E[k]
        share = floor.shares[-1]
        taken = T * floor.count
        if drop is not None:
            taken = taken - (drop if share is None else drop * share)
        log_det = nodes[k].log_det * floor.count
        Es = E if share is None else E * share
        products = np.einsum("axg,byg->xyabg", Es, E)
        if floor.starts:
            starts = floor.starts[-1]
            taken = np.add.reduceat(taken, starts, axis=-1)
            products = np.add.reduceat(products, starts, axis=-1)
            log_det = np.add.reduceat(log_det, starts)
        l = l + log_det.sum() - log_det
        others = products.sum(axis=-1)[..., None] - products
        c_D = -np.einsum("gx,gy,xyabg->abg", tail, tail, others, optimize=True)
        l_D = taken.sum(axis=-1)[..., None] - taken
        if reml:
            l_D = l_D - np.einsum("gxy,xyabg->abg", Q, others[1:, 1:], optimize=True)
        G.append(weight * c_D + l_D)
    return _Others(delta.T, c, l, G)


def _complex_psi(
    sample: NestedRows, psi: Array, k: int, nn: Array, first: Array
) -> _Others:
    """The same with an imaginary step in one psi."""
    moved = psi.astype(complex)
    moved[k] += 1j * STEP
    return _others(sample.at(moved), sample.fitted.posterior.D, nn, first)


def _slope(there: _Others, nn: Array) -> Array:
    """Derivative of nn log c + l along an imaginary step."""
    return (nn * np.log(there.c) + there.l).imag / STEP


def _log_det_slopes(sample: NestedRows, psi: Array, first: Array) -> Array:
    """Gradient of log|Lambda| of the others, (M, k)."""
    owner = np.repeat(np.arange(len(first)), np.diff(np.append(first, len(sample.W))))
    own = sample.log_det_slopes(psi, owner)
    return own.sum(axis=0) - own


def _solve_where_definite(H: Array, rhs: Array) -> Array:
    """H^-1 rhs group by group; nan where H is not positive definite."""
    known = np.isfinite(H).all(axis=(1, 2)) & np.isfinite(rhs).all(axis=1)
    out = np.full(rhs.shape, np.nan)
    if not known.any() or not rhs.shape[1]:
        return out
    at = np.flatnonzero(known)
    values, vectors = np.linalg.eigh(H[at])
    largest = np.abs(values).max(axis=1, keepdims=True)
    # along a direction that leaves zero both the gradient and the curvature vanish
    definite = (values > -1e-9 * largest).all(axis=1)
    along = np.einsum("gab,ga->gb", vectors, rhs[at])
    flat = values <= 1e-9 * largest
    along = np.where(flat, 0.0, along / np.where(flat, 1.0, values))
    step = np.einsum("gab,gb->ga", vectors, along)
    out[at[definite]] = step[definite]
    return out
