"""The elimination tree: one sweep up, one sweep down.

Columns of the data live in a *pool* (each distinct column once); a floor of
the tree is one level of grouping and stores, for all its nodes at once, the
cross-products of its own columns z with z itself and with the columns that
are still there after it, ``rest``.  The last p + 1 columns of every ``rest``
are those of the root, X and y.

Up (Eqs. 5-8 of the likelihood page).  With A = R'R, B = R'C and
N = I + R D R' = L L', Y = L^-1 R and X = L^-1 C,

    log|I + A D| = 2 log|L|,     Z'V^-1 Z = Y'Y,     Z'V^-1 W = Y'X,

and the Schur complement that a node hands to its parent is
``(C_rr - C'C) + X'X``.  For the lowest floor C_rr - C'C, the variation within its
groups, is a constant of the data: no digits are lost in its difference however large
D is, and after the first pass nothing of length n is touched.

Down (Eqs. 9-11).  Z'V^-1 W of a node with respect to the whole V follows by
eliminating its ancestors one after another, nearest first.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .._eliminate import cross, forward, semidefinite_root

__all__ = [
    "Ascent",
    "Descent",
    "Floor",
    "Shard",
    "Shards",
    "Tree",
    "ascend",
    "descend",
]

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class Floor:
    """All nodes of one level in one shard.

    Parameters
    ----------
    q : int
        Number of own columns.
    block : ndarray of shape (q, q + r, G)
        Lowest floor: ``[R C]``, constants.  Other floors: ``[A B]`` as far as
        the data within the lowest groups determine them; the sweep adds
        what the floors below hand up.
    count : ndarray of shape (G,)
        How many groups a node stands for, its ancestors' weights included.
    shares : tuple of (ndarray of shape (G,) or None)
        Factor of what a node hands to each ancestor, nearest first, the root
        last; None stands for one.
    ancestors : tuple of ndarray of int, shape (G,)
        Node index in each floor above, nearest first.
    starts : tuple of ndarray of int
        First node of each run with the same ancestor, in the same order.
    z_in_rest, all_in_rest : tuple of ndarray of int
        Where in ``rest`` the own columns of each ancestor stand, and those
        with all that the ancestor keeps after them.
    """

    q: int
    block: Array
    count: Array
    shares: tuple[Array | None, ...]
    ancestors: tuple[Array, ...]
    starts: tuple[Array, ...]
    z_in_rest: tuple[Array, ...]
    all_in_rest: tuple[Array, ...]


@dataclass(frozen=True, eq=False)
class Shard:
    """Some top-level groups with all that is below them, lowest floor first."""

    floors: tuple[Floor, ...]


Shards = tuple[Shard, ...]


@dataclass(frozen=True, eq=False)
class Ascent:
    """What one sweep up leaves behind for the sweep down.

    Parameters
    ----------
    S : ndarray of shape (p + 1, p + 1)
        What the shard adds to the root's matrix.
    logdet : float
        Sum of log|I + A D| over its nodes.
    YX : tuple of ndarray of shape (q, q + r, G)
        L^-1 [R C], lowest floor first.
    """

    S: Array
    logdet: float
    YX: tuple[Array, ...]


@dataclass(frozen=True, eq=False)
class Descent:
    """Z'V^-1 Z = T - drop and Z'V^-1 W Phi = E of every node, lowest floor first.

    Parameters
    ----------
    T : tuple of ndarray of shape (q, q, G)
        Z'V^-1 Z while only the node itself is eliminated.
    drop : tuple of (ndarray of shape (q, q, G) or None)
        What eliminating the ancestors takes away; None at the top.
    E : tuple of ndarray of shape (q, h, G)
    """

    T: tuple[Array, ...]
    drop: tuple[Array | None, ...]
    E: tuple[Array, ...]


@dataclass(frozen=True, eq=False)
class Tree:
    """A multilevel model after the first pass over its data.

    Parameters
    ----------
    shards : tuple of Shard
    within, total : ndarray of shape (p + 1, p + 1)
        Cross-products of [X y]: left within the lowest groups, and all.
    n : float
        Number of observations (sum of products of weights).
    """

    shards: tuple[Shard, ...]
    within: Array
    total: Array
    n: float

    @property
    def p(self) -> int:
        """Number of columns of X."""
        return self.within.shape[0] - 1

    @property
    def depth(self) -> int:
        """Number of levels of grouping."""
        return len(self.shards[0].floors) if self.shards else 0

    def n_groups(self, floor: int) -> float:
        """Number of groups of a floor (sum of their weights)."""
        return sum(float(s.floors[floor].count.sum()) for s in self.shards)

    def added(self, function: Callable[..., Any], *args: Any) -> Any:
        """What a function says of some shards, ``function(shards, *args)``, of all."""
        return function(self.shards, *args)

    def changed(self, function: Callable[[Shards], Shards]) -> Tree:
        """The same with other shards of the same likelihood."""
        shards = function(self.shards)
        return self if shards is self.shards else replace(self, shards=shards)

    def swept(self, sweep: Any, points: Sequence[list[Array]]) -> list[tuple]:
        """Root's matrix and solution, l, and the sums of a ``Sweep`` down, by point."""
        out = []
        for k, D in enumerate(points):
            one = replace(sweep, keep=None) if k else sweep  # the first is kept
            ascents = one.up(self.shards, D)
            S, root, l = one.root(one.handed_up(ascents))
            out.append((S, root, l, one.down(self.shards, D, ascents, root)))
        return out


def ascend(shard: Shard, D: list[Array], m: int) -> Ascent:
    """Sweep up one shard.

    Parameters
    ----------
    D : list of ndarray of shape (q, q)
        Sigma / sigma^2 of each floor, lowest first.
    m : int
        Number of columns of the root, p + 1.
    """
    floors = shard.floors
    S: Array = np.zeros((m, m))
    logdet = 0.0
    received: list[Array | None] = [None] * len(floors)
    kept = []
    for k, floor in enumerate(floors):
        q, block = floor.q, floor.block
        if k > 0:
            if received[k] is not None:
                block = block + received[k]
            block = semidefinite_root(block, q)
        pivots, YX = forward(_identity_plus(block[:, :q], D[k]), block)
        logdet = logdet + 2.0 * (np.log(pivots) @ floor.count).sum()
        S = S + _gram(YX[:, -m:], floor.shares[-1])
        if k > 0:
            S = S - _gram(block[:, -m:], floor.shares[-1])
        for up in range(len(floors) - k - 1):
            z, every = q + floor.z_in_rest[up], q + floor.all_in_rest[up]
            given = cross(YX[:, z], YX[:, every])
            if k > 0:
                given = given - cross(block[:, z], block[:, every])
            share = floor.shares[up]
            if share is not None:
                given = given * share
            given = np.add.reduceat(given, floor.starts[up], axis=-1)
            have = received[k + 1 + up]
            received[k + 1 + up] = given if have is None else have + given
        kept.append(YX)
    return Ascent(S, logdet, tuple(kept))


def descend(shard: Shard, D: list[Array], ascent: Ascent, Phi: Array) -> Descent:
    """Sweep down one shard.

    Parameters
    ----------
    Phi : ndarray of shape (p + 1, h)
        Combinations of the root's columns [X y] to carry down.
    """
    floors, m = shard.floors, Phi.shape[0]
    depth = len(floors)
    Ts, drops, Es = [], [], []
    # K = D P and U = K B of the floors above, nearest last
    K_above: list[Array] = []
    U_above: list[list[Array]] = []
    for k in reversed(range(depth)):
        floor, YX = floors[k], ascent.YX[k]
        q = floor.q
        Y = YX[:, :q]
        T = cross(Y, Y)
        # columns of the ancestors, nearest first, then those of Phi
        E = [cross(Y, YX[:, q + z]) for z in floor.z_in_rest]
        E.append(cross(Y, np.matmul(Phi.T, YX[:, -m:])))
        if k > 0:  # a floor with children is asked for its K and U
            K_own = D[k][:, :, None] - _left(D[k], np.matmul(D[k], T))
            U_own = [_left(D[k], e) for e in E]
        drop: Array | None = None
        for up, node in enumerate(floor.ancestors):
            K, U = K_above[-1 - up], U_above[-1 - up]
            Ez = E[up].transpose(1, 0, 2)
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
    return Descent(tuple(Ts[::-1]), tuple(drops[::-1]), tuple(Es[::-1]))


def _identity_plus(R: Array, D: Array) -> Array:
    """N = I + R D R' for every group."""
    RD = np.matmul(D, R)  # D is symmetric, so this is R D
    N = RD[:, 0][:, None] * R[:, 0][None]
    for c in range(1, R.shape[1]):
        N += RD[:, c][:, None] * R[:, c][None]
    for c in range(R.shape[0]):
        N[c, c] += 1.0
    return N


def _gram(rows: Array, share: Array | None) -> Array:
    """Sum of rows' rows over rows and groups: (q, m, G) -> (m, m)."""
    out: Array = np.zeros(())
    for row in rows:
        out = out + (row if share is None else row * share) @ row.T
    return out


def _left(M: Array, stack: Array) -> Array:
    """M stack for every group: (a, q), (q, w, G) -> (a, w, G)."""
    q, w, G = stack.shape
    return (M @ stack.reshape(q, w * G)).reshape(M.shape[0], w, G)
