"""The likelihoods of many replicates of one design at once.

Replicates of a bootstrap share the tree; what differs is y, or how often each
top-level group counts.  Arrays are those of ``_tree`` with an axis of replicates after
the axis of groups (of length one where all replicates are alike), and every D has
one too.  The sweeps are Eqs. 5-8 and 9-11 again; D being another matrix in
each replicate, products with it are sums over its few elements.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from .._eliminate import cross, forward, semidefinite_root
from ._tree import Floor, Shard, Tree

__all__ = [
    "ManyPieces",
    "ReplicateFloor",
    "Replicates",
    "effects_many",
    "evaluate_many",
]

Array = np.ndarray

#: complex step, as in ``_pieces``
STEP = 1e-30


@dataclass(frozen=True, eq=False)
class ReplicateFloor:
    """One floor of the tree in B replicates; fields as those of ``Floor``.

    Parameters
    ----------
    q : int
    block : ndarray of shape (q, q + r, G, B or 1)
    count : ndarray of shape (G, B or 1)
    shares : tuple of (ndarray of shape (G, B or 1) or None)
    ancestors, starts, z_in_rest, all_in_rest : tuple of ndarray of int
    """

    q: int
    block: Array
    count: Array
    shares: tuple[Array | None, ...]
    ancestors: tuple[Array, ...]
    starts: tuple[Array, ...]
    z_in_rest: tuple[Array, ...]
    all_in_rest: tuple[Array, ...]

    def take(self, which: Array) -> ReplicateFloor:
        """Some of the replicates."""
        return replace(
            self,
            block=_take(self.block, which),
            count=_take(self.count, which),
            shares=tuple(None if s is None else _take(s, which) for s in self.shares),
        )

    def spread(self) -> ReplicateFloor:
        """The same with an axis of directions before that of replicates."""
        return replace(
            self,
            block=self.block[..., None, :],
            count=self.count[..., None, :],
            shares=tuple(None if s is None else s[..., None, :] for s in self.shares),
        )


@dataclass(frozen=True, eq=False)
class Replicates:
    """B trees of one shape.

    Parameters
    ----------
    floors : tuple of ReplicateFloor
        Lowest first.
    within : ndarray of shape (p + 1, p + 1, B or 1)
        Cross-products of [X y] within the lowest groups.
    n : ndarray of shape (B,)
        Number of observations.
    """

    floors: tuple[ReplicateFloor, ...]
    within: Array
    n: Array

    @property
    def p(self) -> int:
        """Number of columns of X."""
        return self.within.shape[0] - 1

    @property
    def yy(self) -> Array:
        """Sum of squares of y within the lowest groups."""
        return self.within[-1, -1]

    def __len__(self) -> int:
        return len(self.n)

    def pieces(
        self,
        D: list[Array],
        *,
        reml: bool,
        directions: Sequence[tuple[int, Array]] = (),
    ) -> ManyPieces:
        """See ``evaluate_many``."""
        return evaluate_many(self, D, reml=reml, directions=directions)

    def effects(self, D: list[Array], beta: Array) -> list[Array]:
        """See ``effects_many``."""
        return effects_many(self, D, beta)

    def tree(self, b: int) -> Tree:
        """One replicate as a tree of its own."""
        floors = [
            Floor(
                f.q,
                np.ascontiguousarray(_one(f.block, b)),
                _one(f.count, b),
                tuple(None if s is None else _one(s, b) for s in f.shares),
                f.ancestors,
                f.starts,
                f.z_in_rest,
                f.all_in_rest,
            )
            for f in self.floors
        ]
        within = _one(self.within, b)
        return Tree((Shard(tuple(floors)),), within, within, float(self.n[b]))

    def take(self, which: Array) -> Replicates:
        """Some of the replicates."""
        return Replicates(
            tuple(f.take(which) for f in self.floors),
            _take(self.within, which),
            self.n[which],
        )


@dataclass(frozen=True, eq=False)
class ManyPieces:
    """c, l and the root's solution of every replicate, with derivatives in D.

    Parameters
    ----------
    beta : ndarray of shape (p, B)
    c, l : ndarray of shape (B,)
    pivot : ndarray of shape (B,)
        Smallest share of a column of X that the columns before it do not explain.
    F : ndarray of shape (p, p, B)
        F F' = (X'V^-1 X)^-1.
    c_D, l_D : list of ndarray of shape (q, q, B)
    c_2, l_2 : ndarray of shape (m, m, B)
        Second derivatives along the directions asked for.
    """

    beta: Array
    c: Array
    l: Array
    pivot: Array
    F: Array
    c_D: list[Array]
    l_D: list[Array]
    c_2: Array | None = None
    l_2: Array | None = None

    def take(self, which: Array) -> ManyPieces:
        """Some of the replicates."""

        return ManyPieces(
            self.beta[:, which],
            self.c[which],
            self.l[which],
            self.pivot[which],
            self.F[..., which],
            [a[..., which] for a in self.c_D],
            [a[..., which] for a in self.l_D],
            None if self.c_2 is None else self.c_2[..., which],
            None if self.l_2 is None else self.l_2[..., which],
        )


def evaluate_many(
    data: Replicates,
    D: list[Array],
    *,
    reml: bool,
    directions: Sequence[tuple[int, Array]] = (),
) -> ManyPieces:
    """c, l and their gradients, and second derivatives along directions.

    Parameters
    ----------
    D : list of ndarray of shape (q, q, B)
        One per floor, lowest first.
    directions : sequence of (floor, ndarray of shape (q, q, B))
    """
    at = _first_order(data.floors, data.within, D, reml)
    if not directions:
        return at
    # one complex step per direction, all of them in one sweep
    m = len(directions)
    moved = [
        np.repeat(d[:, :, None].astype(complex), m, axis=2) for d in D
    ]  # (q, q, m, B)
    for i, (floor, M) in enumerate(directions):
        moved[floor][:, :, i] += 1j * STEP * M
    floors = tuple(f.spread() for f in data.floors)
    stepped = _first_order(floors, data.within[:, :, None], moved, reml)
    shape = (m, m, at.c.shape[0])
    c_2, l_2 = np.empty(shape), np.empty(shape)
    for j, (k, N) in enumerate(directions):
        N = N[:, :, None]
        c_2[j] = (stepped.c_D[k].imag * N).sum(axis=(0, 1)) / STEP
        l_2[j] = (stepped.l_D[k].imag * N).sum(axis=(0, 1)) / STEP
    c_2 = 0.5 * (c_2 + c_2.swapaxes(0, 1))
    l_2 = 0.5 * (l_2 + l_2.swapaxes(0, 1))
    return replace(at, c_2=c_2, l_2=l_2)


def _first_order(
    floors: Sequence[ReplicateFloor], within: Array, D: list[Array], reml: bool
) -> ManyPieces:
    """c, l (Eqs. 12, 13) and their gradients (Eq. 14)."""
    p = within.shape[0] - 1
    S, l, kept = _ascend(floors, D, within)
    eye = np.eye(p).reshape(p, p, *(1,) * (S.ndim - 2))
    eye = np.broadcast_to(eye, (p, p, *S.shape[2:]))
    pivots, solved = forward(S[:p, :p], np.concatenate([eye, S[:p, p:]], axis=1))
    inverse, half = solved[:, :p], solved[:, p]
    beta = np.einsum("ij...,i...->j...", inverse, half)
    c = S[p, p] - (half * half).sum(axis=0)
    if reml:
        l = l + 2.0 * np.log(pivots).sum(axis=0)
    v = np.concatenate([-beta, np.ones_like(c)[None]])[:, None]
    Phi = v
    if reml:
        F = np.concatenate([inverse.swapaxes(0, 1), np.zeros_like(inverse[:1])])
        Phi = np.concatenate([v, F], axis=1)
    T, drop, E = _descend(floors, D, kept, Phi)
    c_D, l_D = [], []
    for k, floor in enumerate(floors):
        share = floor.shares[-1]
        Es = E[k] if share is None else E[k] * share
        c_D.append(-_outer(E[k][:, 0], Es[:, 0]))
        slope = np.einsum("abg...,g...->ab...", T[k], floor.count)
        taken = drop[k]
        if taken is not None:
            slope = slope - (taken if share is None else taken * share).sum(axis=2)
        if reml:
            slope = slope - np.einsum("ahg...,bhg...->ab...", E[k][:, 1:], Es[:, 1:])
        l_D.append(slope)
    size = np.einsum("ii...->i...", S[:p, :p])
    pivot = (pivots.real**2 / size.real).min(axis=0, initial=1.0)
    return ManyPieces(beta, c, l, pivot, inverse.swapaxes(0, 1), c_D, l_D)


def effects_many(data: Replicates, D: list[Array], beta: Array) -> list[Array]:
    """Z'V^-1 (y - X beta) of every floor, (q, G, B); D times it are the effects.

    Parameters
    ----------
    data : Replicates
        All groups, none merged.
    D : list of ndarray of shape (q, q, B)
    beta : ndarray of shape (p, B)
    """
    _, _, kept = _ascend(data.floors, D, data.within)
    v = np.concatenate([-beta, np.ones_like(beta[:1])])[:, None]
    _, _, E = _descend(data.floors, D, kept, v)
    return [e[:, 0] for e in E]


def _ascend(
    floors: Sequence[ReplicateFloor], D: list[Array], within: Array
) -> tuple[Array, Array, list[Array]]:
    """Root matrix, sum of log|I + A D| and L^-1 [R C] of every floor."""
    m = within.shape[0]
    S, logdet = within, np.zeros(D[0].shape[2:])
    received: list[Array | None] = [None] * len(floors)
    kept = []
    for k, floor in enumerate(floors):
        q, block = floor.q, floor.block
        if k > 0:
            got = received[k]
            block = semidefinite_root(block if got is None else block + got, q)
        pivots, YX = forward(identity_plus(block[:, :q], D[k][:, :, None]), block)
        logdet = logdet + 2.0 * np.einsum(
            "ag...,g...->...", np.log(pivots), floor.count
        )
        share = floor.shares[-1]
        S = S + _gram(YX[:, -m:], share)
        if k > 0:
            S = S - _gram(block[:, -m:], share)
        for up in range(len(floors) - k - 1):
            z, every = q + floor.z_in_rest[up], q + floor.all_in_rest[up]
            given = cross(YX[:, z], YX[:, every])
            if k > 0:
                given = given - cross(block[:, z], block[:, every])
            passed = floor.shares[up]
            if passed is not None:
                given = given * passed
            given = np.add.reduceat(given, floor.starts[up], axis=2)
            have = received[k + 1 + up]
            received[k + 1 + up] = given if have is None else have + given
        kept.append(YX)
    return S, logdet, kept


def _descend(
    floors: Sequence[ReplicateFloor], D: list[Array], kept: list[Array], Phi: Array
) -> tuple[list[Array], list[Array | None], list[Array]]:
    """T, drop and E of every floor, lowest first; see ``_tree.descend``."""
    m = Phi.shape[0]
    Ts, drops, Es = [], [], []
    K_above: list[Array] = []
    U_above: list[list[Array]] = []
    for k in reversed(range(len(floors))):
        floor, YX = floors[k], kept[k]
        q = floor.q
        Y = YX[:, :q]
        T = cross(Y, Y)
        E = [cross(Y, YX[:, q + z]) for z in floor.z_in_rest]
        E.append(cross(Y, _combine(Phi, YX[:, -m:])))
        if k > 0:
            own = D[k][:, :, None]
            K_own = own - left(own, right(T, own))
            U_own = [left(own, e) for e in E]
        drop: Array | None = None
        for up, node in enumerate(floor.ancestors):
            K, U = K_above[-1 - up], U_above[-1 - up]
            Ez = E[up].swapaxes(0, 1)
            step = cross(Ez, cross(K[:, :, node], Ez))
            drop = step if drop is None else drop + step
            for higher in range(up + 1, len(E)):
                E[higher] = E[higher] - cross(Ez, U[higher - up - 1][:, :, node])
        if k > 0:
            K_above.append(K_own)
            U_above.append(U_own)
        Ts.append(T)
        drops.append(drop)
        Es.append(E[-1])
    return Ts[::-1], drops[::-1], Es[::-1]


def identity_plus(R: Array, D: Array) -> Array:
    """N = I + R D R' for every group and replicate."""
    RD = right(R, D)
    N = RD[:, 0][:, None] * R[:, 0][None]
    for c in range(1, R.shape[1]):
        N = N + RD[:, c][:, None] * R[:, c][None]
    for c in range(R.shape[0]):
        N[c, c] += 1.0
    return N


def left(M: Array, stack: Array) -> Array:
    """M stack: (a, q, ...), (q, w, ...) -> (a, w, ...)."""
    return cross(M.swapaxes(0, 1), stack)


def right(stack: Array, M: Array) -> Array:
    """stack M, the same from the right."""
    return cross(stack.swapaxes(0, 1), M)


def _combine(Phi: Array, rows: Array) -> Array:
    """Phi' rows over the root's columns: (m, h, ...), (q, m, G, ...) -> (q, h, G, ...)."""
    return np.einsum("jh...,qjg...->qhg...", Phi, rows)


def _outer(left: Array, right: Array) -> Array:
    """Sum over groups of left right'."""
    return np.einsum("ag...,bg...->ab...", left, right)


def _gram(rows: Array, share: Array | None) -> Array:
    """Sum of rows' rows over rows and groups: (q, m, G, ...) -> (m, m, ...)."""
    weighted = rows if share is None else rows * share
    return np.einsum("qig...,qjg...->ij...", weighted, rows)


def _one(stack: Array, b: int) -> Array:
    return stack[..., 0 if stack.shape[-1] == 1 else b]


def _take(stack: Array, which: Array) -> Array:
    return stack if stack.shape[-1] == 1 else stack[..., which]
