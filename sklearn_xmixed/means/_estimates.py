"""Linear combinations of the fixed effects: estimates, errors, what can be estimated."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from scipy.linalg import qr

from ..inference import FTest, Reference

__all__ = ["FixedPart", "LinearEstimates"]

Array = np.ndarray

#: a row may depend this much on what is not identified; rounding of the relations
ESTIMABLE = 1e-6
#: rows that add less than this share to those before them are no further hypotheses
REDUNDANT = 1e-8


@dataclass(frozen=True, eq=False)
class FixedPart:
    """What a fit says of its fixed effects.

    Parameters
    ----------
    names : tuple of str
        Of the coefficients.
    beta : ndarray of shape (p,)
    reference : Reference
        Covariance matrix and degrees of freedom.
    relations : ndarray of shape (r, p) or None
        Rows a with X a = 0 of the collinear columns that were left out.
    response : str
        As the model has it: "log(weight)", say.
    offset : float
        Mean of the offset, at which means are taken.
    """

    names: tuple[str, ...]
    beta: Array
    reference: Reference
    relations: Array | None = None
    response: str = "y"
    offset: float = 0.0


@dataclass(frozen=True, eq=False)
class LinearEstimates:
    """Estimates L beta, and of means the offset's share.

    Parameters
    ----------
    part : FixedPart
    rows : ndarray of shape (k, p)
        L.
    unknown : ndarray of shape (k, e)
        What a row has of combinations of levels that no data had: not estimable unless
        all are zero.
    index : Index of length k
    confidence_level : float
    page : callable or None
        Makes of the estimates how they are shown, with ``text`` and ``html``; None is as
        ever.
    """

    part: FixedPart
    rows: Array
    unknown: Array
    index: pd.Index
    confidence_level: float
    page: Callable[[Any], Any] | None = field(default=None, kw_only=True)

    @cached_property
    def estimable(self) -> Array:
        """Whether each estimate is one: it does not depend on how the model is coded."""
        size = np.abs(self.rows).max(axis=1, initial=1e-300)
        good = ~(np.abs(self.unknown) > ESTIMABLE * np.maximum(size, 1.0)[:, None]).any(
            1
        )
        relations = self.part.relations
        if relations is not None:
            off = np.abs(self.rows @ relations.T)
            scale = np.abs(self.rows) @ np.abs(relations.T)
            good &= ~(off > ESTIMABLE * scale).any(axis=1)
        return good

    def _known(self, values: Array) -> Array:
        return np.where(self.estimable, values, np.nan)

    @property
    def shift(self) -> Array:
        """What is added to L beta."""
        return np.zeros(len(self.rows))

    @cached_property
    def estimate(self) -> Array:
        """L beta, nan where it is not estimable."""
        return self._known(self.rows @ self.part.beta + self.shift)

    @cached_property
    def covariance(self) -> Array:
        """L V L'."""
        return self.rows @ self.part.reference.vcov @ self.rows.T

    @cached_property
    def std_error(self) -> Array:
        """Standard errors."""
        return self._known(np.sqrt(np.diagonal(self.covariance).clip(0.0)))

    @cached_property
    def df(self) -> Array:
        """Degrees of freedom of t."""
        out = np.full(len(self.rows), np.nan)
        # of a row of zeros there is nothing to refer
        used = self.estimable & (self.rows != 0.0).any(axis=1)
        if used.any():
            out[used] = self.part.reference.df(self.rows[used])
        return out

    @property
    def L(self) -> pd.DataFrame:
        """The linear combinations: one column per coefficient."""
        columns = pd.Index(self.part.names, dtype=object)
        return pd.DataFrame(self.rows, index=self.index, columns=columns)

    @property
    def vcov(self) -> pd.DataFrame:
        """Covariance matrix of the estimates, nan where one is not estimable."""
        known = np.outer(self.estimable, self.estimable)
        V = np.where(known, self.covariance, np.nan)
        return pd.DataFrame(V, index=self.index, columns=self.index)

    def _joint(self, places: Array) -> FTest:
        """Test that all of some estimates are zero; those that follow are left out."""
        L = self.rows[places][self.estimable[places]]
        shift = self.shift[places][self.estimable[places]]
        values, vectors = np.linalg.eigh(self.part.reference.vcov)
        half = L @ (vectors * np.sqrt(values.clip(0.0)))
        size = np.linalg.norm(half, axis=1)
        L, half = L[size > 0], (half / np.where(size > 0, size, 1.0)[:, None])[size > 0]
        shift = shift[size > 0]
        if not len(L):
            return FTest(np.nan, 0, np.nan)
        _, R, order = qr(half.T, mode="economic", pivoting=True)
        rank = int((np.abs(np.diagonal(R)) > REDUNDANT).sum())
        kept = np.sort(order[:rank])
        L = L[kept]
        return self.part.reference.test(L, L @ self.part.beta + shift[kept])
