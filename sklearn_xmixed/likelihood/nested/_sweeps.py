"""c and l of a tree, their gradients and their Hessians (Eqs. 14, 16 and 17)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .._pieces import STEP, Direction, Pieces, Root
from ._tree import Ascent, Descent, Shard, Tree, ascend, descend

__all__ = ["Sweep", "evaluate", "has_closed_form"]

Array = np.ndarray
#: up to this many own columns second derivatives have a closed form
CLOSED_FORM_Q = 8


def evaluate(
    tree: Tree,
    D: list[Array],
    *,
    reml: bool,
    order: int = 1,
    directions: Sequence[Direction] = (),
    keep: list[tuple[Ascent, Descent]] | None = None,
) -> Pieces:
    """c, l and their derivatives up to ``order``.

    Parameters
    ----------
    D : list of ndarray of shape (q, q)
        One per floor, lowest first; complex for a complex step.
    order : {0, 1, 2}
    directions : sequence of (floor, ndarray of shape (q, q))
        Along which second derivatives are taken (order 2).
    keep : list, optional
        The sweeps of every shard at D are appended to it (from order 1).
    """
    closed = order == 2 and has_closed_form(tree, D)
    sweep = Sweep(tree.within, reml, order, closed, keep)
    bent = [] if order < 2 or closed else [_moved(D, one) for one in directions]
    (S, root, l, down), *others = tree.swept(sweep, [D, *bent])
    if order == 0:
        return Pieces(root, S, root.c, l)
    c_D, l_D, sums = down
    if order == 1:
        return Pieces(root, S, root.c, l, c_D, l_D)
    if closed:
        c_2, l_2 = sums.contract([M for _, M in directions], reml)
    else:
        c_2, l_2 = _complex_step([down for _, _, _, down in others], directions)
    return Pieces(root, S, root.c, l, c_D, l_D, c_2, l_2)


def has_closed_form(tree: Tree, D: list[Array]) -> bool:
    """Whether second derivatives cost little more than first ones."""
    return tree.depth == 1 and len(D[0]) <= CLOSED_FORM_Q


@dataclass(frozen=True, eq=False)
class Sweep:
    """One evaluation in three steps: sums over shards, the root, sums over shards.

    Both sums are of numbers as large as p and the covariance matrices, whatever the
    number of groups, and may be taken shard by shard and added up.

    Parameters
    ----------
    within : ndarray of shape (p + 1, p + 1)
        As of ``Tree``.
    reml : bool
    order : {0, 1, 2}
    closed : bool
        Whether second derivatives follow from the second sums.
    keep : list or None
        The sweeps of every shard at the first point are appended to it.
    """

    within: Array
    reml: bool
    order: int
    closed: bool
    keep: list[tuple[Ascent, Descent]] | None = None

    def up(self, shards: Sequence[Shard], D: list[Array]) -> list[Ascent]:
        """Sweep up every shard."""
        return [ascend(shard, D, len(self.within)) for shard in shards]

    def handed_up(self, ascents: Sequence[Ascent]) -> tuple[Array, float]:
        """What the shards add to the root's matrix and to l."""
        S: Array = np.zeros(self.within.shape)
        for ascent in ascents:
            S = S + ascent.S
        return S, sum((a.logdet for a in ascents), 0.0)

    def root(self, given: tuple[Array, float]) -> tuple[Array, Root, float]:
        """The root's matrix and solution, and l."""
        S = self.within + given[0]
        root = Root.solve(S)
        return S, root, given[1] + root.log_det if self.reml else given[1]

    def down(
        self,
        shards: Sequence[Shard],
        D: list[Array],
        ascents: Sequence[Ascent],
        root: Root,
    ) -> tuple[list[Array], list[Array], _Sums] | None:
        """Gradients (Eq. 14); with ``closed`` also the sums for the Hessian."""
        if self.order == 0:
            return None
        p = len(self.within) - 1
        Phi = root.v[:, None]
        if self.reml or self.closed:
            F = np.concatenate([root.F, np.zeros((1, p))])
            Phi = np.concatenate([Phi, F], axis=1)
        c_D: list[Array] = [np.zeros(d.shape) for d in D]
        l_D: list[Array] = [np.zeros(d.shape) for d in D]
        sums = _Sums(D[0].shape[0] if D else 0, p)
        for shard, ascent in zip(shards, ascents, strict=True):
            down = descend(shard, D, ascent, Phi)
            if self.keep is not None:
                self.keep.append((ascent, down))
            for k, floor in enumerate(shard.floors):
                T, drop, E = down.T[k], down.drop[k], down.E[k]
                share = floor.shares[-1]
                Es = E if share is None else E * share
                c_D[k] = c_D[k] - E[:, 0] @ Es[:, 0].T
                l_D[k] = l_D[k] + T @ floor.count
                if drop is not None:
                    lost = drop.sum(axis=-1) if share is None else drop @ share
                    l_D[k] = l_D[k] - lost
                if self.reml:
                    q = E.shape[0]
                    EE = E[:, 1:].reshape(q, -1) @ Es[:, 1:].reshape(q, -1).T
                    l_D[k] = l_D[k] - EE
                if self.closed:
                    sums.add(T, floor.count, E, Es, self.reml)
        return c_D, l_D, sums


class _Sums:
    """Sums over the nodes of a one-floor tree that make up both Hessians."""

    def __init__(self, q: int, p: int):
        self.q, self.p = q, p
        self.TT = np.zeros((q * q, q * q))
        self.eT = np.zeros((q * q, q * q))
        self.ET = np.zeros((q * q, q * q))
        self.Ee = np.zeros((q, p, q))
        self.EE = np.zeros((q, p, q, p))

    def add(self, T: Array, count: Array, E: Array, Es: Array, reml: bool) -> None:
        q, p = self.q, self.p
        G = T.shape[-1]
        flat = T.reshape(q * q, G)
        self.TT += (flat * count) @ flat.T
        e, es, Ex, Exs = E[:, 0], Es[:, 0], E[:, 1:], Es[:, 1:]
        self.eT += (e[:, None] * es[None]).reshape(q * q, G) @ flat.T
        self.Ee += (Ex.reshape(q * p, G) @ es.T).reshape(q, p, q)
        if reml:
            ExE = np.zeros((q, q, G))
            for j in range(p):
                ExE += Ex[:, j][:, None] * Exs[:, j][None]
            self.ET += ExE.reshape(q * q, G) @ flat.T
            self.EE += (Ex.reshape(q * p, G) @ Exs.reshape(q * p, G).T).reshape(
                q, p, q, p
            )

    def __add__(self, other: _Sums) -> _Sums:
        both = _Sums(self.q, self.p)
        for name in ("TT", "eT", "ET", "Ee", "EE"):
            setattr(both, name, getattr(self, name) + getattr(other, name))
        return both

    def contract(self, M: list[Array], reml: bool) -> tuple[Array, Array]:
        """Hessians of c and l along the directions M (Eqs. 16-17)."""
        q = self.q
        if not M:
            return np.zeros((0, 0)), np.zeros((0, 0))
        p, m = self.p, len(M)
        Ms = np.array(M).reshape(m, q * q)
        square = (q, q, q, q)
        # sum e' M_i T M_j e
        c_2 = 2.0 * _twice(Ms, self.eT.reshape(square))
        # M_i[a, b] Ee[a, x, b]
        w = Ms @ self.Ee.transpose(0, 2, 1).reshape(q * q, p)
        c_2 -= 2.0 * w @ w.T
        # TT[a, b, c, d] M_i[b, c] M_j[d, a]
        TT = self.TT.reshape(square).transpose(1, 2, 3, 0)
        l_2 = -Ms @ TT.reshape(q * q, q * q) @ Ms.T
        if reml:
            l_2 += 2.0 * _twice(Ms, self.ET.reshape(square))
            # Q_i[x, y] = M_i[a, b] EE[a, x, b, y], then Q_i[x, y] Q_j[y, x]
            Q = Ms @ self.EE.transpose(0, 2, 1, 3).reshape(q * q, p * p)
            l_2 -= Q @ Q.reshape(m, p, p).transpose(0, 2, 1).reshape(m, p * p).T
        return c_2, l_2


def _twice(Ms: Array, eT: Array) -> Array:
    """sum over nodes of e' M_i T M_j e, symmetrised, from sums of (e e') x T."""
    # eT[a, b, c, d] = sum e_a e_b T_cd, times M_i[a, c] M_j[d, b]
    out = Ms @ eT.transpose(0, 2, 3, 1).reshape(Ms.shape[1], -1) @ Ms.T
    return 0.5 * (out + out.T)


def _moved(D: list[Array], direction: Direction) -> list[Array]:
    """A complex step along a direction."""
    floor, M = direction
    moved = [d.astype(complex) for d in D]
    moved[floor] = moved[floor] + 1j * STEP * M
    return moved


def _complex_step(
    bent: Sequence[Any], directions: Sequence[Direction]
) -> tuple[Array, Array]:
    """Hessians of c and l as derivatives of their exact gradients."""
    m = len(directions)
    c_2, l_2 = np.empty((m, m)), np.empty((m, m))
    for i, (c_D, l_D, _) in enumerate(bent):
        for j, (k, N) in enumerate(directions):
            c_2[j, i] = np.sum(c_D[k].imag * N) / STEP
            l_2[j, i] = np.sum(l_D[k].imag * N) / STEP
    return 0.5 * (c_2 + c_2.T), 0.5 * (l_2 + l_2.T)
