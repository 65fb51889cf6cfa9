"""What ``partial_fit`` keeps from one call to the next."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from ..design.batches._running_sums import RunningSums
from ._fitted import FittedModel

__all__ = ["Batches", "batch_history", "starts_of"]

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class Batches:
    """The sums of all rows so far, and what came when.

    Parameters
    ----------
    sums : RunningSums
    history : tuple of data frame
        Iteration log of every batch.
    """

    sums: RunningSums
    history: tuple[pd.DataFrame, ...]

    @property
    def frame(self) -> pd.DataFrame:
        """The logs one below the other."""
        return pd.concat(self.history, ignore_index=True)


def batch_history(sums: RunningSums, fitted: FittedModel) -> pd.DataFrame:
    """Iteration log of the last batch, with rows and lowest-level groups so far."""
    out = fitted.history.copy()
    out.insert(0, "batch", sums.n_batches - 1)
    out.insert(1, "n_rows", sums.n_rows)
    out.insert(2, "n_groups", len(sums.groups.n))
    return out


def starts_of(fitted: FittedModel) -> list[tuple[tuple[str, ...], Array]] | None:
    """Where the search for more rows begins; None where the last one found no place."""
    if not fitted.results.converged or not fitted.sigma2 > 0:
        return None
    return [
        (tuple(e.effects), np.asarray(e.Sigma) / fitted.sigma2)
        for e in fitted.equations
    ]
