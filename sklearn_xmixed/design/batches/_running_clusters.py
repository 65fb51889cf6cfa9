"""Clusters of robust errors of all rows that have come so far."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from .._clusters import Clusters, make_clusters
from ..table._products import labels_of_groups
from ._running_sums import RunningSums

__all__ = ["running_clusters"]

Array = np.ndarray


def running_clusters(
    estimator: Any, sums: RunningSums
) -> tuple[Clusters | None, Array | None]:
    """The clusters of the lowest groups, and those that sums by cluster belong to.

    Returns
    -------
    clusters : Clusters or None
        None where they are not needed.
    owner : ndarray of int or None
        None where sums are by top-level group, and the clusters are these.

    Raises
    ------
    ValueError
        With one cluster, or a top-level group that lies in two.
    """
    levels, encoders = sums.groups.levels, sums.groups.encoders
    if sums.clusters is None or not sums.names.cluster:
        of_top = make_clusters(estimator, None, levels, encoders, sums.n_rows, None)
        return of_top, None
    name = sums.names.cluster[0]
    labels = labels_of_groups(sums.clusters.encoders)
    codes = np.arange(len(sums.clusters.n))
    if levels:
        none = np.zeros(len(codes), dtype=np.intp)
        codes = encoders[0].transform(labels[encoders[0].group], none)
        levels = [replace(levels[0], codes=codes)]
    found = make_clusters(estimator, labels[name], levels, encoders, sums.n_rows, None)
    assert found is not None
    owner = found.codes
    if not levels:
        return found, owner
    of_group = np.empty(levels[0].n_groups, dtype=np.intp)
    of_group[codes] = owner
    top = sums.groups.levels[0].codes
    return replace(found, codes=of_group[top]), owner
