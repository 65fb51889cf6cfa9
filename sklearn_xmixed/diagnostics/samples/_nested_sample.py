"""The sample of a nested model: its rows, and what is left without some of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ._deletion import Deletion
from ._nested import NestedRows
from ._nested_deletion import delete_groups, delete_rows
from ._onestep import one_step
from ._onestep_result import OneStep

__all__ = ["NestedSample"]

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class NestedSample(NestedRows):
    """Rows of a nested model that can be taken away."""

    def delete_rows(self) -> Deletion:
        """Each row taken away in its turn."""
        return delete_rows(self)

    def delete_groups(self, number: int) -> Deletion:
        """Each group of a level taken away in its turn."""
        return delete_groups(self, number)

    def one_step(self, groups: Array) -> OneStep:
        """Variance parameters without each group of the highest level."""
        return one_step(self, groups)

    def require_highest(self, number: int) -> None:
        """Refuse random effects without a group of any other level."""
        if (number,) != self.compiled.level_numbers[:1]:
            super().require_highest(number)

    def effects_without(self, unit: int, delta: Array) -> list[Array]:
        """Random effects of every equation without one group of the highest level."""
        fitted, out = self.fitted, []
        floors = self.posterior.floors
        for equation in fitted.equations:
            at = floors[equation.floor]
            gain = equation.Sigma @ equation.T.T / fitted.sigma2
            values = (gain @ (at.e - np.einsum("qpg,p->qg", at.E, delta))).T
            group = np.arange(len(values))
            for parents in self.parents[equation.floor : -1]:
                group = parents[group]
            values[group == unit] = 0.0
            out.append(values)
        return out
