"""What small samples ask of structured residuals, from one tensor per pattern.

With G = Q - H, H = Q X F F'X'Q, all traces are sums over patterns: within a group H is N,
the sum of its kind, and between groups what is left is a product of the e(Y).  Nothing
depends on how many groups there are.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np

from ..nested._tree import Tree
from ._objective import StructuredObjective
from ._pattern_variances import PatternVariances
from ._rows import Rows
from ._sensitivity import StructuredSensitivity

__all__ = ["TensorSensitivity"]

Array = np.ndarray


class TensorSensitivity(StructuredSensitivity):
    """As ``StructuredSensitivity``; the first parameter is V of every category."""

    def __init__(
        self,
        variances: list[PatternVariances],
        rows: Rows,
        objective: StructuredObjective,
        tree: Tree,
        D_blocks: list[Array],
        F: Array,
        constants: list[Array | None],
    ):
        psi = objective.psi
        super().__init__(rows, objective, tree, psi, D_blocks, F, constants)
        self.variances = variances
        elements = [M for _, M in self.model.elements()]
        q = variances[0].tensors.Z.shape[2]
        self._M = np.array(elements).reshape(len(elements), q, q)

    def of_fit(
        self, D_blocks: list[Array], psi: Array, F: Array, tree: Tree
    ) -> StructuredSensitivity:
        """The same rows at the estimates of another response."""
        objective = self.objective
        objective.settle(np.append(np.zeros(self.model.n_params), psi))
        here = objective.variances(self.model.floors(D_blocks))
        if here is None:  # V is all but singular: rows are taken
            rowwise = objective.rowwise
            at = self.rows, rowwise, tree, psi, D_blocks, F, self.constants
            return StructuredSensitivity(*at)
        return TensorSensitivity(
            here, self.rows, objective, tree, D_blocks, F, self.constants
        )

    def _places(self, one: PatternVariances) -> Array:
        """Where a category's directions stand among all."""
        m = self.model.n_params
        return np.append(np.arange(m), m + one.errors.moving)

    def _in_F(self, S: Array) -> Array:
        """F'S_xx F of matrices of [X y]."""
        return self.F.T @ S[..., : self.p, : self.p] @ self.F

    @cached_property
    def slopes(self) -> Array:
        """e(Y) of the elements of the D_b and of psi."""
        out = np.zeros((self.n_directions, self.p, self.p))
        for one in self.variances:
            out[self._places(one)] += self._in_F(one.moved_sums(self._M))
        return out

    def quadratic(self, direction: Array) -> Array:
        """q(Y) of a combination of the elements and of psi."""
        return self.quadratics(np.outer(direction, direction))

    def quadratics(self, W: Array) -> Array:
        """Sum of W_ij Q_ij, the middle matrices being summed first."""
        out = np.zeros((self.p, self.p))
        for one in self.variances:
            at = self._places(one)
            middle = one.products(W[np.ix_(at, at)], self._M)
            out += self._in_F(one.tensors.sum_of(middle))
        return out

    @cached_property
    def _within(self) -> list[Array]:
        """n Q - 2 N of every pattern of every category."""
        Phi = np.zeros((1, self.p + 1, self.p + 1))
        Phi[0, : self.p, : self.p] = self.F @ self.F.T
        return [one.weighted - 2.0 * one.against(Phi)[0] for one in self.variances]

    @cached_property
    def traces(self) -> tuple[Array, Array]:
        """tr(G Y_i) and half of tr(G Y_i G Y_j)."""
        k = self.n_directions
        first, second = np.zeros(k), np.zeros((k, k))
        for one, B in zip(self.variances, self._within, strict=True):
            at = self._places(one)
            first[at] += one.trace(one.weighted, self._M)
            second[np.ix_(at, at)] += one.traces(B, self._M)
        e = self.slopes
        first -= np.einsum("ixx->i", e)
        second += np.einsum("ixy,jyx->ij", e, e)
        return first, 0.5 * second

    def bend(self, W: Array) -> tuple[Array, float, Array]:
        """What second derivatives of V in its natural parameters add."""
        m = self.model.n_params
        form, trace = np.zeros((self.p, self.p)), 0.0
        moves = np.zeros(self.n_directions)
        for one, B in zip(self.variances, self._within, strict=True):
            matrices = one.errors.matrices
            if matrices.structure.linear:
                continue
            M = matrices.curvature(one.tensors.times[None], W[m:, m:])[0]
            form += self._in_F(one.tensors.sum_of(one.Q @ M @ one.Q))
            trace += float(np.sum(one.weighted * M))
            K = B @ M @ one.Q
            moves[self._places(one)] += one.trace(
                0.5 * (K + K.transpose(0, 2, 1)), self._M
            )
        moves += np.einsum("xy,iyx->i", form, self.slopes)
        return form, trace - float(np.trace(form)), moves
