"""Effects that are taken from y before its products are formed.

Where the residuals are small beside the effects, y'V^-1 y is a difference of sums of
products that have half of the digits.  With the effects u_0 that fit y by least squares
taken off in the rows, y_0 = y - Z u_0, and u = u_0 + w,

    |y - X b - Z u|^2 + u'D^-1 u = |y_0 - X b - Z w|^2 + (u_0 + w)'D^-1 (u_0 + w),

which is the problem of before with y_0'y_0 + u_0'D^-1 u_0 for y'y and Z'y_0 - D^-1 u_0 for
Z'y: all of them are as small as the residuals.  Where D is small, or singular, along some
direction, effects along it are put back.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import lsmr

from ...design._design import Design
from .._basis import Pool
from ._crossing import Crossing, rows_of, wide

__all__ = ["Centred", "centred", "taken_off"]

Array = np.ndarray

#: effects whose variance times the largest cross-product is below this are put back
SMALL = 1.0


@dataclass(frozen=True, eq=False)
class Centred:
    """Products with [X y] at some D.

    Parameters
    ----------
    total, B_first, B_rest : ndarray
        As of ``Crossing``; y's as above.
    kept : dict of int to (u_0, D^-1 u_0)
        By term, shape (G, q) each, along the directions that are not put back.
    """

    total: Array
    B_first: Array
    B_rest: Array
    kept: dict[int, tuple[Array, Array]]


def centred(x: Crossing, D: list[Array]) -> Centred:
    """Products at D about the effects that were taken off."""
    if x.taken is None:
        return Centred(x.total, x.B_first, x.B_rest, {})
    total, B_first, B_rest = x.total.copy(), x.B_first.copy(), x.B_rest.copy()
    kept, back = {}, []
    for t, u in enumerate(x.taken):
        values, vectors = np.linalg.eigh(D[t])
        large = values * _largest(x, t) >= SMALL
        vectors = vectors[:, large]
        own = u @ vectors
        slope, stays = (own / values[large]) @ vectors.T, own @ vectors.T
        back.append(np.zeros(u.shape) if large.all() else u - stays)
        if not large.any():
            continue
        kept[t] = stays, slope
        total[-1, -1] += float(np.sum(stays * slope))
        if t == x.first:
            B_first[:, -1] -= slope.ravel()
        else:
            B_rest[x.slices[t], -1] -= slope.ravel()
    if any(u.any() for u in back):
        _put_back(x, back, total, B_first, B_rest)
    return Centred(total, B_first, B_rest, kept)


def _put_back(
    x: Crossing, back: list[Array], total: Array, B_first: Array, B_rest: Array
) -> None:
    """Products of y_0 plus Z u, in place."""
    first = back[x.first].ravel()
    rest = np.concatenate([back[t].ravel() for t in x.rest] or [np.zeros(0)])
    on_first = x.A_cross @ rest
    on_first += (x.A_first @ back[x.first][:, :, None])[:, :, 0].ravel()
    on_rest = x.A_rest @ rest + x.A_cross.T @ first
    on_top = first @ x.B_first + rest @ x.B_rest  # of [X y_0]
    B_first[:, -1] += on_first
    B_rest[:, -1] += on_rest
    total[-1, -1] += 2.0 * on_top[-1] + first @ on_first + rest @ on_rest
    total[:-1, -1] += on_top[:-1]
    total[-1, :-1] = total[:-1, -1]


def _largest(x: Crossing, t: int) -> float:
    """The largest cross-product of a term's columns with themselves."""
    if t == x.first:
        return float(np.einsum("gaa->ga", x.A_first).max(initial=0.0))
    return float(x.A_rest.diagonal()[x.slices[t]].max(initial=0.0))


def taken_off(design: Design, pool: Pool, x: Crossing) -> tuple[Crossing, Pool]:
    """Take the effects that fit y by least squares from it, in the rows.

    Returns
    -------
    crossing : Crossing
    pool : Pool
        Its y has the fixed part of that fit taken off as well.
    """
    top, codes, columns, sizes = rows_of(design, pool)
    Z = [wide(c, z, G) for c, z, G in zip(codes, columns, sizes, strict=True)]
    X, y, p = top[:, :-1], top[:, -1], pool.p
    everything = sparse.hstack([sparse.csr_array(X), *Z], format="csr")
    solved = lsmr(everything, y, atol=1e-13, btol=1e-13, conlim=0.0, maxiter=2000)
    found = np.asarray(solved[0])
    beta, u = found[:p], found[p:]
    ends = np.cumsum([0, *(q * G for q, G in zip(x.q, x.G, strict=True))])
    taken = tuple(
        u[a:b].reshape(G, q)
        for a, b, G, q in zip(ends[:-1], ends[1:], x.G, x.q, strict=True)
    )
    left = y - everything @ found
    w = design.weights
    weighted = left if w is None else left * w
    total, B_first, B_rest = x.total.copy(), x.B_first.copy(), x.B_rest.copy()
    total[:-1, -1] = total[-1, :-1] = X.T @ weighted
    total[-1, -1] = left @ weighted
    B_first[:, -1] = Z[x.first].T @ weighted
    if x.rest:
        B_rest[:, -1] = np.concatenate([Z[t].T @ weighted for t in x.rest])
    matrix = pool.matrix.copy()
    matrix[:, -1] -= matrix[:, -p - 1 : -1] @ beta
    moved = replace(
        pool, matrix=matrix, beta_0=pool.beta_0 + np.linalg.solve(pool.R, beta)
    )
    return replace(x, total=total, B_first=B_first, B_rest=B_rest, taken=taken), moved
