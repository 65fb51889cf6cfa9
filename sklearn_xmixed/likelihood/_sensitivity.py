"""How X'V^-1X answers to the variance parameters: what small samples ask of a kind.

V = sigma^2 W, and W moves with the elements of the D_b and with psi.  With F F' =
(X'W^-1X)^-1 and a direction Y of W everything here is in the basis X F, in which
X'W^-1X is the identity and nothing depends on the units of X:

    e(Y) = F'X'W^-1 Y W^-1 X F,        q(Y) = F'X'W^-1 Y W^-1 Y W^-1 X F.

Sigma^2 itself is the direction Y = W, of which e is the identity (Eqs. 1-3 of the
small_samples page).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import cached_property
from typing import Any

import numpy as np

from ._model import VarianceModel
from ._pieces import Pieces

__all__ = ["INFINITE", "Sensitivity"]

Array = np.ndarray

#: an eigenvalue of W beside the largest that is rounding
ROUNDING = 1e-13
#: a variance (of columns of unit size) whose effects are as good as fixed
INFINITE = 1e8


class Sensitivity(ABC):
    """Derivatives at a fit.

    Parameters
    ----------
    model : VarianceModel
    D_blocks : list of ndarray
        Sigma / sigma^2 of each equation, in its scaled columns.
    F : ndarray of shape (p, p)
        F F' = (X'W^-1X)^-1 in the pool's basis of X.
    n : float
        Number of observations.
    constants : list of (ndarray of shape (q,) or None)
        Per floor or term the combination of its columns that is one in every row.
    """

    def __init__(
        self,
        model: VarianceModel,
        D_blocks: list[Array],
        F: Array,
        n: float,
        constants: list[Array | None],
    ):
        self.model, self.D_blocks, self.F, self.n = model, D_blocks, F, n
        self.constants = constants

    @property
    def portable(self) -> Sensitivity | None:
        """What is saved with a fit: itself, or None where it holds rows."""
        return self

    def moved(self, D_blocks: list[Array], F: Array) -> Sensitivity:
        """The same design at other estimates.

        Raises
        ------
        NotImplementedError
            If the kind of model has none without its rows.
        """
        raise NotImplementedError(
            f"{type(self).__name__} is that of one fit; fit each response alone."
        )

    def of_fit(
        self, D_blocks: list[Array], psi: Array, F: Array, tree: Any
    ) -> Sensitivity:
        """The same rows at the estimates of another response, ``tree`` being its own.

        Nothing here depends on the response but through the estimates.
        """
        return self.moved(D_blocks, F)

    @property
    def p(self) -> int:
        """Columns of X."""
        return len(self.F)

    @cached_property
    def D(self) -> list[Array]:
        """Sigma / sigma^2 of each floor or term."""
        return self.model.floors(self.D_blocks)

    @property
    def n_directions(self) -> int:
        """Elements of the D_b, then of psi."""
        return self.model.n_params

    def floors(self, elements: Array) -> list[Array]:
        """A change of all D_b, given by its elements, as one of the floors' D."""
        parts = [
            np.tensordot(elements[s], b.structure.basis, axes=1)
            for b, s in zip(self.model.blocks, self.model.slices, strict=True)
        ]
        return self.model.floors(parts)

    @property
    @abstractmethod
    def slopes(self) -> Array:
        """e(Y) of every direction, shape (m, p, p)."""

    @abstractmethod
    def quadratic(self, direction: Array) -> Array:
        """q(Y), Y the sum of the directions with these coefficients, shape (p, p)."""

    def quadratics(self, W: Array) -> Array:
        """Sum of W_ij Q_ij over the directions, Q_ij = F'X'W^-1 Y_i W^-1 Y_j W^-1 X F.

        Parameters
        ----------
        W : ndarray of shape (m, m)
            Symmetric.
        """
        out = np.zeros((self.p, self.p))
        size = np.sqrt(np.abs(np.diagonal(W)))
        size = np.where(size > 0, size, 1.0)
        values, vectors = np.linalg.eigh(W / np.outer(size, size))
        largest = np.abs(values).max(initial=0.0)
        for value, vector in zip(values, vectors.T, strict=True):
            if abs(value) > ROUNDING * largest:
                out += value * self.quadratic(vector * size)
        return 0.5 * (out + out.T)

    @property
    @abstractmethod
    def traces(self) -> tuple[Array, Array]:
        """tr(G Y_i), shape (m,), and tr(G Y_i G Y_j) / 2, shape (m, m).

        G = W^-1 - W^-1 X F F'X'W^-1; the second are the expected information of the
        restricted likelihood.
        """

    def bend(self, W: Array) -> tuple[Array, float, Array]:
        """What second derivatives of V in its natural parameters add.

        With M = sum W_ij V_ij over the natural parameters: F'X'W^-1 M W^-1 X F, tr(G M),
        and tr(G M G Y_i).  All zero where V is linear in them.

        Parameters
        ----------
        W : ndarray of shape (m + 1, m + 1)
            Covariance matrix of the directions and, last, of log sigma^2.
        """
        return np.zeros((self.p, self.p)), 0.0, np.zeros(self.n_directions)

    @abstractmethod
    def pieces(self, D: list[Array]) -> Pieces:
        """c, l under REML and their derivatives at any D of the floors."""

    # -- what varies where -----------------------------------------------------------

    @cached_property
    def total(self) -> Array:
        """Cross-products of X in the pool's basis without any random effects."""
        return self.pieces([np.zeros(d.shape) for d in self.D]).S[: self.p, : self.p]

    def within(self, floor: int) -> Array | None:
        """What is left of them within the groups of a floor or term.

        None where its columns do not make up the constant.
        """
        c = self.constants[floor]
        if c is None:
            return None
        D = [np.zeros(d.shape) for d in self.D]
        D[floor] = INFINITE * np.outer(c, c) / (c @ c)
        return self.pieces(D).S[: self.p, : self.p]

    @property
    def groupings(self) -> list[tuple[float, Array | None]]:
        """Number of groups and ``within`` of each nested level, top level first.

        Raises
        ------
        NotImplementedError
            Where factors cross.
        """
        return [
            (self.n_groups(k), self.within(k)) for k in reversed(range(len(self.D)))
        ]

    @abstractmethod
    def n_groups(self, floor: int) -> float:
        """Number of groups of a floor or term."""
