"""How the gradient of -2 L changes where the sums of one level of groups move.

With dA and dB the moves of a group's Z'Q Z and Z'Q [X y], a = (-u_hat, v) and b those of
X F, h(a) = dA a_z + dB a_x, and a' dM b the same sum over all rows,

    d2c = -2 sum h(a)' K h(a) - 2 phi'phi,      phi = b' dM a,   Phi = b' dM b,
    d2l = - sum tr(K dA K dA) [- 2 sum h(b)' K h(b) - tr(Phi Phi)],

the latter under REML; along D, with J = I - K A, E = Z'V^-1 X F and e = Z'V^-1 r,

    d(Z'V^-1 Z) = J' dA J,   de = J' h(a) - E phi,   d(E E') = 2 J' h(b) E' - E Phi E'.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .._eliminate import cross
from .._pieces import Direction, Root
from ._tree import Descent, Tree

__all__ = ["BlockCurvature"]

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class BlockCurvature:
    """Second derivatives along k moves of the sums.

    Parameters
    ----------
    e : ndarray of shape (q, 1 + p, G)
        Z'V^-1 r beside Z'V^-1 X F.
    K, J : ndarray of shape (q, q, G)
    dA : ndarray of shape (k, q, q, G)
    h : ndarray of shape (k, q, 1 + p, G)
        Of a and of b.
    cross : ndarray of shape (k, 1 + p, p)
        phi' above Phi.
    """

    e: Array
    K: Array
    J: Array
    dA: Array
    h: Array
    cross: Array

    @classmethod
    def of(
        cls,
        tree: Tree,
        d: Array,
        root: Root,
        down: Descent,
        block: Array,
        total: Array,
    ) -> BlockCurvature:
        """Of a tree of one floor without weights.

        Parameters
        ----------
        d : ndarray of shape (q, q)
        down : Descent
            Of r and of X F.
        block : ndarray of shape (k, q, q + p + 1, G)
            Moves of [A B].
        total : ndarray of shape (k, p + 1, p + 1)
            Those of the cross-products of [X y].
        """
        p, q, k = tree.p, len(d), len(block)
        T, e = down.T[0], down.E[0]
        A = cross(*2 * (tree.shards[0].floors[0].block[:, :q],))
        K = d[:, :, None] - _times(_times(d[:, :, None], T), d[:, :, None])
        J = np.eye(q)[:, :, None] - _times(K, A)
        Phi = np.zeros((p + 1, 1 + p))
        Phi[:, 0], Phi[:p, 1:] = root.v, root.F
        x = -np.tensordot(d, e, axes=1)
        dA = block[:, :, :q]
        direct = np.matmul(Phi.T, block[:, :, q:])
        h = direct + np.stack([_times(move, x) for move in dA])
        x_flat = x.transpose(1, 0, 2).reshape(1 + p, -1)
        left = h.transpose(0, 2, 1, 3).reshape(k, 1 + p, -1)
        right = direct[:, :, 1:].transpose(0, 2, 1, 3).reshape(k, p, -1)
        both = left @ x_flat[1:].T + x_flat @ right.transpose(0, 2, 1)
        return cls(e, K, J, dA, h, both + Phi.T @ total @ Phi[:, 1:])

    def second(
        self, directions: Sequence[Direction], weight: float, *, reml: bool
    ) -> Array:
        """Of weight * c + l along directions of D and the moves, (n + k, k)."""
        keep = 1 + self.cross.shape[2] if reml else 1
        h, k = self.h[:, :, :keep], len(self.h)
        share = np.ones(keep)
        share[0] = weight
        Kh = np.stack([_times(self.K, own) for own in h * share[:, None]])
        KdA = np.stack([_times(self.K, own) for own in self.dA])
        phi, Phi = self.cross[:, 0], self.cross[:, 1:]
        own = -2.0 * (h.reshape(k, -1) @ Kh.reshape(k, -1).T + weight * phi @ phi.T)
        own -= KdA.reshape(k, -1) @ KdA.transpose(0, 2, 1, 3).reshape(k, -1).T
        if reml:
            own -= Phi.reshape(k, -1) @ Phi.transpose(0, 2, 1).reshape(k, -1).T
        slopes = self._slopes_in_D(h, weight, reml=reml)
        M = np.array([M for _, M in directions]).reshape(len(directions), -1)
        return np.concatenate([M @ slopes.reshape(k, -1).T, 0.5 * (own + own.T)])

    def _slopes_in_D(self, h: Array, weight: float, *, reml: bool) -> Array:
        """How the gradient in D changes along each move, (k, q, q)."""
        e, J, k = self.e, self.J, len(h)
        q, keep = len(e), h.shape[2]
        E = e[:, 1:]
        share = np.ones(keep)
        share[0] = weight
        turned = J.transpose(1, 0, 2)
        JdAJ = [_times(_times(turned, own), J).sum(axis=-1) for own in self.dA]
        Jh = np.stack([_times(turned, own) for own in h * share[:, None]])
        moved = Jh.reshape(k * q, -1) @ e[:, :keep].reshape(q, -1).T
        Ee = np.tensordot(E, e[:, 0], axes=(2, 1))  # (q, p, q)
        phi = np.tensordot(self.cross[:, 0], Ee, axes=(1, 1))
        half = moved.reshape(k, q, q) - weight * phi
        out = np.array(JdAJ) - half - half.transpose(0, 2, 1)
        if reml:
            EE = np.tensordot(E, E, axes=(2, 2))  # (q, p, q, p)
            out += np.tensordot(self.cross[:, 1:], EE, axes=((1, 2), (1, 3)))
        return out


def _times(a: Array, b: Array) -> Array:
    """a b for every group."""
    out = a[:, 0][:, None] * b[0][None]
    for k in range(1, len(b)):
        out = out + a[:, k][:, None] * b[k][None]
    return out
