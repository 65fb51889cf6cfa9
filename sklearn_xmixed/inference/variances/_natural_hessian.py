"""The Hessian of -2 L*, beta profiled out, at an estimate of the variance parameters."""

from __future__ import annotations

import numpy as np

from ...estimation._estimate import Estimate
from ...likelihood import Pieces

__all__ = ["direction_hessian", "joint_hessian"]

Array = np.ndarray


def direction_hessian(estimate: Estimate) -> tuple[Array, Array]:
    """Hessian of -2 L* along directions of the D_b, in psi and log sigma.

    D does not move with log sigma here and, inside the parameter space, the
    gradient vanishes, so nothing but c and l bends.

    Returns
    -------
    H : ndarray of shape (m, m)
    steps : ndarray of shape (m, m)
        The directions as elements of the D_b; psi and log sigma as they are.
    """
    model, weight = estimate.objective.model, 1.0 / estimate.sigma2
    pieces, bases = _second_order(estimate, np.inf)
    assert pieces.c_D is not None
    assert pieces.c_2 is not None
    assert pieces.l_2 is not None
    m = model.n_params
    slope = np.zeros(m + 1)
    psi = len(estimate.psi)
    steps = np.eye(m + psi + 1)
    C_b = model.pull(pieces.c_D)
    for k, (block, s) in enumerate(zip(model.blocks, model.slices, strict=True)):
        basis = block.structure.basis
        slope[s] = bases[k] @ (basis.reshape(len(basis), -1) @ C_b[k].ravel())
        steps[s, s] = bases[k].T
    H = np.zeros((m + 1, m + 1))
    H[:m, :m] = weight * pieces.c_2 + pieces.l_2
    H[m, :] -= 2.0 * weight * slope
    H[:, m] -= 2.0 * weight * slope
    H[m, m] += 4.0 * weight * pieces.c
    if pieces.psi_2 is not None:
        H = _with_psi(H, np.eye(m + 1, m), pieces, weight)
    return 0.5 * (H + H.T), steps


def joint_hessian(
    estimate: Estimate, curves: list[tuple[list[Array], list[list[Array]]]]
) -> Array:
    """Hessian of -2 L* in the free alpha, psi and log sigma (Eq. 15).

    Parameters
    ----------
    curves : list of (first, second)
        Derivatives of each D_b along its free alpha.
    """
    objective = estimate.objective
    model, weight = objective.model, 1.0 / estimate.sigma2
    pieces, bases = _second_order(estimate, 1e4)
    assert pieces.c_D is not None
    assert pieces.l_D is not None
    assert pieces.c_2 is not None
    assert pieces.l_2 is not None
    # every direction as a combination of those along which derivatives are known;
    # log sigma moves all equations: D = Sigma / sigma^2
    ends = np.cumsum([0, *(len(first) for first, _ in curves)])
    m = int(ends[-1])
    pick = np.zeros((m + 1, model.n_params))
    C_b, L_b = model.pull(pieces.c_D), model.pull(pieces.l_D)
    c_1 = np.zeros(m + 1)
    bend = np.zeros((m + 1, m + 1))
    for k, (block, s) in enumerate(zip(model.blocks, model.slices, strict=True)):
        first, second = curves[k]
        D, W = estimate.D_blocks[k], weight * C_b[k] + L_b[k]
        here = slice(ends[k], ends[k + 1])
        moves = [*first, -2.0 * D]
        targets = np.array([block.structure.gather(M) for M in moves])
        solved = np.linalg.solve(bases[k].T, targets.T).T
        pick[here, s], pick[m, s] = solved[:-1], solved[-1]
        slopes = np.array([np.sum(C_b[k] * M) for M in moves])
        c_1[here] = slopes[:-1]
        c_1[m] += slopes[-1]
        for i, row in enumerate(second):
            for j, M in enumerate(row):
                bend[ends[k] + i, ends[k] + j] += np.sum(W * M)
            cross = -2.0 * np.sum(W * first[i])
            bend[ends[k] + i, m] += cross
            bend[m, ends[k] + i] += cross
        bend[m, m] += 4.0 * np.sum(W * D)
    H = pick @ (weight * pieces.c_2 + pieces.l_2) @ pick.T + bend
    H[m, :] -= 2.0 * weight * c_1
    H[:, m] -= 2.0 * weight * c_1
    H[m, m] += 4.0 * weight * pieces.c
    if pieces.psi_2 is not None:
        H = _with_psi(H, pick, pieces, weight)
    return 0.5 * (H + H.T)


def _with_psi(H: Array, pick: Array, pieces: Pieces, weight: float) -> Array:
    """The residuals' parameters put before log sigma."""
    assert pieces.psi_2 is not None
    assert pieces.c_psi is not None
    m, n_d, k = len(H) - 1, pick.shape[1], pieces.psi_2.shape[1]
    cross = pick @ pieces.psi_2[:n_d]
    cross[m] -= 2.0 * weight * pieces.c_psi
    out = np.empty((m + k + 1, m + k + 1))
    at = np.append(np.arange(m), m + k)
    psi = np.arange(m, m + k)
    out[np.ix_(at, at)] = H
    out[np.ix_(at, psi)] = cross
    out[np.ix_(psi, at)] = cross.T
    out[np.ix_(psi, psi)] = pieces.psi_2[n_d:]
    return out


def _second_order(estimate: Estimate, condition: float) -> tuple[Pieces, list[Array]]:
    """Second derivatives at the optimum, and the directions they are along.

    Those of the last Newton iteration serve again where its directions span
    the structure; at the boundary they do not.

    Parameters
    ----------
    condition : float
        Largest condition number of these directions.

    Returns
    -------
    pieces : Pieces
    bases : list of ndarray of shape (m_b, m_b)
        Direction k of an equation as elements of its structure.
    """
    model, pieces = estimate.objective.model, estimate.pieces
    if pieces.c_2 is not None and estimate.gamma is not None:
        bases = []
        for block, s in zip(model.blocks, model.slices, strict=True):
            first = model.parameterization.first(block.structure, estimate.gamma[s])
            bases.append(first.reshape(len(first), -1) @ block.structure.averages.T)
        if condition == np.inf or all(
            np.linalg.cond(basis) <= condition for basis in bases
        ):
            return pieces, bases
    at = estimate.objective.curvature(estimate.D_blocks, model.elements())
    return at, [np.eye(b.structure.n_params) for b in model.blocks]
