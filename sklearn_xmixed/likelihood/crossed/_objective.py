"""The variance model and the objective where factors cross."""

from __future__ import annotations

import math
from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, replace

import numpy as np

from ...covariance import Parameterization
from .._model import Block, VarianceModel
from .._noise import Noise
from .._objective import Objective
from .._pieces import Pieces
from ._crossing import Crossing
from ._elimination import Direction, Elimination
from ._exact import Exact, Frame, evaluate_crossed
from ._iterative import Iterative, Probes

__all__ = [
    "CrossedModel",
    "CrossedObjective",
    "ExactObjective",
    "ExchangeableBlock",
    "IterativeObjective",
]

Array = np.ndarray
#: step of differences of the exact gradient, relative to the scale of D
STEP = 1e-4
#: remaining columns from which an elimination is costly
MANY_COLUMNS = 3000


@dataclass(frozen=True, eq=False)
class ExchangeableBlock(Block):
    """A factor whose effects within a group have one covariance.

    With variance v and covariance c it is the sum of independent effects of variance
    v - c, the term ``floor``, and of one effect per group of variance c, possibly
    negative: the term ``common``.

    Parameters
    ----------
    common : int
    size : int
        Levels of the factor.
    """

    common: int = -1
    size: int = 2

    def spread(self, D_b: Array) -> list[tuple[int, Array]]:
        """What the eigenvalues on the diagonal of D_b add to the two terms."""
        low, high = np.diagonal(D_b)
        c = (high - low) / self.size
        return [(self.floor, np.array([[low]])), (self.common, np.array([[c]]))]

    def pull(self, G_floors: list[Array]) -> Array:
        """Derivatives in the two eigenvalues from those in the terms' D."""
        own, common = G_floors[self.floor][0, 0], G_floors[self.common][0, 0]
        return np.diag([own - common / self.size, common / self.size])


class CrossedModel(VarianceModel):
    """Map between the D_b of the equations and the D of the terms."""

    def __init__(
        self,
        blocks: list[Block],
        q: Sequence[int],
        parameterization: Parameterization,
    ):
        super().__init__(blocks, len(q), parameterization)
        self._q = list(q)

    def along(self, first: list[Array]) -> list:
        """Changes of the terms along changes of the D_b."""
        return [b.spread(M) for b, J in zip(self.blocks, first, strict=True) for M in J]

    def elements(self) -> list:
        """Changes of the terms along each element of the structures."""
        return [b.spread(M) for b in self.blocks for M in b.structure.basis]


class CrossedObjective(Objective):
    """-2 L(gamma); the search uses the average information.

    That is the mean of the observed and the expected Hessian, in which the traces
    cancel; it costs a few solves.  Standard errors are those of the observed one.

    Parameters
    ----------
    frame : Frame
        Of the crossing that takes the tree's place.

    Attributes
    ----------
    polished : float
        Decrement that makes one more costly step pointless: it is a share of 1e-4 of
        the standard errors.
    """

    tree: Crossing
    #: whether a variance may go below zero in a difference
    signed = True
    #: number and seed of the probes, where there are any
    seeds: tuple[int, int] | None = None

    def __init__(
        self,
        frame: Frame,
        model: VarianceModel,
        *,
        reml: bool,
        log_det_basis: float,
        log_det_rows: float = 0.0,
    ):
        super().__init__(
            frame.x,
            model,
            reml=reml,
            log_det_basis=log_det_basis,
            log_det_rows=log_det_rows,
        )
        self.frame = frame
        if frame.x.N >= MANY_COLUMNS:
            self.polished = 1e-10
        self._sweep: tuple[bytes, Elimination] | None = None

    def over(self, x: Crossing) -> CrossedObjective:
        """The same function of other products with y."""
        out, frame = copy(self), copy(self.frame)
        frame.x = out.tree = x
        out.frame, out._sweep, out._last = frame, None, None
        return out

    def sweep(self, D: list[Array]) -> Elimination:
        """The elimination at D; the last one is kept."""
        key = b"".join(d.tobytes() for d in D)
        if self._sweep is None or self._sweep[0] != key:
            self._sweep = None  # before the next takes memory
            self._sweep = key, self._eliminate(D)
        return self._sweep[1]

    def _eliminate(self, D: list[Array]) -> Elimination:
        raise NotImplementedError

    def rough(self, count: int) -> IterativeObjective:
        """The same function estimated with a few probes."""
        return IterativeObjective(
            self.frame,
            self.model,
            Probes(self.frame.x, count, seed=1, tol=1e-8),
            reml=self.reml,
            log_det_basis=0.0,
        )

    def pieces(self, D_blocks: list[Array], order: int = 1) -> Pieces:
        """c, l and their derivatives in D at given covariances."""
        sweep = self.sweep(self.model.floors(D_blocks))
        return evaluate_crossed(sweep, reml=self.reml, order=order)

    def curvature(self, D_blocks: list[Array], directions: Sequence) -> Pieces:
        """c, l and their derivatives, the second ones along directions of D."""
        return self.differences(self.model.floors(D_blocks), directions)

    def differences(self, D: list[Array], directions: Sequence) -> Pieces:
        """The same by central differences of the gradient."""
        at = evaluate_crossed(self.sweep(D), reml=self.reml)
        m = len(directions)
        c_2, l_2 = np.zeros((m, m)), np.zeros((m, m))
        for i, direction in enumerate(directions):
            h = self._step(D, direction)
            if not h:
                continue
            ends, width = [], 2.0 * h
            for sign in (1.0, -1.0):
                moved = list(D)
                for t, M in direction:
                    moved[t] = moved[t] + sign * h * M
                if not self.signed and not _semidefinite(moved):
                    # without dense factors a variance cannot go below zero
                    width -= h
                    moved = D
                ends.append(evaluate_crossed(self.sweep(moved), reml=self.reml))
            up, down = ends
            if not width:
                continue
            assert up.c_D is not None
            assert up.l_D is not None
            assert down.c_D is not None
            assert down.l_D is not None
            for j, other in enumerate(directions):
                for t, M in other:
                    c_2[j, i] += np.sum((up.c_D[t] - down.c_D[t]) * M) / width
                    l_2[j, i] += np.sum((up.l_D[t] - down.l_D[t]) * M) / width
        return replace(at, c_2=0.5 * (c_2 + c_2.T), l_2=0.5 * (l_2 + l_2.T))

    def value(self, gamma: Array) -> float:
        """-2 L; infinite where effects are so large that products have no digits left."""
        try:
            return super().value(gamma)
        except np.linalg.LinAlgError:
            return math.inf

    def gradient(self, gamma: Array) -> tuple[float, Array]:
        """-2 L and its gradient."""
        try:
            return super().gradient(gamma)
        except np.linalg.LinAlgError:
            return math.inf, np.zeros(len(gamma))

    def hessian(self, gamma: Array) -> tuple[float, Array, Array]:
        """-2 L, its gradient and its average information."""
        try:
            return self._hessian(gamma)
        except np.linalg.LinAlgError:
            return math.inf, np.zeros(len(gamma)), np.eye(len(gamma))

    def _hessian(self, gamma: Array) -> tuple[float, Array, Array]:
        model, nn = self.model, self.nn
        at = evaluate_crossed(
            self.sweep(model.floors(model.split(gamma))),
            reml=self.reml,
            directions=model.directions(gamma),  # type: ignore[arg-type]
        )
        assert at.c_D is not None
        assert at.c_2 is not None
        self._last = gamma.tobytes(), replace(at, c_2=None)
        first, G = self._first(gamma), self.block_gradients(at)
        c_1 = self._chain(first, model.pull(at.c_D))
        H = nn * (0.5 * at.c_2 / at.c - np.outer(c_1 / at.c, c_1 / at.c))
        for block, s, W in zip(model.blocks, model.slices, G, strict=True):
            H[s, s] += model.parameterization.second(block.structure, gamma[s], W)
        return self.deviance(at), self._chain(first, G), H

    def _step(self, D: list[Array], direction: Direction) -> float:
        """A change of D that is small beside D and beside 1 / (Z'Z)."""
        x, steps = self.tree, []
        for t, M in direction:
            size = np.abs(M).max()
            if not size:
                continue
            own = (
                np.einsum("gaa->ga", x.A_first)
                if t == x.first
                else x.A_rest.diagonal()[x.slices[t]]
            )
            floor = 1.0 / max(float(own.max(initial=0.0)), 1e-300)
            least = float(np.linalg.eigvalsh(D[t])[0])
            steps.append(STEP * (max(least, 0.0) + floor) / size)
        return min(steps, default=0.0)


class ExactObjective(CrossedObjective):
    """With dense factors of what remains after the first term."""

    def _eliminate(self, D: list[Array]) -> Exact:
        return Exact(self.frame, D)

    def curvature(self, D_blocks: list[Array], directions: Sequence) -> Pieces:
        """c, l and their derivatives, the second ones along directions of D."""
        D = self.model.floors(D_blocks)
        sweep = self.sweep(D)
        if sweep.smooth:
            return evaluate_crossed(
                sweep, reml=self.reml, directions=directions, exact=True
            )
        return self.differences(D, directions)


class IterativeObjective(CrossedObjective):
    """By products alone; log|V| is estimated.

    Parameters
    ----------
    frame : Frame
    model : VarianceModel
    probes : Probes
    reml : bool
    log_det_basis, log_det_rows : float
    """

    signed = False

    def __init__(
        self,
        frame: Frame,
        model: VarianceModel,
        probes: Probes,
        *,
        reml: bool,
        log_det_basis: float,
        log_det_rows: float = 0.0,
    ):
        super().__init__(
            frame,
            model,
            reml=reml,
            log_det_basis=log_det_basis,
            log_det_rows=log_det_rows,
        )
        self.probes = probes
        self.seeds = probes.count, probes.seed

    def over(self, x: Crossing) -> CrossedObjective:
        """The same function of other products with y, with the same probes."""
        out = super().over(x)
        out.probes = replace(self.probes, x=x)  # type: ignore[attr-defined]
        return out

    def _eliminate(self, D: list[Array]) -> Iterative:
        return Iterative(self.probes, D)

    def noise(self, D_blocks: list[Array]) -> Noise:
        """What the probes say one by one."""
        sweep = self.sweep(self.model.floors(D_blocks))
        assert sweep.noise is not None
        return replace(sweep.noise, residual=sweep.residual)


def _semidefinite(D: list[Array]) -> bool:
    return all(np.linalg.eigvalsh(d)[0] >= 0.0 for d in D)
