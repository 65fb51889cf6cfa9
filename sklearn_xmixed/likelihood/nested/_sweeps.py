"""c and l of a tree, their gradients and their Hessians (Eqs. 14, 16 and 17)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .._pieces import STEP, Direction, Pieces, Root
from ._tree import Ascent, Descent, Tree, ascend, descend

__all__ = ["evaluate"]

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
        The sweeps of every shard are appended to it (order 1).
    """
    p = tree.p
    ascents = [ascend(shard, D, p + 1) for shard in tree.shards]
    S = tree.within
    for ascent in ascents:
        S = S + ascent.S
    root = Root.solve(S)
    l = sum((a.logdet for a in ascents), 0.0)
    if reml:
        l = l + root.log_det
    if order == 0:
        return Pieces(root, S, root.c, l)
    closed = order == 2 and tree.depth == 1 and D[0].shape[0] <= CLOSED_FORM_Q
    c_D, l_D, sums = _first(tree, D, ascents, root, reml, closed, keep)
    if order == 1:
        return Pieces(root, S, root.c, l, c_D, l_D)
    if closed:
        c_2, l_2 = sums.contract([M for _, M in directions], reml)
    else:
        c_2, l_2 = _complex_step(tree, D, reml, directions)
    return Pieces(root, S, root.c, l, c_D, l_D, c_2, l_2)


def _first(
    tree: Tree,
    D: list[Array],
    ascents: list[Ascent],
    root: Root,
    reml: bool,
    closed: bool,
    keep: list[tuple[Ascent, Descent]] | None = None,
) -> tuple[list[Array], list[Array], _Sums]:
    """Gradients (Eq. 14); with ``closed`` also the sums for the Hessian."""
    p = tree.p
    wide = reml or closed
    Phi = root.v[:, None]
    if wide:
        F = np.concatenate([root.F, np.zeros((1, p))])
        Phi = np.concatenate([Phi, F], axis=1)
    c_D: list[Array] = [np.zeros(d.shape) for d in D]
    l_D: list[Array] = [np.zeros(d.shape) for d in D]
    sums = _Sums(D[0].shape[0] if D else 0, p)
    for shard, ascent in zip(tree.shards, ascents, strict=True):
        down = descend(shard, D, ascent, Phi)
        if keep is not None:
            keep.append((ascent, down))
        for k, floor in enumerate(shard.floors):
            T, drop, E = down.T[k], down.drop[k], down.E[k]
            share = floor.shares[-1]
            Es = E if share is None else E * share
            c_D[k] = c_D[k] - E[:, 0] @ Es[:, 0].T
            l_D[k] = l_D[k] + T @ floor.count
            if drop is not None:
                l_D[k] = l_D[k] - (drop.sum(axis=-1) if share is None else drop @ share)
            if reml:
                q = E.shape[0]
                l_D[k] = l_D[k] - E[:, 1:].reshape(q, -1) @ Es[:, 1:].reshape(q, -1).T
            if closed:
                sums.add(T, floor.count, E, Es, reml)
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


def _complex_step(
    tree: Tree, D: list[Array], reml: bool, directions: Sequence[Direction]
) -> tuple[Array, Array]:
    """Hessians of c and l as derivatives of their exact gradients."""
    m = len(directions)
    c_2, l_2 = np.empty((m, m)), np.empty((m, m))
    for i, (floor, M) in enumerate(directions):
        moved = [d.astype(complex) for d in D]
        moved[floor] = moved[floor] + 1j * STEP * M
        at = evaluate(tree, moved, reml=reml, order=1)
        assert at.c_D is not None
        assert at.l_D is not None
        for j, (k, N) in enumerate(directions):
            c_2[j, i] = np.sum(at.c_D[k].imag * N) / STEP
            l_2[j, i] = np.sum(at.l_D[k].imag * N) / STEP
    return 0.5 * (c_2 + c_2.T), 0.5 * (l_2 + l_2.T)
