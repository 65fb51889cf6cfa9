"""A fitted model as the checks see it."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from ...fitted import FittedEquation
from ...fitted._fitted import FittedModel
from ...inference import Results
from ._proposal import Proposal

__all__ = [
    "Patient",
    "collinear",
    "is_plain_factor",
    "mean_and_rest",
    "number",
    "several",
]

Array = np.ndarray

#: a variance (of a column of unit size, over sigma^2) below this is zero
ZERO = 1e-7


@dataclass(eq=False)
class Patient:
    """A fitted model as the checks see it, and the changes that they ask for."""

    estimator: Any
    proposal: Proposal = field(default_factory=Proposal)

    @property
    def fitted(self) -> FittedModel:
        """State of the estimator."""
        return self.estimator._fitted

    @property
    def results(self) -> Results:
        """Everything the fit saves."""
        return self.fitted.results

    @cached_property
    def unidentified(self) -> int | None:
        """Equation that the likelihood does not determine; their number: residuals."""
        number = self.fitted.certificate.unidentified
        if number is None and "not identified" in self.results.message:
            for k, e in enumerate(self.fitted.equations):
                if f"level {e.name!r}" in self.results.message:
                    return k
            return len(self.fitted.equations)
        return number

    def scaled(self, e: FittedEquation) -> Array:
        """Sigma / sigma^2 of columns of unit size."""
        size = np.sqrt((e.T**2).sum(axis=0))
        size = np.where(size > 0, size, 1.0)
        return e.Sigma * np.outer(size, size) / self.fitted.sigma2

    def n_groups(self, e: FittedEquation) -> int:
        """Groups (of a factor: levels) with effects of their own."""
        if e.factor is not None:
            return int(e.factor.encoder.n_groups)
        number = self.fitted.level_numbers[e.level]
        return int(self.fitted.encoders[number].n_groups)

    def zero_effects(self, e: FittedEquation) -> list[str]:
        """Effects whose variance is zero."""
        if is_plain_factor(e):
            return list(e.effects) if e.Sigma[0, 0] <= ZERO * self.fitted.sigma2 else []
        v = np.diagonal(self.scaled(e))
        return [x for x, own in zip(e.effects, v, strict=True) if own <= ZERO]

    def moments(self, column: str) -> tuple[float, float] | None:
        """Mean and standard deviation of a column of the fixed part."""
        fitted = self.fitted
        names = [n for n, k in zip(fitted.fixed_names, fitted.kept, strict=True) if k]
        R = fitted.pool.R
        if column not in names or len(R) == len(names):
            return None
        j = 1 + names.index(column)
        return float(R[0, j]), float(np.sqrt((R[1:, j] ** 2).sum()))


def is_plain_factor(e: FittedEquation) -> bool:
    """Whether an equation has one effect per level of a factor."""
    return e.factor is not None and not e.factor.slopes


def number(x: float) -> str:
    return f"{x:.4g}"


def several(names: list[str]) -> str:
    return ", ".join(map(str, names))


def collinear(
    e: FittedEquation, tolerance: float = 1e-4, *, centred: bool = False
) -> list[str]:
    """Columns that hardly differ from those before; the constant is the first.

    ``centred`` compares with what a column varies, not with its size.
    """
    order = sorted(range(len(e.effects)), key=lambda j: e.effects[j] != "_cons")
    found, basis = [], np.zeros((len(e.T), 0))
    for j in order:
        column = e.T[:, j]
        if centred and e.effects[j] != "_cons":
            _, column = mean_and_rest(e, j)
        left = column - basis @ (basis.T @ column)
        if np.linalg.norm(left) <= tolerance * np.linalg.norm(column):
            found.append(e.effects[j])
            continue
        basis = np.column_stack([basis, left / np.linalg.norm(left)])
    return found


def mean_and_rest(e: FittedEquation, j: int) -> tuple[float, Array]:
    """Mean of a random column and what varies about it, in the basis."""
    if "_cons" not in e.effects:
        return 0.0, e.T[:, j]
    one = e.T[:, e.effects.index("_cons")]
    mean = float(one @ e.T[:, j] / (one @ one))
    return mean, e.T[:, j] - mean * one
