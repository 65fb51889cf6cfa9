"""Rows in the pool's columns, to be whitened again and again.

Residuals that are correlated or of several variances make the cross-products of the
lowest groups depend on psi: at each psi the rows of a group are multiplied by
Lambda^-1/2, which leaves them within their group, so that all that comes after the
first pass is as it was.

Groups that share the times, the by-categories and the random columns of their rows
enter the likelihood through the sum of vec(C) vec(C)' of their remaining columns, and
are replaced by a few stand-ins with the same sum.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from ...design._design import Design, Level, total_weights
from ...residuals import NotPositiveDefiniteError, ResidualModel, Within
from .._basis import LevelBasis, Pool
from .._pieces import Root
from .._stream import BLOCK_ROWS, row_blocks
from ..nested._crossproducts import tree_of_blocks
from ..nested._tree import Ascent, Descent, Tree

__all__ = ["Rows", "group_codes"]

Array = np.ndarray

#: more distinct kinds of groups than this are not merged
MAX_KINDS = 512
#: stand-ins with more numbers than this cost more than they save
MAX_LENGTH = 400
#: groups that are looked at to guess whether they repeat, or to start from
SAMPLE = 512
#: with fewer rows than this a search starts from all of them
SAMPLE_ROWS = 20_000


@dataclass(frozen=True, eq=False)
class Rows:
    """All rows of a design, sorted by group and time.

    Parameters
    ----------
    design : Design
        Sorted; ``design.residual`` is set.
    pool : Pool
    W : ndarray of shape (n, w)
    residual : ResidualModel
        Bound to these rows.
    n : float
        Number of observations they stand for.
    count : ndarray of shape (G,) or None
        How many groups each lowest-level group stands for.
    share : ndarray of shape (n,) or None
        Product of the weights of a row and its groups.
    first : ndarray or None
        psi to begin with, where other rows have said it.
    """

    design: Design
    pool: Pool
    W: Array
    residual: ResidualModel
    n: float
    count: Array | None = None
    share: Array | None = None
    first: Array | None = None

    @classmethod
    def of(cls, design: Design, pool: Pool) -> Rows:
        """All rows of a sorted design."""
        assert design.residual is not None
        W = np.empty((design.n_rows, pool.width), order="F")
        for start, stop, block, _ in row_blocks(design, pool):
            W[start:stop] = block
        order = np.arange(design.n_rows) if design.order is None else design.order
        share = total_weights(design.weights, design.levels)
        share = None if share is None else share[order]
        model = design.residual.model(order, share)
        n = float(design.n_rows if share is None else share.sum())
        return cls(design, pool, W, model, n, None, share)

    def tree(self, psi: Array) -> tuple[Tree, complex]:
        """The tree of the whitened rows, and log|Lambda|.

        Raises
        ------
        NotPositiveDefiniteError
        """
        W, log_det = self.residual.whiten(psi, self.W)
        tree = tree_of_blocks(
            self.design, self.pool, self._stream(W), n=self.n, count=self.count
        )
        return tree, log_det

    def whitened(self, psi: Array) -> Iterator[tuple[int, int, Array, Any]]:
        """The whitened rows, as from ``raw_blocks``."""
        W = self.residual.whiten(psi, self.W)[0]
        for start, stop, block, rows in self._stream(W):
            yield start, stop, block.T, rows

    @cached_property
    def start(self) -> Array:
        """psi to begin with: that of the residuals of linear regression."""
        if self.first is not None:
            return self.first
        C, y = self.total[:-1], self.W[:, -1]
        b = np.linalg.lstsq(C[:, :-1], C[:, -1], rcond=None)[0]
        left = y - self.W[:, -self.pool.p - 1 : -1] @ b
        if self.count is not None:  # sums of as many groups
            assert self.design.residual is not None
            left = left / np.sqrt(self.count[self.design.residual.codes[self.order]])
        psi = self.residual.near(left)
        try:
            self.residual.whiten(psi, self.W[:, :1])
        except NotPositiveDefiniteError:
            return self.residual.start()
        return psi if np.isfinite(psi).all() else self.residual.start()

    @property
    def total(self) -> Array:
        """Cross-products of [X y] before any whitening."""
        top = self.W[:, -self.pool.p - 1 :]
        return top.T @ (top if self.share is None else top * self.share[:, None])

    def _stream(self, W: Array) -> Iterator[tuple[int, int, Array, Any]]:
        order = self.design.order
        for start in range(0, len(W), BLOCK_ROWS):
            stop = min(start + BLOCK_ROWS, len(W))
            rows = slice(start, stop) if order is None else order[start:stop]
            yield start, stop, W[start:stop], rows

    @property
    def order(self) -> Array:
        """Number of each row in the design."""
        order = self.design.order
        return np.arange(len(self.W)) if order is None else order

    @cached_property
    def codes(self) -> list[Array]:
        """Group of each row per floor, lowest first."""
        return [level.codes[self.order] for level in self.design.levels[::-1]]

    @cached_property
    def _Z(self) -> list[Array]:
        return [self.W[:, basis.members] for basis in self.pool.levels]

    @cached_property
    def _weights(self) -> Array | None:
        w = self.design.weights
        return None if w is None else w[self.order]

    def given(
        self,
        tree: Tree,
        D: list[Array],
        root: Root,
        sweeps: Sequence[tuple[Ascent, Descent]],
        weight: complex,
        *,
        reml: bool,
    ) -> tuple[Array, Array]:
        """Residuals and standardised effects given the data (Eq. 6 of the residuals page).

        Returns
        -------
        left, right : ndarray of shape (n, h)
            left right' summed over the rows of a group is the matrix R in
            d(-2L) = tr(Lambda^-1 dLambda) - tr(Lambda^-1 R Lambda^-1 dLambda).
        """
        p = tree.p
        top = self.W[:, -p - 1 :]
        # all of these column by column, in long rows of numbers
        known = [top @ root.v]
        if reml:
            known += list(root.F.T @ top[:, :p].T)
        width = len(known)
        left_z: list[Array] = []
        right_z: list[Array] = []
        share = count = None
        if sweeps:
            ((ascent, down),) = sweeps
            floors = tree.shards[0].floors
            left = [[self.W[:, a] for a in b.members] for b in self.pool.levels]
            for k, floor in enumerate(floors):
                at, q, d = self.codes[k], floor.q, D[k]
                u = np.tensordot(d, down.E[k][:, :width], axes=1)  # (q, h, G)
                for a, member in enumerate(self.pool.levels[k].members):
                    column = self.W[:, member]
                    for h in range(width):
                        known[h] = known[h] - column * u[a, h][at]
                YX, T, z = ascent.YX[k], down.T[k], left[k]
                left_z += z
                right_z += _rows_times(z, d[:, :, None] - _both(d, T), at)
                for up, where in enumerate(floor.z_in_rest):
                    E = np.einsum("abg,acg->bcg", YX[:, :q], YX[:, q + where])
                    U = _rows_times(z, np.tensordot(d, E, axes=1), at)
                    above = left[k + 1 + up]
                    left[k + 1 + up] = [x - y for x, y in zip(above, U, strict=True)]
            share, count = floors[0].shares[-1], floors[0].count
            share = None if share is None else share[self.codes[0]]
            count = None if (count == 1.0).all() else count[self.codes[0]]
        right = [known[0] * weight, *known[1:]]
        if share is not None:
            right = [r * share for r in right]
        if count is not None:
            right_z = [r * count for r in right_z]
        lefts = np.array([*known, *left_z])
        rights = np.array([*right, *right_z])
        if self._weights is not None:
            rights = rights * self._weights
        return lefts.T, rights.T

    # -- fewer rows --------------------------------------------------------------

    def compressed(self) -> Rows:
        """The same likelihood from fewer rows, where that pays."""
        design, m, within = self.design, self.pool.p + 1, self.design.residual
        assert within is not None
        order, levels = self.order, design.levels
        if len(levels) > 1 or self.count is not None:
            return self
        codes = within.codes[order]
        if levels:
            theirs = levels[0].codes[order]
            if (np.diff(theirs) != 0).sum() != (np.diff(codes) != 0).sum():
                return self
        starts = np.flatnonzero(np.append(True, np.diff(codes) != 0))
        sizes = np.diff(np.append(starts, len(codes)))
        # a group of weight w counts as w groups: sqrt(w) times its columns
        weight = np.ones(len(starts)) if self.share is None else self.share[starts]
        if self.share is not None and (np.repeat(weight, sizes) != self.share).any():
            return self
        kinds = self._kinds(within, order, starts, sizes)
        if kinds is None:
            return self
        made = [min(len(k), int(sizes[k[0]]) * m) for k in kinds]
        if sum(g * sizes[k[0]] for g, k in zip(made, kinds, strict=True)) > 0.7 * len(
            codes
        ):
            return self
        W, count, reps = self._stand_ins(made, kinds, starts, sizes, weight)
        per_group = np.concatenate(count)
        at = np.concatenate(reps)
        new_sizes = np.concatenate(
            [np.full(g, sizes[k[0]]) for g, k in zip(made, kinds, strict=True)]
        )
        code = np.repeat(np.arange(len(new_sizes)), new_sizes)
        q = W.shape[1] - m
        pool = replace(
            self.pool,
            matrix=np.empty((self.pool.matrix.shape[0], q + m)),
            levels=tuple(LevelBasis(np.arange(q), b.T) for b in self.pool.levels),
        )
        fewer = within.take(order[at], code)
        G = len(new_sizes)
        level = tuple(
            Level(x.group, code, G, np.zeros(G, dtype=np.intp), x.columns, x.constant)
            for x in levels
        )
        starts = np.append(0, np.cumsum(new_sizes))
        smaller = replace(
            design,
            weights=None,
            precision=None,
            levels=level,
            order=None,
            starts=starts if level else None,
            residual=fewer,
        )
        # the same structures: what psi is measured in may hang on all rows
        each = per_group[code]
        model = self.residual.over(fewer.layout(np.arange(len(code)), each), each)
        return Rows(smaller, pool, W, model, self.n, per_group, first=self.start)

    def _stand_ins(
        self,
        made: list[int],
        kinds: list[Array],
        starts: Array,
        sizes: Array,
        weight: Array,
    ) -> tuple[Array, list[Array], list[Array]]:
        """Rows of a few groups that have the same sums as all groups of their kind.

        Returns
        -------
        W : ndarray of shape (rows, q + p + 1)
        count : list of ndarray
            How many groups each stands for, by kind.
        reps : list of ndarray of int
            A row of the design that is like each of these.
        """
        m = self.pool.p + 1
        Z = self._Z[0] if self._Z else np.empty((len(self.W), 0))
        top = self.W[:, -m:]
        parts, count, reps = [], [], []
        for g, kind in zip(made, kinds, strict=True):
            s = int(sizes[kind[0]])
            at = starts[kind][:, None] + np.arange(s)
            C = top[at].reshape(len(kind), s * m)
            if self.share is not None:
                C = C * np.sqrt(weight[kind])[:, None]
            if g < len(kind):
                scale = np.sqrt((C**2).sum(axis=0))
                scale = np.where(scale > 0, scale, 1.0)
                values, vectors = np.linalg.eigh((C / scale).T @ (C / scale))
                C = (np.sqrt(values.clip(0.0))[:, None] * vectors.T) * scale
            z = np.broadcast_to(Z[at[0]], (g, s, Z.shape[1])).reshape(g * s, -1)
            parts.append(np.concatenate([z, C.reshape(g * s, m)], axis=1))
            count.append(np.full(g, weight[kind].sum() / g))
            reps.append(np.tile(at[0], g))
        return np.concatenate(parts), count, reps

    def sample(self) -> Rows | None:
        """Every k-th top-level group, to start a search from; None for few rows."""
        if len(self.W) < SAMPLE_ROWS or self.count is not None:
            return None
        design, within = self.design, self.design.residual
        assert within is not None
        order = self.order
        top = (design.levels[0].codes if design.levels else within.codes)[order]
        starts = np.flatnonzero(np.append(True, top[1:] != top[:-1]))
        if len(starts) < 4 * SAMPLE:
            return None
        number = np.cumsum(np.append(0, top[1:] != top[:-1]))
        chosen = np.flatnonzero(number % (len(starts) // SAMPLE) == 0)
        at = order[chosen]
        by = None if within.by is None else within.by[at]
        if by is not None and len(np.unique(by)) < len(within.categories):
            return None
        levels: list[Level] = []
        for level in design.levels:
            groups, first, codes = np.unique(
                level.codes[at], return_index=True, return_inverse=True
            )
            levels.append(
                replace(
                    level,
                    codes=codes,
                    n_groups=len(groups),
                    parents=levels[-1].codes[first] if levels else 0 * first,
                    weights=None if level.weights is None else level.weights[groups],
                )
            )
        fewer = within.take(at, np.unique(within.codes[at], return_inverse=True)[1])
        first_rows = None
        if levels:
            first_rows = np.searchsorted(
                levels[-1].codes, np.arange(levels[-1].n_groups + 1)
            )
        smaller = replace(
            design,
            weights=None if design.weights is None else design.weights[at],
            precision=None,  # in the rows already
            levels=tuple(levels),
            order=None,
            starts=first_rows,
            residual=fewer,
        )
        share = None if self.share is None else self.share[chosen]
        n = float(len(at) if share is None else share.sum())
        model = self.residual.over(fewer.layout(np.arange(len(at)), share), share)
        rows = self.W[chosen]
        return Rows(smaller, self.pool, rows, model, n, None, share, self.start)

    def _kinds(
        self, within: Within, order: Array, starts: Array, sizes: Array
    ) -> list[Array] | None:
        """Groups (as their numbers) that share everything but [X y]."""
        n, G = len(order), len(starts)
        if G < 4 or sizes.max() > MAX_LENGTH:
            return None
        columns: list[Array] = []
        if within.by is not None:
            columns.append(within.by[order])
        if within.place is not None:
            place = within.place[order]
            if self.residual.parts[0].structure.lags_only:
                place = place - np.repeat(place[starts], sizes, axis=0)
            columns += [*np.atleast_2d(place.T)]
        for z in self._Z:
            for column in z.T:
                size = np.abs(column).max(initial=0.0)
                if np.ptp(column) > 1e-13 * size:
                    columns.append(np.round(column / size, 13))
        step = max(1, G // SAMPLE)
        if G > 2 * SAMPLE:
            some = np.arange(0, G, step)
            rows = np.concatenate(
                [np.arange(starts[g], starts[g] + sizes[g]) for g in some]
            )
            found = group_codes([c[rows] for c in columns], sizes[some], len(rows))
            if len(np.unique(found)) > 0.5 * len(some):
                return None
        code = group_codes(columns, sizes, n)
        by_code = np.argsort(code, kind="stable")
        cuts = np.flatnonzero(np.diff(code[by_code])) + 1
        if len(cuts) + 1 > MAX_KINDS:
            return None
        return np.split(by_code, cuts)


def group_codes(columns: list[Array], sizes: Array, n: int) -> Array:
    """A number per group: equal where the sequences of their rows are."""
    code = np.zeros(n, dtype=np.int64)
    for column in columns:
        own = np.unique(column, return_inverse=True)[1]
        code = np.unique(code * (int(own.max()) + 1) + own, return_inverse=True)[1]
    starts = np.append(0, np.cumsum(sizes))[:-1]
    out = np.zeros(len(sizes), dtype=np.int64)
    base = 0
    for s in np.unique(sizes):
        mine = np.flatnonzero(sizes == s)
        group = np.zeros(len(mine), dtype=np.int64)
        for j in range(s):
            own = code[starts[mine] + j]
            joint = group * (int(code.max()) + 1) + own
            group = np.unique(joint, return_inverse=True)[1]
        out[mine] = base + group
        base += int(group.max()) + 1
    return out


def _both(d: Array, T: Array) -> Array:
    """d T d for every group."""
    return np.einsum("ab,bcg,cd->adg", d, T, d, optimize=True)


def _rows_times(z: list[Array], M: Array, at: Array) -> list[Array]:
    """Columns of z_i' M[:, :, group of i]."""
    out = []
    for c in range(M.shape[1]):
        column = z[0] * M[0, c][at]
        for a in range(1, len(z)):
            column = column + z[a] * M[a, c][at]
        out.append(column)
    return out
