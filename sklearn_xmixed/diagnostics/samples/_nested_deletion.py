"""Rows and groups of a nested model taken away one at a time."""

from __future__ import annotations

import numpy as np

from ...likelihood._eliminate import semidefinite_root
from ._deletion import Deletion, at_root, batches, joined
from ._nested import NestedRows
from ._path import climb, cross_products, left_out

__all__ = ["delete_groups", "delete_rows"]


def delete_rows(sample: NestedRows) -> Deletion:
    """Each row in its turn."""
    factors, precision = sample.row_factors
    at = sample.floor_codes[0] if sample.floor_codes else np.zeros(len(factors), int)
    parts = []
    for part in batches(len(factors), factors.shape[1]):
        there = climb(sample.nodes, factors[part].T[None], at[part])
        found = at_root(sample, there.L)
        own = np.sqrt(precision[part] * there.size)
        left = 1.0 - found["leverage"]
        with np.errstate(divide="ignore", invalid="ignore"):
            residual = there.L[0, -1] / np.sqrt(there.share) / own / left
            variance = 1.0 / (own**2 * left)
        lost = np.isnan(found["c"])
        found["residual"] = np.where(lost, np.nan, residual)
        found["residual_variance"] = np.where(lost, np.nan, variance)
        parts.append(found)
    return joined(parts)


def delete_groups(sample: NestedRows, number: int) -> Deletion:
    """Each group of a level in its turn.

    Parameters
    ----------
    number : int
        Level among those asked for, top level 0.
    """
    codes = sample.codes[number]
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
    for part in batches(given.shape[-1], given.shape[0] ** 2):
        L = semidefinite_root(given[:, :, part], given.shape[0])
        there = climb(above, L, at[part])
        found = at_root(sample, there.L)
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
    out = joined(parts)
    return Deletion(**{**out.__dict__, "residual": residual})
