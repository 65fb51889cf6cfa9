"""From a part of the data to the root: what taking it away does to the tree.

What a unit (a row, a group) hands upwards is a matrix L'L of cross-products.  Where a
node has eliminated its own columns z with K = (Z'Z + D^-1)^-1 and U = K Z'W, taking L'L
from it takes M'M from what it hands to its parent,

    M = N^-1/2 (L_r - L_z U),     N = I - L_z K L_z',

so a unit climbs to the root as a factor (Eqs. 1-2 of the diagnostics page).  There L'L
is the unit's share in the cross-products of [X y] with all random effects eliminated.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...likelihood._eliminate import cross, forward, semidefinite_root

__all__ = ["Climb", "Node", "Step", "climb", "cross_products", "grow", "left_out"]

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class Node:
    """All nodes of one floor after their elimination.

    Parameters
    ----------
    q : int
        Own columns; they stand first.
    B : ndarray of shape (q, r, G)
        Z'W with the columns that remain.
    K : ndarray of shape (q, q, G)
    U : ndarray of shape (q, r, G)
    given : ndarray of shape (r, r, G)
        What a node hands to its parent, its weight included.
    share : ndarray of shape (G,) or None
        Its weight.
    parents : ndarray of int, shape (G,)
        Node of the floor above; zeros at the top.
    log_det : ndarray of shape (G,)
        log|I + A D|.
    """

    q: int
    B: Array
    K: Array
    U: Array
    given: Array
    share: Array | None
    parents: Array
    log_det: Array


@dataclass(frozen=True, eq=False)
class Step:
    """A unit's passage through one node.

    Parameters
    ----------
    at : ndarray of int, shape (u,)
        The node.
    L : ndarray of shape (s, q + r, u)
        The factor before.
    half : ndarray of shape (s, q, u)
        N^-1/2 L_z.
    """

    at: Array
    L: Array
    half: Array


@dataclass(frozen=True, eq=False)
class Climb:
    """Units that have arrived at the root.

    Parameters
    ----------
    L : ndarray of shape (s, m, u)
    size : ndarray of shape (u,)
        Product of det N on the way; for rows 1 / Var(row given all others).
    share : ndarray of shape (u,)
        Product of the weights on the way.
    steps : tuple of Step, lowest floor first
    """

    L: Array
    size: Array
    share: Array
    steps: tuple[Step, ...]


def cross_products(W: Array, starts: Array) -> Array:
    """Sums of w w' over runs of rows: (n, r) -> (r, r, G)."""
    r = W.shape[1]
    out = np.empty((r, r, len(starts)), dtype=W.dtype)
    for a in range(r):
        for b in range(a + 1):
            sums = np.add.reduceat(W[:, a] * W[:, b], starts)
            out[a, b] = out[b, a] = sums
    return out


def grow(
    lowest: Array,
    D: Sequence[Array],
    parents: Sequence[Array],
    shares: Sequence[Array | None],
) -> list[Node]:
    """Eliminate floor by floor, lowest first, and keep every node.

    Parameters
    ----------
    lowest : ndarray of shape (r, r, G)
        Cross-products of the lowest groups, columns [z_1, z_2, ..., X, y].
    D : sequence of ndarray of shape (q, q)
        Real, or complex for a complex step.
    parents : sequence of ndarray of int
        Per floor; sorted.
    shares : sequence of (ndarray or None)
        Weights of the groups.
    """
    nodes, M = [], lowest
    for d, above, share in zip(D, parents, shares, strict=True):
        q = d.shape[0]
        root = semidefinite_root(M[:q], q)
        R, C = root[:, :q], root[:, q:]
        N = np.einsum("abg,bc,dcg->adg", R, d, R)
        N[np.arange(q), np.arange(q)] += 1.0
        pivots, YX = forward(N, root)
        Y, X = YX[:, :q], YX[:, q:]
        T, E = cross(Y, Y), cross(Y, X)
        given = M[q:, q:] - cross(C, C) + cross(X, X)
        if share is not None:
            given = given * share
        K = d[:, :, None] - np.einsum("ab,bcg,cd->adg", d, T, d)
        U = np.einsum("ab,bcg->acg", d, E)
        log_det = 2.0 * np.log(pivots).sum(axis=0)
        nodes.append(Node(q, M[:q, q:], K, U, given, share, above, log_det))
        first = np.flatnonzero(np.append(True, above[1:] != above[:-1]))
        M = np.add.reduceat(given, first, axis=-1)
    return nodes


def climb(nodes: Sequence[Node], L: Array, at: Array) -> Climb:
    """Carry units from below the given nodes to the root.

    Parameters
    ----------
    nodes : sequence of Node
        Those on the way, nearest first.
    L : ndarray of shape (s, r, u)
    at : ndarray of int, shape (u,)
        Node of the first floor that each unit belongs to.
    """
    size, share = np.ones(L.shape[-1]), np.ones(L.shape[-1])
    steps = []
    for node in nodes:
        z, rest = L[:, : node.q], L[:, node.q :]
        K, U = node.K[:, :, at], node.U[:, :, at]
        zK = np.einsum("sau,abu->sbu", z, K)
        N = -np.einsum("sbu,tbu->stu", zK, z)
        N[np.arange(len(L)), np.arange(len(L))] += 1.0
        right = rest - np.einsum("sau,abu->sbu", z, U)
        pivots, done = forward(N, np.concatenate([right, z], axis=1))
        width = right.shape[1]
        steps.append(Step(at, L, done[:, width:]))
        L = done[:, :width]
        size = size * np.prod(pivots, axis=0) ** 2
        if node.share is not None:
            own = node.share[at]
            L, share = L * np.sqrt(own), share * own
        at = node.parents[at]
    return Climb(L, size, share, tuple(steps))


def left_out(nodes: Sequence[Node], steps: Sequence[Step], delta: Array) -> list[Array]:
    """Random effects of the nodes on the way as the other units have them.

    Parameters
    ----------
    nodes, steps
        As in ``climb`` and from it.
    delta : ndarray of shape (p, u)
        Change of the coefficients of X; the last column is the residual.

    Returns
    -------
    list of ndarray of shape (q, u)
        Nearest node first.
    """
    tail = np.concatenate([-delta, np.ones((1, delta.shape[1]))])
    out: list[Array] = []
    for node, step in zip(reversed(nodes), reversed(steps), strict=True):
        z, rest = step.L[:, : node.q], step.L[:, node.q :]
        K = node.K[:, :, step.at]
        t = np.einsum("aru,ru->au", node.B[:, :, step.at], tail)
        t -= np.einsum("sau,su->au", z, np.einsum("sru,ru->su", rest, tail))
        Kt = np.einsum("abu,bu->au", K, t)
        lifted = np.einsum("sau,au->su", step.half, Kt)
        u = Kt + np.einsum("abu,sbu,su->au", K, step.half, lifted, optimize=True)
        out.append(u)
        tail = np.concatenate([-u, tail])
    return out[::-1]
