"""The training data laid over a fitted model once more: the contract.

A fitted model keeps no rows.  What asks about rows is given them again, and they are
checked to be those of the fit.  Each kind of model has a sample of its own, in which
rows and groups can be taken away.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
import pandas as pd

from ...design._compile import Compiled
from ...design._labels import Source
from ...fitted._fitted import FittedModel
from ._deletion import Deletion
from ._onestep_result import OneStep

__all__ = ["Sample", "group_codes"]

Array = np.ndarray


class Sample(ABC):
    """Rows laid over a fitted model.

    Attributes
    ----------
    fitted : FittedModel
    compiled : Compiled
    order : ndarray of int, shape (n,)
        Number of each row among those that the user passed.
    n_passed : int
        How many these are.
    W : ndarray of shape (n, r)
        Its last columns are X F and y - X beta, F F' = (X'V^-1X)^-1.
    codes : tuple of ndarray of int, shape (n,)
        Group of each row at every level asked for, top level first.
    """

    fitted: FittedModel
    compiled: Compiled
    order: Array
    n_passed: int
    W: Array
    codes: tuple[Array, ...]

    @classmethod
    @abstractmethod
    def of(cls, fitted: FittedModel, compiled: Compiled, source: Source) -> Sample:
        """Lay the rows over the model; not yet checked to be those of the fit."""

    @property
    def p(self) -> int:
        """Number of fixed effects that are estimated."""
        return self.fitted.pool.p

    @property
    def c(self) -> float:
        """Residual sum of squares in the metric of V."""
        return float(self.fitted.posterior.pieces.root.c)

    @property
    def n(self) -> float:
        """Number of observations (sum of weights)."""
        return self.fitted.posterior.n

    @property
    def row_size(self) -> Array:
        """Standard deviation of each row's error over that of weight 1.

        The rows of ``W`` are divided by it.
        """
        precision = self.compiled.design.precision
        if precision is None:
            return np.ones(len(self.order))
        given = np.delete(np.arange(self.n_passed), self.compiled.dropped)
        return 1.0 / np.sqrt(precision[np.searchsorted(given, self.order)])

    @property
    @abstractmethod
    def total(self) -> Array:
        """Cross-products of [X F, r] with all random effects eliminated."""

    @property
    @abstractmethod
    def total_weights(self) -> Array:
        """Product of the weights of each row and its groups."""

    @property
    @abstractmethod
    def conditional(self) -> Array:
        """Residuals with the random effects taken out."""

    @property
    @abstractmethod
    def level_names(self) -> list[str]:
        """All levels asked for, top level first (then variables of factors)."""

    @abstractmethod
    def labels(self, number: int) -> pd.Index:
        """Paths of labels of a level's groups."""

    @abstractmethod
    def delete_rows(self) -> Deletion:
        """Each row taken away in its turn."""

    @abstractmethod
    def delete_groups(self, number: int) -> Deletion:
        """Each group of a level taken away in its turn.

        Parameters
        ----------
        number : int
            Level among those asked for, top level 0.
        """

    def one_step(self, groups: Array) -> OneStep:
        """Variance parameters without each group of the highest level."""
        self.fitted.posterior.require("one step")
        raise NotImplementedError

    def effects_without(self, unit: int, delta: Array) -> list[Array]:
        """Random effects of every equation without one group of the highest level.

        Parameters
        ----------
        unit : int
            The group.
        delta : ndarray of shape (p,)
            Change of the coefficients of X F.
        """
        raise NotImplementedError

    def require_highest(self, number: int) -> None:
        """Refuse random effects without a group of any other level.

        Raises
        ------
        NotImplementedError
        """
        raise NotImplementedError(
            "Random effects without a group are there for the groups of the highest "
            "level with random effects in nested models, not for "
            f"{self.level_names[number]!r}."
        )

    @property
    def times(self) -> Array | None:
        """Times of the rows, where the residuals' structure has them."""
        return None

    def standard_deviations(self) -> Array:
        """Square roots of V_ii over sigma^2, row by row."""
        self.fitted.posterior.require("lags")
        raise NotImplementedError

    def covariances(self, i: Array, j: Array) -> Array:
        """V_ij over sigma^2 of pairs of rows."""
        self.fitted.posterior.require("lags")
        raise NotImplementedError


def group_codes(compiled: Compiled, source: Source, rows: Array) -> tuple[Array, ...]:
    """Group of each row at every level asked for, top level first."""
    names = [e.group for e in compiled.encoders]
    labels = source.levels([g for g in names if g != "_all"])
    out = []
    parents = np.zeros(len(rows), dtype=np.intp)
    for encoder in compiled.encoders:
        values = labels.get(encoder.group)
        own = None if values is None else np.asarray(values)[rows]
        parents = encoder.transform(own, parents)
        out.append(parents)
    return tuple(out)
