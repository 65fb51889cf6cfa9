"""How X'V^-1X of crossed factors answers to their variances, by one elimination."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from .._model import VarianceModel
from .._pieces import Pieces
from .._sensitivity import Sensitivity
from ._crossing import Crossing
from ._elimination import Direction, Elimination
from ._exact import Frame, evaluate_crossed
from ._iterative import Probes
from ._objective import CrossedObjective, ExactObjective, IterativeObjective

__all__ = ["CrossedSensitivity"]

Array = np.ndarray


class CrossedSensitivity(Sensitivity):
    """Sums over the groups of all terms.

    Parameters
    ----------
    tree : Crossing
    model : VarianceModel
    seeds : (int, int) or None
        Number and seed of the probes of an iterative fit.
    D_blocks, F, constants
        As of ``Sensitivity``.
    """

    def __init__(
        self,
        tree: Crossing,
        model: VarianceModel,
        seeds: tuple[int, int] | None,
        D_blocks: list[Array],
        F: Array,
        constants: list[Array | None],
    ):
        super().__init__(model, D_blocks, F, float(tree.n), constants)
        self.tree, self.seeds = tree, seeds

    def __getstate__(self) -> dict:
        lost = ("objective", "_E", "traces", "slopes", "total")
        return {k: v for k, v in self.__dict__.items() if k not in lost}

    @cached_property
    def objective(self) -> CrossedObjective:
        """c and l under REML."""
        frame = Frame(self.tree)
        if self.seeds is None:
            return ExactObjective(frame, self.model, reml=True, log_det_basis=0.0)
        probes = Probes(self.tree, *self.seeds)
        return IterativeObjective(
            frame, self.model, probes, reml=True, log_det_basis=0.0
        )

    @property
    def _sweep(self) -> Elimination:
        return self.objective.sweep(self.D)

    @property
    def _Phi(self) -> Array:
        return np.concatenate([self.F, np.zeros((1, self.p))])

    @cached_property
    def _E(self) -> list[Array]:
        """Z'W^-1 X F of every term, shape (G, q, p)."""
        return [self._sweep.E(t, self._Phi) for t in range(len(self.D))]

    def _direction(self, elements: Array) -> Direction:
        moved = enumerate(self.floors(elements))
        return [(t, M) for t, M in moved if M.any()]

    @cached_property
    def slopes(self) -> Array:
        """e(Y) of every element, shape (m, p, p)."""
        out = np.zeros((self.n_directions, self.p, self.p))
        for k, unit in enumerate(np.eye(self.n_directions)):
            for t, M in self._direction(unit):
                E = self._E[t]
                out[k] += np.einsum("gax,gay->xy", E, M @ E)
        return out

    def quadratic(self, direction: Array) -> Array:
        """q(Y) of a combination of the elements."""
        moved = [self._direction(direction)]
        own, other = self._sweep.shifts(moved, self._Phi)
        return self._sweep.between(own[:, 0], other[:, 0])[0]

    @cached_property
    def traces(self) -> tuple[Array, Array]:
        """tr(G Y_i) and half of tr(G Y_i G Y_j)."""
        directions = self.model.elements()
        at = self.objective.curvature(self.D_blocks, directions)
        assert at.l_D is not None
        assert at.l_2 is not None
        first = np.array(
            [
                sum(np.sum(at.l_D[t] * M) for t, M in self._direction(unit))
                for unit in np.eye(self.n_directions)
            ]
        )
        return first, -0.5 * at.l_2

    @property
    def groupings(self) -> list[tuple[float, Array | None]]:
        """There is no order of crossed factors."""
        raise NotImplementedError(
            "Between-within degrees of freedom are those of nested levels, and factors "
            "cross here. Use df='satterthwaite', 'kenward-roger' or 'containment'."
        )

    def n_groups(self, floor: int) -> float:
        """Number of groups of a term."""
        return self.tree.n_groups(floor)

    def pieces(self, D: list[Array]) -> Pieces:
        """c, l under REML and their derivatives at any D of the terms."""
        return evaluate_crossed(self.objective.sweep(D), reml=True)
