"""-2 L of nested levels with independent residuals."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .._objective import Objective
from .._pieces import Direction, Pieces
from ._sweeps import evaluate
from ._tree import Tree

__all__ = ["NestedObjective"]

Array = np.ndarray


class NestedObjective(Objective):
    """Every evaluation is one sweep up and one sweep down the tree."""

    tree: Tree

    def pieces(self, D_blocks: list[Array], order: int = 1) -> Pieces:
        """c, l and their derivatives in D at given covariances."""
        D = self.model.floors(D_blocks)
        return evaluate(self.tree, D, reml=self.reml, order=order)

    def curvature(
        self, D_blocks: list[Array], directions: Sequence[Direction]
    ) -> Pieces:
        """c, l and their derivatives, the second ones along directions of D."""
        return evaluate(
            self.tree,
            self.model.floors(D_blocks),
            reml=self.reml,
            order=2,
            directions=directions,
        )

    def single_rows(self) -> int | None:
        """Equation of the lowest level if its groups have one row each."""
        if not self.tree.depth or self.tree.n_groups(0) < self.tree.n - 0.5:
            return None
        return next(k for k, b in enumerate(self.model.blocks) if b.floor == 0)
