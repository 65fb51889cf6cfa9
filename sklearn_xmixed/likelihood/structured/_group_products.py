"""Sums of products of every group from patterns: a tree without whitened rows.

Groups of one pattern of times share Q = Lambda^-1.  With Z the random columns of all
levels and W all columns of a group, the tree is grown from

    Z'Q W of every group, and the sum of [X y]'Q [X y] of all,

the latter from one tensor per pattern; derivatives of Lambda move them by -Z'Q dLambda
Q W.  Of a group's rows only Z is multiplied by a matrix, however many columns X has.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..nested._block_weights import BlockWeights
from ..nested._crossproducts import (
    floor_sums,
    own_columns,
    tree_of_sums,
    weights_of_sums,
)
from ..nested._tree import Tree
from ._pattern_plan import PatternPlan, plans_of
from ._pattern_variances import PatternVariances
from ._rows import Rows
from ._tensors import PatternTensors, tensors_by_plan

__all__ = ["GroupProducts", "GroupSums"]

Array = np.ndarray

#: numbers of all derivatives of the sums, and the same beside the numbers in all rows
MAX_MOVES, MAX_SHARE = 1 << 22, 4.0
#: patterns of fewer groups are dealt with together
FEW = 16


@dataclass(frozen=True, eq=False)
class Batch:
    """Groups of one pattern of times, or of several.

    Parameters
    ----------
    groups : ndarray of int, shape (G,)
        Their numbers among all.
    pattern : int or ndarray of int, shape (G,)
    times : ndarray of int, shape (s,)
        Places of their times; all times for several patterns.
    Z : ndarray of shape (s, G, l)
        Random columns, zero at times that are not there.
    W : ndarray of shape (G, s, w)
        All columns.
    """

    groups: Array
    pattern: int | Array
    times: Array
    Z: Array
    W: Array

    def sums(self, Q: Array) -> Array:
        """Z'Q W of every group for some matrices of all patterns.

        (k, P, T, T) -> (k, l, w, G).
        """
        k, (s, G, n_left), w = len(Q), self.Z.shape, self.W.shape[2]
        if isinstance(self.pattern, int):
            own = Q[:, self.pattern][:, self.times[:, None], self.times]
            left = own.reshape(k * s, s) @ self.Z.reshape(s, G * n_left)
            left = left.reshape(k, s, G, n_left).transpose(2, 0, 3, 1)
        else:
            each = Q.transpose(1, 0, 2, 3).reshape(-1, k * s, s)[self.pattern]
            left = (each @ self.Z.transpose(1, 0, 2)).reshape(G, k, s, n_left)
            left = left.transpose(0, 1, 3, 2)
        out = left.reshape(G, k * n_left, s) @ self.W
        return out.reshape(G, k, n_left, w).transpose(1, 2, 3, 0)

    def add_moments(self, R: Array, weights: Array) -> None:
        """Add the sums of Z weights W' to every pattern's R.

        (P, T, T), (l, w, G) -> None.
        """
        right = weights[:, :, self.groups].transpose(2, 0, 1) @ self.W.transpose(
            0, 2, 1
        )
        if isinstance(self.pattern, int):
            s = len(self.times)
            total = self.Z.reshape(s, -1) @ right.reshape(-1, s)
            R[self.pattern, self.times[:, None], self.times] += total
        else:
            each = self.Z.transpose(1, 0, 2) @ right
            starts = np.flatnonzero(np.diff(self.pattern, prepend=-1))
            R[self.pattern[starts]] += np.add.reduceat(each, starts, axis=0)


@dataclass(frozen=True, eq=False)
class GroupSums:
    """Sums that are linear in Q: one for each Q that was asked for.

    Parameters
    ----------
    floors : list of ndarray of shape (k, q, q + r, G)
        [A B] of every level, lowest first.
    total : ndarray of shape (k, p + 1, p + 1)
    """

    floors: list[Array]
    total: Array

    def dot(self, weights: BlockWeights) -> Array:
        """Their sums of products with weights, (k,)."""
        out = np.tensordot(self.total, weights.total, axes=2)
        for own, weight in zip(self.floors, weights.floors, strict=True):
            out = out + own.reshape(len(own), -1) @ weight.ravel()
        return out


@dataclass(frozen=True, eq=False)
class GroupProducts:
    """All groups by pattern of their times.

    Parameters
    ----------
    rows : Rows
    tensors : list of PatternTensors
        Of [X y] alone, by category.
    batches : list of list of Batch
        By category.
    """

    rows: Rows
    tensors: list[PatternTensors]
    batches: list[list[Batch]]

    @classmethod
    def of(cls, rows: Rows) -> GroupProducts | None:
        """None where rows are cheaper."""
        design = rows.design
        if not design.levels or rows.share is not None or rows.count is not None:
            return None
        n_groups = design.levels[-1].n_groups
        width = len(own_columns(rows.pool)) * rows.pool.width
        size = rows.residual.n_params * width * n_groups
        if size > max(MAX_MOVES, MAX_SHARE * rows.W.size):
            return None
        plans = plans_of(rows, effects=False)
        tensors = None if plans is None else tensors_by_plan(plans, rows)
        if plans is None or tensors is None:
            return None
        return cls(rows, tensors, [_laid_out(plan, rows) for plan in plans])

    def sums(self, Qs: list[Array], totals: Array) -> GroupSums:
        """The sums for matrices of every pattern.

        Parameters
        ----------
        Qs : list of ndarray of shape (k, P, T, T)
            By category.
        totals : ndarray of shape (k, p + 1, p + 1)
            Their sums over [X y].
        """
        rows = self.rows
        G = rows.design.levels[-1].n_groups
        width = len(own_columns(rows.pool)), rows.pool.width
        out = np.empty((len(totals), *width, G))
        for batches, Q in zip(self.batches, Qs, strict=True):
            for batch in batches:
                out[..., batch.groups] = batch.sums(Q)
        return GroupSums(floor_sums(rows.design, rows.pool, out), totals)

    def tree(self, floors: list[Array], total: Array) -> Tree:
        """The tree of [A B] of every level."""
        rows = self.rows
        return tree_of_sums(rows.design, rows.pool, floors, total, rows.n)

    def moments(self, weights: BlockWeights) -> list[Array]:
        """Derivatives in Q of every pattern from those in the sums, (P, T, T) each."""
        rows, out = self.rows, []
        own = weights_of_sums(rows.design, rows.pool, weights.floors)
        for tensors, batches in zip(self.tensors, self.batches, strict=True):
            R = np.zeros(tensors.present.shape + tensors.present.shape[1:])
            for batch in batches:
                batch.add_moments(R, own)
            R = 0.5 * (R + R.transpose(0, 2, 1))
            out.append(R + tensors.against(weights.total[None])[0])
        return out


def moved_inverses(one: PatternVariances) -> Array:
    """-Q dLambda Q along every moving element of psi, (k, P, T, T)."""
    slopes = one.errors.slopes
    P, T = one.tensors.present.shape
    k = len(slopes)
    flat = slopes.transpose(1, 0, 2).reshape(T, k * T)
    left = (one.Q @ flat).reshape(P, T * k, T)
    return -(left @ one.Q).reshape(P, T, k, T).transpose(2, 0, 1, 3)


def _laid_out(plan: PatternPlan, rows: Rows) -> list[Batch]:
    """The rows of the groups of every pattern together, and those of rare ones."""
    each = np.arange(len(rows.W))[plan.part.rows]
    own = own_columns(rows.pool)
    T, w = len(plan.times), rows.pool.width
    out, rare, patterns = [], [], []
    for number, groups in enumerate(plan.groups):
        local, times = plan.rows_of(groups)
        at = each[local]
        W, code = rows.W[at], rows.codes[0][at[:, 0]]
        if len(groups) >= FEW:
            Z = np.ascontiguousarray(W[:, :, own].transpose(1, 0, 2))
            out.append(Batch(code, number, times, Z, W))
            continue
        padded = np.zeros((len(groups), T, w))
        padded[:, times] = W
        rare.append((code, padded))
        patterns += [number] * len(groups)
    if rare:
        code, W = (np.concatenate(x) for x in zip(*rare, strict=True))
        Z = np.ascontiguousarray(W[:, :, own].transpose(1, 0, 2))
        out.append(Batch(code, np.array(patterns), np.arange(T), Z, W))
    return out
