"""Covariance matrices of the residuals of single groups."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ._rows import Rows

__all__ = ["ErrorBlocks"]

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class ErrorBlocks:
    """Lambda of some rows, group by group.

    Parameters
    ----------
    Lambda : ndarray of shape (n, s)
        Covariance over sigma^2 of each row with the rows of its group in their order.
    group : ndarray of int, shape (n,)
    place : ndarray of int, shape (n,)
        Of each row in its group.
    """

    Lambda: Array
    group: Array
    place: Array

    @classmethod
    def of(cls, rows: Rows, psi: Array, positions: Array) -> ErrorBlocks:
        """Of rows of whole groups, each group's in their order.

        Whitening is the only thing that all structures know how to do: that of the
        columns of an identity matrix is Lambda^-1/2, which is not always triangular.
        """
        within = rows.design.residual
        assert within is not None
        code = within.codes[rows.order]
        mine = code[positions]
        starts = np.flatnonzero(np.append(True, mine[1:] != mine[:-1]))
        sizes = np.diff(np.append(starts, len(mine)))
        group = np.repeat(np.arange(len(starts)), sizes)
        place = np.arange(len(mine)) - starts[group]
        # of all rows, zero for those of other groups
        among = np.full(len(code), -1)
        among[positions] = np.arange(len(positions))
        s = int(sizes.max())
        half = np.zeros((len(mine), s))
        for part, (at, shape) in zip(
            rows.residual.parts, rows.residual.slices, strict=True
        ):
            mine_of_all = among[part.rows]
            which = mine_of_all[part.groups.starts[:-1]] >= 0
            if not which.any():
                continue
            taken, groups = part.groups.take(which)
            to = mine_of_all[taken]
            unit = np.zeros((len(taken), s))
            unit[np.arange(len(taken)), place[to]] = 1.0
            white, _ = part.structure.kernel(groups).whiten(psi[shape], unit)
            half[to] = white if at is None else white * np.exp(-psi[at])
        return cls(_inverted(half, starts, sizes), group, place)

    def __call__(self, index: Array) -> Array:
        """Covariance matrices of the rows in ``index``, (b, k) -> (b, k, k).

        -1 stands for a row that is not there, of variance one and independent.
        """
        there = index >= 0
        same = self.group[index][:, :, None] == self.group[index][:, None, :]
        same &= there[:, :, None] & there[:, None, :]
        at = np.broadcast_to(self.place[index][:, None, :], same.shape)
        out = np.where(same, np.take_along_axis(self.Lambda[index], at, axis=2), 0.0)
        np.einsum("gaa->ga", out)[~there] = 1.0
        return out


def _inverted(half: Array, starts: Array, sizes: Array) -> Array:
    """Lambda from Lambda^-1/2, by groups of one size."""
    Lambda = np.zeros_like(half)
    for s in np.unique(sizes):
        rows = starts[sizes == s][:, None] + np.arange(s)
        root = np.linalg.inv(half[rows, :s])
        Lambda[rows, :s] = root @ root.transpose(0, 2, 1)
    return Lambda
