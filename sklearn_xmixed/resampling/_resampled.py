"""Replicates of estimates: what the bootstrap and the jackknife have in common."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ..reporting import PlainPage

__all__ = ["Resampled", "of_known", "sample_sd", "stub_of"]

Array = np.ndarray


@dataclass(frozen=True, eq=False, repr=False)
class Resampled:
    """What both have.

    Parameters
    ----------
    estimate : Series
        Statistics of the data.
    replicates : DataFrame
        One row per replicate; nan where it failed.
    failures : Series
        Reason by replicate, of those that failed.
    n_obs : float
    n_units : int
        Independent groups (or rows) that were drawn or left out.
    unit : str
        Their variable, empty for rows.
    confidence_level : float
    """

    estimate: pd.Series
    replicates: pd.DataFrame
    failures: pd.Series
    n_obs: float
    n_units: int
    unit: str
    confidence_level: float

    @property
    def n_failed(self) -> int:
        """Number of replicates without a result."""
        return len(self.failures)

    @property
    def failure_counts(self) -> dict[str, int]:
        """How often each reason for a failure occurred."""
        return dict(Counter(self.failures))

    def _numbers(self) -> Array:
        return self.replicates.to_numpy(float)

    def _series(self, values: Array) -> pd.Series:
        return pd.Series(values, index=self.estimate.index)

    @property
    def std_error(self) -> pd.Series:
        """Standard errors."""
        raise NotImplementedError

    def to_frame(self) -> pd.DataFrame:
        """The table."""
        raise NotImplementedError

    def _tested(self) -> Array:
        """Which statistics may be tested against zero: no variances, no correlations."""
        index = self.estimate.index
        if not isinstance(index, pd.MultiIndex):
            return np.ones(len(index), dtype=bool)
        first = index.get_level_values(0)
        return np.asarray(first == first[0])

    def _failed_note(self) -> list[str]:
        if not self.n_failed:
            return []
        told = "; ".join(f"{n} {reason}" for reason, n in self.failure_counts.items())
        return [
            f"{self.n_failed} of {len(self.replicates)} replicates failed and are not in "
            f"the table: {told}."
        ]

    def _page(self) -> PlainPage:
        raise NotImplementedError

    def summary(self) -> str:
        """The table as text.

        Returns
        -------
        str
        """
        return self._page().text()

    def __str__(self) -> str:
        return self.summary()

    def __repr__(self) -> str:
        return self.summary()

    def _repr_html_(self) -> str:
        return self._page().html()


def stub_of(index: pd.Index) -> str:
    """The first equation, which heads a table that has equations."""
    return str(index[0][0]) if isinstance(index, pd.MultiIndex) else ""


def of_known(function: Any, theta: Array, width: int = 1) -> Array:
    """A function of each column's values that are there; nan with fewer than two."""
    out = np.full((theta.shape[1], width), np.nan)
    for j, column in enumerate(theta.T):
        there = column[~np.isnan(column)]
        if len(there) > 1:
            out[j] = function(there)
    return out if width > 1 else out[:, 0]


def sample_sd(x: Array) -> float:
    """Standard deviation with divisor n - 1."""
    return float(x.std(ddof=1))
