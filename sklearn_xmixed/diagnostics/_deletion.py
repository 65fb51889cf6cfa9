"""What the estimates would be without a unit, the variance parameters held fixed.

In the columns [X F, y - X beta] the cross-products of the whole sample are the identity,
zero and c, so with the unit's factor L = [L_x L_r]

    N = I - L_x L_x',     delta = -F L_x' N^-1 L_r,     c_(u) = c - L_r' N^-1 L_r

(Eqs. 3-5 of the diagnostics page).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ..likelihood._eliminate import forward, semidefinite_root
from ._crossed import CrossedSample, units
from ._path import climb, cross_products, left_out
from ._sample import Sample

__all__ = ["Deletion", "delete_groups", "delete_rows"]

Array = np.ndarray

#: numbers in one batch of units
BATCH = 1 << 22
#: a smaller pivot means that X loses rank without the unit
RANK = 1e-10


@dataclass(frozen=True, eq=False)
class Deletion:
    """Units taken away one at a time.

    nan where the others do not determine the coefficients.

    Parameters
    ----------
    delta : ndarray of shape (p, u)
        Change of the coefficients of X F.
    c : ndarray of shape (u,)
        Residual sum of squares of the others.
    leverage : ndarray of shape (u,)
        tr(L_x L_x'): the unit's share of the information about the coefficients.
    cooks_distance, mdffits, covtrace, covratio : ndarray of shape (u,)
    residual : ndarray
        Of each row about its prediction from the others.
    residual_variance : ndarray
        Of rows alone: its variance over sigma^2.
    """

    delta: Array
    c: Array
    leverage: Array
    cooks_distance: Array
    mdffits: Array
    covtrace: Array
    covratio: Array
    residual: Array
    residual_variance: Array


def delete_rows(sample: Sample | CrossedSample) -> Deletion:
    """Each row in its turn."""
    if isinstance(sample, CrossedSample):
        return _delete_crossed(sample, np.arange(len(sample.W)))
    factors, precision = sample.row_factors
    at = sample.floor_codes[0] if sample.floor_codes else np.zeros(len(factors), int)
    parts = []
    for part in _batches(len(factors), factors.shape[1]):
        there = climb(sample.nodes, factors[part].T[None], at[part])
        found = _at_root(sample, there.L)
        own = np.sqrt(precision[part] * there.size)
        left = 1.0 - found["leverage"]
        with np.errstate(divide="ignore", invalid="ignore"):
            residual = there.L[0, -1] / np.sqrt(there.share) / own / left
            variance = 1.0 / (own**2 * left)
        lost = np.isnan(found["c"])
        found["residual"] = np.where(lost, np.nan, residual)
        found["residual_variance"] = np.where(lost, np.nan, variance)
        parts.append(found)
    return _joined(parts)


def delete_groups(sample: Sample | CrossedSample, number: int) -> Deletion:
    """Each group of a level in its turn.

    Parameters
    ----------
    number : int
        Level among those asked for, top level 0.
    """
    codes = sample.codes[number]
    if isinstance(sample, CrossedSample):
        return _delete_crossed(sample, codes)
    used = sample.compiled.level_numbers
    inside = [k for k in used if k >= number]
    m = sample.p + 1
    if inside:
        floor = len(used) - 1 - used.index(inside[0])
        node = sample.nodes[floor]
        own = np.empty(node.given.shape[-1], dtype=np.intp)
        own[sample.floor_codes[floor]] = codes
        above = sample.nodes[floor + 1 :]
        given, parents = node.given, node.parents
        first = np.flatnonzero(np.append(True, own[1:] != own[:-1]))
        if len(first) < len(own):
            given = np.add.reduceat(given, first, axis=-1)
        at = parents[first]
    else:
        first = np.flatnonzero(np.append(True, codes[1:] != codes[:-1]))
        given = cross_products(sample.whitened, first)
        above = sample.nodes
        at = (
            sample.floor_codes[0][first] if sample.floor_codes else np.zeros_like(first)
        )
    depth = len(above)
    columns = sample.W[:, sample.W.shape[1] - given.shape[0] :]
    residual = columns[:, -1].copy()
    starts = np.searchsorted(codes, np.arange(given.shape[-1] + 1))
    parts = []
    for part in _batches(given.shape[-1], given.shape[0] ** 2):
        L = semidefinite_root(given[:, :, part], given.shape[0])
        there = climb(above, L, at[part])
        found = _at_root(sample, there.L)
        delta = found["delta"]
        rows = slice(starts[part.start], starts[part.start + delta.shape[1]])
        unit = codes[rows] - part.start
        residual[rows] -= np.einsum("np,pn->n", columns[rows, -m:-1], delta[:, unit])
        place = 0
        for u in left_out(above, there.steps, delta) if depth else []:
            z = columns[rows, place : place + len(u)]
            residual[rows] -= np.einsum("nq,qn->n", z, u[:, unit])
            place += len(u)
        parts.append(found)
    out = _joined(parts)
    return Deletion(**{**out.__dict__, "residual": residual})


def _delete_crossed(sample: CrossedSample, codes: Array) -> Deletion:
    """Units of any kind where factors cross."""
    n, m = len(sample.W), sample.p + 1
    residual, variance = np.empty(n), np.empty(n)
    parts, numbers = [], []
    for number, rows, L, root in units(sample, codes):
        w = root @ L.transpose(2, 0, 1)  # (V^-1 [X F, r])_A
        if len(L) > m:
            squares = np.einsum("sau,sbu->abu", L, L)
            L = semidefinite_root(squares, m)
        found = _at_root(sample, L)
        delta = found["delta"].T
        left = w[:, :, -1] - np.einsum("usp,up->us", w[:, :, :-1], delta)
        Q = root @ root.transpose(0, 2, 1)
        weight = np.sqrt(sample.weights[rows])
        residual[rows] = np.linalg.solve(Q, left[:, :, None])[:, :, 0] / weight
        if rows.shape[1] == 1:
            with np.errstate(divide="ignore", invalid="ignore"):
                own = Q[:, 0, 0] * (1.0 - found["leverage"]) * weight[:, 0] ** 2
                own = np.where(np.isnan(found["c"]), np.nan, 1.0 / own)
            variance[rows[:, 0]] = own
        parts.append(found)
        numbers.append(number)
    out = _joined(parts)
    back = np.argsort(np.concatenate(numbers), kind="stable")
    changed = {
        k: v[..., back] for k, v in out.__dict__.items() if not k.startswith("residual")
    }
    return Deletion(**changed, residual=residual, residual_variance=variance)


def _at_root(sample: Sample | CrossedSample, L: Array) -> dict[str, Array]:
    """Everything that follows from the factors; nan where X loses rank."""
    p = sample.p
    x = L[:, :p]
    N = -np.einsum("spu,tpu->stu", x, x)
    N[np.arange(len(L)), np.arange(len(L))] += 1.0
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        pivots, half = forward(N, L)
        lost = ~(pivots**2 > RANK).all(axis=0)
        hx, hr = half[:, :p], half[:, p]
        delta = -np.einsum("spu,su->pu", hx, hr)
        size = (delta**2).sum(axis=0)
        own = (np.einsum("spu,pu->su", x, delta) ** 2).sum(axis=0)
        found = {
            "delta": delta,
            "c": sample.c - (hr**2).sum(axis=0),
            "cooks_distance": size / (p * sample.fitted.sigma2) if p else size,
            "mdffits": (size - own) / (p * sample.fitted.sigma2) if p else size,
            "covtrace": (hx**2).sum(axis=(0, 1)),
            "covratio": np.prod(pivots, axis=0) ** -2,
        }
    found = {k: np.where(lost, np.nan, v) for k, v in found.items()}
    found["leverage"] = (x**2).sum(axis=(0, 1))
    found["residual"] = found["residual_variance"] = np.zeros(0)
    return found


def _batches(n: int, width: int) -> Iterator[slice]:
    step = max(1, BATCH // max(1, width))
    for start in range(0, n, step):
        yield slice(start, min(start + step, n))


def _joined(parts: list[dict[str, Array]]) -> Deletion:
    return Deletion(
        **{k: np.concatenate([x[k] for x in parts], axis=-1) for k in parts[0]}
    )
