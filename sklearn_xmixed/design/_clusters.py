"""Clusters of top-level groups: who is independent of whom in robust errors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ._design import Level
from ._encoder import Encoder
from ._labels import Source

__all__ = ["CORRECTED", "Clusters", "make_clusters", "read_clusters"]

Array = np.ndarray

#: values of vce that correct the sandwich of the coefficients for few clusters
CORRECTED = ("CR0", "CR1", "CR1S", "CR2", "CR3")


@dataclass(frozen=True, eq=False)
class Clusters:
    """The clusters of robust standard errors.

    Parameters
    ----------
    codes : ndarray of int, shape (n,)
        Cluster of each row, from 0.
    counts : ndarray of shape (M,)
        How many clusters each stands for: frequency weights of the top level.
    """

    codes: Array
    counts: Array

    @property
    def number(self) -> float:
        """How many there are, all that each stands for included."""
        return (
            float(self.counts.sum()) if (self.counts != 1).any() else len(self.counts)
        )


def read_clusters(estimator: Any, source: Source | None) -> Any:
    """Cluster labels per row, None without."""
    named = estimator.cluster is not None and estimator.vce in CORRECTED
    if not (named or estimator.vce == "cluster"):
        return None
    if not isinstance(estimator.cluster, str):
        raise ValueError(
            f"vce={estimator.vce!r} needs cluster=, the name of a column of X or groups; "
            f"got cluster={estimator.cluster!r}."
        )
    assert source is not None
    values = source.column(estimator.cluster)
    if values is None:
        raise ValueError(
            f"The cluster variable {estimator.cluster!r} is no column of X or groups. "
            f"{source.describe()}"
        )
    return values


def make_clusters(
    estimator: Any,
    labels: Any,
    levels: Sequence[Level],
    encoders: Sequence[Encoder],
    n_rows: int,
    weights: Array | None,
) -> Clusters | None:
    """Clusters by label, else top-level groups, else rows; None if not needed.

    Parameters
    ----------
    labels : array-like or None
        From ``read_clusters``.
    levels : sequence of Level
        All asked for, top level first.
    weights : ndarray of shape (n,) or None
        Of the rows.
    """
    sampling = estimator.weight_type == "sampling"
    if estimator.vce == "oim" and not sampling:
        return None
    if labels is not None:
        codes = pd.factorize(labels)[0]
        if levels:
            _check_nested(codes, labels, levels[0], encoders[0])
        M = int(codes.max()) + 1
        return _at_least_two(Clusters(codes, np.ones(M)), n_rows)
    if levels:
        codes, M, counts = levels[0].codes, levels[0].n_groups, levels[0].weights
    else:
        codes, M, counts = np.arange(n_rows), n_rows, weights
    if sampling or counts is None:
        counts = np.ones(M)
    return _at_least_two(Clusters(codes, counts), n_rows)


def _at_least_two(clusters: Clusters, n_rows: int) -> Clusters:
    if not clusters.counts.sum() > 1:
        rows = f"n_samples={n_rows}" if n_rows == 1 else f"{n_rows} samples"
        raise ValueError(
            f"Robust standard errors need at least two clusters, found one in {rows}. "
            "Use vce='oim', or clusters of another variable."
        )
    return clusters


def _check_nested(codes: Array, labels: Any, top: Level, encoder: Encoder) -> None:
    """Raise ValueError if a top-level group lies in two clusters."""
    of_group = np.empty(top.n_groups, dtype=codes.dtype)
    of_group[top.codes] = codes
    split = of_group[top.codes] != codes
    if split.any():
        group = int(top.codes[np.argmax(split)])
        found = pd.unique(np.asarray(labels)[top.codes == group]).tolist()
        raise ValueError(
            f"The groups of the top level must nest in the clusters, but group "
            f"{np.asarray(encoder.own_labels)[group]!s} of {top.group!r} lies in the "
            f"clusters {found[:5]}."
        )
