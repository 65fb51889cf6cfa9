"""-2 L of structured residuals without random effects, from one tensor per pattern.

An evaluation costs what the patterns of times ask, whatever the number of groups.  With
Phi the derivative of weight * c + l in S = [X y]'V^-1 [X y], M[t, u] = tr(Phi C[t, u]) and
N = Q M Q of every pattern, the gradient in Lambda is n Q - N, and second derivatives are

    tr((2 N - n Q) dLambda Q dLambda) + tr((n Q - N) d2Lambda)

and what the change of S itself adds (Eqs. 8-10 of the residuals page).  The search leaves out
the smallest term of it where that is costly; standard errors do not.

Where a Lambda is all but singular sums of products lose its digits; rows are then taken.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from ...residuals import NotPositiveDefiniteError
from .._model import VarianceModel
from .._pieces import STEP, Direction, Pieces
from ..nested._sweeps import evaluate
from ..nested._tree import Tree
from ._matrices import CategoryMatrices, coordinates
from ._objective import StructuredObjective
from ._rows import Rows
from ._tensors import PatternTensors, between

__all__ = ["PatternObjective"]

Array = np.ndarray

#: inflation of a variance by the other times, up to which sums of products serve
INFLATION = 1e3
#: tensors of more numbers than this have their full second derivatives formed at the
#: end only
COSTLY = 1 << 17
#: share of the groups whose patterns are searched first
LEADING = 0.5


@dataclass(frozen=True, eq=False)
class _Here:
    """One category at psi: Lambda over all times, and its inverse by pattern."""

    tensors: PatternTensors
    matrices: CategoryMatrices
    Q: Array

    @classmethod
    def of(
        cls, tensors: PatternTensors, matrices: CategoryMatrices
    ) -> tuple[_Here, float]:
        """And log|Lambda|.

        Raises
        ------
        NotPositiveDefiniteError
        """
        own = tensors.submatrices(matrices.value(tensors.times[None])[0])
        try:
            L = np.linalg.cholesky(own)
        except np.linalg.LinAlgError:
            raise NotPositiveDefiniteError from None
        diagonal = np.diagonal(L, axis1=1, axis2=2)
        if not np.isfinite(diagonal).all():
            raise NotPositiveDefiniteError
        A = np.linalg.inv(L)
        Q = np.matmul(A.transpose(0, 2, 1), A)
        log_det = 2.0 * float(tensors.count @ np.log(diagonal).sum(axis=1))
        return cls(tensors, matrices, Q * tensors.present[:, :, None]), log_det

    @property
    def inflation(self) -> float:
        """Largest factor by which the other times inflate a variance."""
        Lambda = self.matrices.value(self.tensors.times[None])[0]
        inverse = np.diagonal(self.Q, axis1=1, axis2=2)
        return float((np.diagonal(Lambda) * inverse).max())

    @cached_property
    def slopes(self) -> Array:
        """Derivatives of Lambda over all times in z, shape (k, T, T)."""
        matrices, structure, z = self.matrices, self.matrices.structure, self.matrices.z
        at = self.tensors.in_table
        if at is None:
            return matrices.first(self.tensors.times[None])[:, 0]
        out = np.empty((len(z), *at.shape))
        out[0] = matrices.value(self.tensors.times[None])[0]
        scale = np.exp(z[0]) / STEP
        for k in range(1, len(z)):
            moved = z[1:].astype(complex)
            moved[k - 1] += 1j * STEP
            out[k] = scale * structure.table(moved).imag[at]  # type: ignore[attr-defined]
        return out

    @property
    def places(self) -> Array:
        """How z moves with psi."""
        return self.matrices.places[:, :-1]

    def first(self, M: Array) -> tuple[Array, Array, Array]:
        """Gradient in z of n log|Lambda| + tr(Q M), M held fixed; that in Lambda; N."""
        N = np.matmul(np.matmul(self.Q, M), self.Q)
        weight = self.tensors.count @ self.Q.reshape(len(N), -1)
        weight = weight.reshape(N.shape[1:]) - N.sum(axis=0)
        return np.tensordot(self.slopes, weight, axes=2), weight, N

    def second(self, M: Array) -> tuple[Array, Array]:
        """The gradient, and second derivatives with M held fixed."""
        Q, slopes, n = self.Q, self.slopes, self.tensors.count[:, None, None]
        k, T = len(slopes), len(self.tensors.times)
        g, weight, N = self.first(M)
        # sum of B[w, t] Q[u, v] over patterns, met by dLambda[t, u] and dLambda[v, w]
        B = (2.0 * N - n * Q).reshape(len(N), T * T)
        both = (B.T @ Q.reshape(len(Q), T * T)).reshape(T, T, T, T)
        both = both.transpose(1, 2, 3, 0).reshape(T * T, T * T)
        flat = slopes.reshape(k, T * T)
        H = flat @ both @ flat.T
        return g, 0.5 * (H + H.T) + self._bend(weight, M, H)

    def _bend(self, weight: Array, M: Array, rest: Array) -> Array:
        """tr(weight d2Lambda)."""
        z, structure = self.matrices.z, self.matrices.structure
        k = len(z)
        out = np.zeros((k, k))
        # the log of the variance is a factor
        out[0] = out[:, 0] = np.tensordot(self.slopes, weight, axes=2)
        if k == 1:
            return out
        scale = np.exp(z[0])
        at = self.tensors.in_table
        if at is None:
            out[1:, 1:] = self._bend_of_kernel(M) - 0.5 * (rest + rest.T)[1:, 1:]
            return out
        n_table = len(structure.table(z[1:]))  # type: ignore[attr-defined]
        own = scale * np.bincount(at.ravel(), weight.ravel(), minlength=n_table)
        for j in range(1, k):
            moved = z[1:].astype(complex)
            moved[j - 1] += 1j * STEP
            slope = structure.pull(moved, own)  # type: ignore[attr-defined]
            out[1:, j] = slope.imag / STEP
        out[1:, 1:] = 0.5 * (out[1:, 1:] + out[1:, 1:].T)
        return out

    def _bend_of_kernel(self, M: Array) -> Array:
        """The whole second derivative in the shape, by complex steps."""
        tensors, z = self.tensors, self.matrices.z
        kernel = self.matrices.structure.kernel(tensors.groups)
        left = np.exp(-z[0]) * tensors.rows_of(M)
        there = tensors.present[:, :, None] & tensors.present[:, None, :]
        right = tensors.rows_of(np.where(there, np.eye(len(tensors.times)), 0.0))
        columns = []
        for j in range(len(z) - 1):
            moved = z[1:].astype(complex)
            moved[j] += 1j * STEP
            columns.append(
                kernel.slope(moved, left, right, log_det=True)[1].imag / STEP
            )
        H = np.array(columns)
        return 0.5 * (H + H.T)


class PatternObjective(StructuredObjective):
    """As ``StructuredObjective``, where nothing but psi moves V.

    Parameters
    ----------
    rows : Rows
        All rows, for what the tensors cannot tell.
    tensors : list of PatternTensors
        By category.
    model : VarianceModel
        Without equations.
    reml, log_det_basis, log_det_rows
        As of ``Objective``.
    """

    def __init__(
        self,
        rows: Rows,
        tensors: list[PatternTensors],
        model: VarianceModel,
        *,
        reml: bool,
        log_det_basis: float,
        log_det_rows: float = 0.0,
    ):
        self.tensors = tensors
        self._at: dict[str, Any] = {
            "reml": reml,
            "log_det_basis": log_det_basis,
            "log_det_rows": log_det_rows,
        }
        self.size = sum(t.C.size for t in tensors)
        self.n = sum(float(t.count @ t.present.sum(axis=1)) for t in tensors)
        #: of every category at this psi; None where rows are taken
        self._here: list[_Here] | None = None
        self.model = model  # a start may be so nearly singular that rows are taken
        super().__init__(rows, model, **self._at)

    @cached_property
    def by_rows(self) -> StructuredObjective:
        """The same function from rows, where a Lambda is all but singular."""
        return StructuredObjective(self.rows.compressed(), self.model, **self._at)

    def part(self) -> PatternObjective | None:
        """Of the patterns that most groups have; None where that saves nothing."""
        some = [t.leading(LEADING) for t in self.tensors]
        if self.size < COSTLY or sum(t.C.size for t in some) > 0.5 * self.size:
            return None
        return PatternObjective(self.rows, some, self.model, **self._at)

    def _grow(self, psi: Array) -> tuple[Tree, complex]:
        """[X y]'V^-1 [X y] in the place of the tree, and log|Lambda|."""
        here, log_det = [], 0.0
        for tensors, matrices in zip(
            self.tensors, coordinates(self.residual, psi), strict=True
        ):
            one, own = _Here.of(tensors, matrices)
            here.append(one)
            log_det += own
        if max(one.inflation for one in here) > INFLATION:
            self._here = None
            return self.by_rows.rows.tree(psi)
        self._here = here
        S = sum((one.tensors.sum_of(one.Q) for one in here), np.zeros(()))
        return Tree((), S, S, self.n), log_det

    def _slopes(
        self, tree: Tree, D: list[Array], psi: Array, weight: complex | None
    ) -> tuple[Pieces, Array]:
        """Pieces of order 1, and the gradient of weight * c + l in psi."""
        if self._here is None:
            return self.by_rows._slopes(tree, D, psi, weight)
        at = evaluate(tree, D, reml=self.reml, order=1)
        if not at.c > 0:
            raise NotPositiveDefiniteError
        Phi = self._phi(at, self.nn / at.c if weight is None else weight)
        slope = np.zeros(len(psi))
        for one in self._here:
            slope += one.places.T @ one.first(one.tensors.against(Phi))[0]
        return at, slope

    def _phi(self, at: Pieces, weight: complex) -> Array:
        """Derivative of weight * c + l in S."""
        root, p = at.root, len(at.root.beta)
        Phi = weight * np.outer(root.v, root.v)
        if self.reml:
            Phi[:p, :p] += root.F @ root.F.T
        return Phi

    def curvature(
        self, D_blocks: list[Array], directions: Sequence[Direction]
    ) -> Pieces:
        """Second derivatives in psi."""
        return self._second(exact=True)

    def _search_curvature(
        self, D_blocks: list[Array], directions: Sequence[Direction]
    ) -> Pieces:
        return self._second(exact=self._cheap)

    @property
    def _cheap(self) -> bool:
        """Whether a search has exact second derivatives."""
        return self._here is None or not self.reml or self.size <= COSTLY

    def _hessian(self, theta: Array) -> tuple[float, Array, Array]:
        out = super()._hessian(theta)
        if not self._cheap:  # standard errors are those of the exact ones
            at = self.last(theta)
            assert at is not None
            self._last = theta.tobytes(), replace(at, c_2=None, l_2=None, psi_2=None)
        return out

    def _second(self, *, exact: bool) -> Pieces:
        """Second derivatives; without ``exact`` less tr(S_xx^-1 dS S_xx^-1 dS)."""
        if self._here is None:
            self.by_rows.settle(self.psi)
            return self.by_rows.curvature([], [])
        at = evaluate(self.tree, [], reml=self.reml, order=2)
        if not at.c > 0:
            raise NotPositiveDefiniteError
        weight, root, k = self.nn / at.c, at.root, len(self.psi)
        Phi, p = self._phi(at, weight), len(root.beta)
        slope, H = np.zeros(k), np.zeros((k, k))
        moved_v, moved = np.zeros((k, p + 1)), np.zeros((k, p, p))
        for one in self._here:
            tensors, back = one.tensors, one.places.T
            g, own = one.second(tensors.against(Phi))
            slope += back @ g
            H += back @ own @ back.T
            E = between(one.Q, tensors.times_vector(root.v))
            moved_v -= back @ np.tensordot(one.slopes, E, axes=2)
            if self.reml and exact:
                E = tensors.moved(one.Q)[..., :p, :p]
                dS = np.tensordot(one.slopes, E, axes=2)
                moved -= np.tensordot(back, dS, axes=1)
        half = moved_v[:, :p] @ root.F
        H -= 2.0 * weight * half @ half.T
        if self.reml and exact:
            G = root.F.T @ moved @ root.F
            H -= np.einsum("kxy,lyx->kl", G, G)
        return replace(at, c_psi=moved_v @ root.v, psi_1=slope, psi_2=H)
