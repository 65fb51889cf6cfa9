"""-2 L as a function of gamma and of psi, the residuals' parameters.

At each psi the tree is grown anew from whitened rows.  The gradient in psi needs no
derivative of the tree: with R the second moment of the residuals given the data (beta's
uncertainty included under REML),

    d(-2L) = tr(Lambda^-1 dLambda) - tr(Lambda^-1 R Lambda^-1 dLambda),

so it is that of log|Lambda| + tr(Lambda^-1 R) with R held fixed (Eqs. 4-5 of the
residuals page).  Second derivatives are complex steps of this gradient.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ...residuals import NotPositiveDefiniteError, ResidualModel
from .._model import VarianceModel
from .._pieces import STEP, Direction, Pieces
from ..nested._objective import NestedObjective
from ..nested._sweeps import evaluate
from ..nested._tree import Tree
from ._pattern_variances import PatternVariances
from ._rows import Rows

__all__ = ["StructuredObjective"]

Array = np.ndarray

#: a covariance matrix that is not positive definite, or so nearly singular that the
#: factorisations built on it break down
BEYOND = NotPositiveDefiniteError, np.linalg.LinAlgError


class StructuredObjective(NestedObjective):
    """The parameter vector is gamma followed by psi.

    Methods that take covariance matrices refer to the psi of the last ``settle``.

    Parameters
    ----------
    rows : Rows
    model : VarianceModel
    reml : bool
    log_det_basis, log_det_rows : float
    """

    residual: ResidualModel

    def __init__(
        self,
        rows: Rows,
        model: VarianceModel,
        *,
        reml: bool,
        log_det_basis: float,
        log_det_rows: float = 0.0,
    ):
        self.rows = rows
        self.residual = rows.residual
        self.psi = rows.start
        tree, log_det = self._grow(self.psi)
        super().__init__(
            tree,
            model,
            reml=reml,
            log_det_basis=log_det_basis,
            log_det_rows=log_det_rows,
        )
        self._basis = self.constant
        self._key = self.psi.tobytes()
        self._set(tree, log_det)

    @property
    def rowwise(self) -> StructuredObjective:
        """The same function as the rows have it."""
        return self

    def covers(self, rows: Rows) -> bool:
        """Whether ``tree`` is that of these rows."""
        return self.rows is rows

    def variances(self, D: list[Array]) -> list[PatternVariances] | None:
        """V by pattern at D and the psi of the last ``settle``; None where rows serve."""
        return None

    @property
    def n_params(self) -> int:
        """Length of gamma and psi."""
        return self.model.n_params + self.residual.n_params

    def _set(self, tree: Tree, log_det: complex) -> None:
        self.tree = tree
        self.log_det_Lambda = float(np.real(log_det))
        self.constant = self._basis + self.log_det_Lambda

    def _grow(self, psi: Array) -> tuple[Tree, complex]:
        """The tree at psi, and log|Lambda|."""
        return self.rows.tree(psi)

    def part(self) -> StructuredObjective | None:
        """The same of a part of the groups, to start from; None for few rows."""
        sample = self.rows.sample()
        if sample is None:
            return None
        return StructuredObjective(
            sample, self.model, reml=self.reml, log_det_basis=0.0
        )

    def _apart(self, theta: Array) -> tuple[Array, Array]:
        m = self.model.n_params
        return theta[:m], theta[m:]

    def join(self, D_blocks: list[Array], like: Array | None = None) -> Array:
        """theta of given D_b, with the psi of another theta or the current one."""
        psi = self.psi if like is None else self._apart(like)[1]
        return np.concatenate([self.model.join(D_blocks), psi])

    def settle(self, theta: Array) -> None:
        """Whiten the rows by the psi of theta.

        Raises
        ------
        NotPositiveDefiniteError
        """
        psi = self._apart(theta)[1]
        key = psi.tobytes()
        if key == self._key:
            return
        if not np.isfinite(psi).all() or self.residual.beyond(psi):
            raise NotPositiveDefiniteError
        tree, log_det = self._grow(psi)
        self.psi, self._key = psi.copy(), key
        self._set(tree, log_det)

    def value(self, theta: Array) -> float:
        """-2 L; infinite where some Lambda is not positive definite."""
        try:
            self.settle(theta)
            value = super().value(self._apart(theta)[0])
        except BEYOND:
            return math.inf
        return value if math.isfinite(value) else math.inf

    def gradient(self, theta: Array) -> tuple[float, Array]:
        """-2 L and its gradient."""
        try:
            return self._gradient(theta)
        except BEYOND:
            return math.inf, np.zeros(len(theta))

    def _gradient(self, theta: Array) -> tuple[float, Array]:
        self.settle(theta)
        gamma, psi = self._apart(theta)
        D = self.model.floors(self.model.split(gamma))
        at, slope = self._slopes(self.tree, D, psi, None)
        first = self._chain(self._first(gamma), self.block_gradients(at))
        return self.deviance(at), np.concatenate([first, slope])

    def hessian(self, theta: Array) -> tuple[float, Array, Array]:
        """-2 L, its gradient and its exact Hessian."""
        try:
            return self._hessian(theta)
        except BEYOND:
            return math.inf, np.zeros(len(theta)), np.eye(len(theta))

    def _hessian(self, theta: Array) -> tuple[float, Array, Array]:
        self.settle(theta)
        gamma, _ = self._apart(theta)
        model, nn, m = self.model, self.nn, self.model.n_params
        at = self._search_curvature(model.split(gamma), model.directions(gamma))
        self._last = theta.tobytes(), at
        first = self._first(gamma)
        assert at.c_D is not None
        assert at.l_D is not None
        assert at.psi_2 is not None
        assert at.c_2 is not None
        assert at.l_2 is not None
        c_1 = np.concatenate([self._chain(first, model.pull(at.c_D)), at.c_psi])
        G = self.block_gradients(at)
        g = np.concatenate([self._chain(first, G), at.psi_1])
        H = np.zeros((len(theta), len(theta)))
        H[:m, :m] = nn / at.c * at.c_2 + at.l_2
        for block, s, W in zip(model.blocks, model.slices, G, strict=True):
            H[s, s] += model.parameterization.second(block.structure, gamma[s], W)
        H[:, m:] = at.psi_2
        H[m:, :m] = at.psi_2[:m].T
        H[m:, m:] = 0.5 * (H[m:, m:] + H[m:, m:].T)
        H -= nn * np.outer(c_1 / at.c, c_1 / at.c)
        return self.deviance(at), g, H

    def _search_curvature(
        self, D_blocks: list[Array], directions: Sequence[Direction]
    ) -> Pieces:
        """``curvature`` as far as a search needs it."""
        return self.curvature(D_blocks, directions)

    def curvature(
        self, D_blocks: list[Array], directions: Sequence[Direction]
    ) -> Pieces:
        """Second derivatives along directions of D and in psi."""
        psi, nn = self.psi, self.nn
        D = self.model.floors(D_blocks)
        keep: list = []
        at = evaluate(
            self.tree, D, reml=self.reml, order=2, directions=directions, keep=keep
        )
        if not at.c > 0:
            raise NotPositiveDefiniteError
        weight = nn / at.c
        left, right = self.rows.given(
            self.tree, D, at.root, keep, weight, reml=self.reml
        )
        slope = self.residual.slope(psi, left, right, log_det=True)
        c_psi = self.residual.slope(
            psi, left[:, :1], right[:, :1] / weight, log_det=False
        )
        n_d = len(directions)
        second = np.empty((n_d + len(psi), len(psi)))
        for k in range(len(psi)):
            moved = psi.astype(complex)
            moved[k] += 1j * STEP
            tree, _ = self.rows.tree(moved)
            there, bend = self._slopes(tree, D, moved, weight)
            assert there.c_D is not None
            assert there.l_D is not None
            for i, (floor, M) in enumerate(directions):
                G = weight * there.c_D[floor].imag + there.l_D[floor].imag
                second[i, k] = np.sum(G * M) / STEP
            second[n_d:, k] = bend.imag / STEP
        return replace(at, c_psi=c_psi, psi_1=slope, psi_2=second)

    def _slopes(
        self, tree: Tree, D: list[Array], psi: Array, weight: complex | None
    ) -> tuple[Pieces, Array]:
        """Pieces of order 1, and the gradient of weight * c + l in psi."""
        keep: list = []
        at = evaluate(tree, D, reml=self.reml, order=1, keep=keep)
        if not at.c.real > 0:
            raise NotPositiveDefiniteError
        weight = self.nn / at.c if weight is None else weight
        left, right = self.rows.given(tree, D, at.root, keep, weight, reml=self.reml)
        return at, self.residual.slope(psi, left, right, log_det=True)

    def held(
        self, D_blocks: list[Array], psi: Array, weight: float
    ) -> tuple[Pieces, Array]:
        """Pieces at given covariances, and the gradient of weight * c + l in psi."""
        self.settle(np.append(np.zeros(self.model.n_params), psi))
        return self._slopes(self.tree, self.model.floors(D_blocks), psi, weight)

    def limit(self, theta: Array) -> Array:
        """theta with parameters of the residuals that run off put where they run to."""
        gamma, psi = self._apart(theta)
        return np.concatenate([gamma, self.residual.limit(psi)])

    # -- what the certificate asks -------------------------------------------------

    def outward(self, theta: Array) -> list[tuple[int, Array, float]]:
        """Where -2 L still falls beyond a zero variance."""
        self.settle(theta)
        return super().outward(theta)

    def interior(self, theta: Array) -> Array:
        """Directions that do not leave a zero variance, or a correlation of one."""
        m = self.model.n_params
        inside = ~self.residual.at_boundary(theta[m:])
        own = np.eye(len(theta))[:, m:][:, inside]
        if not self.model.blocks:
            return own
        return np.concatenate([super().interior(theta), own], axis=1)

    def owner(self, direction: Array) -> int:
        """Equation of a direction; the number of equations for the residuals."""
        gamma, psi = self._apart(direction)
        if not len(gamma) or psi @ psi > gamma @ gamma:
            return len(self.model.blocks)
        return super().owner(gamma)
