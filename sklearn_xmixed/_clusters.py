"""Clusters of top-level groups, for ``vce="cluster"``."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from ._design import Level
from ._labels import Encoder, Source

__all__ = ["nested_clusters", "read_clusters"]

Array = np.ndarray


def read_clusters(estimator: Any, source: Source | None) -> Any:
    """Cluster labels per row, None without."""
    if estimator.vce != "cluster":
        return None
    if not isinstance(estimator.cluster, str):
        raise ValueError(
            "vce='cluster' needs cluster=, the name of a column of X or groups; got "
            f"cluster={estimator.cluster!r}."
        )
    assert source is not None
    values = source.column(estimator.cluster)
    if values is None:
        raise ValueError(
            f"The cluster variable {estimator.cluster!r} is no column of X or groups. "
            f"{source.describe()}"
        )
    return values


def nested_clusters(
    cluster: Any, levels: list[Level], encoders: list[Encoder]
) -> Array | None:
    """Cluster number of each top-level group (of each row without levels)."""
    if cluster is None:
        return None
    codes, labels = pd.factorize(cluster)
    if not levels:
        return codes
    top = levels[0]
    out = np.empty(top.n_groups, dtype=codes.dtype)
    out[top.codes] = codes
    split = out[top.codes] != codes
    if split.any():
        group = int(top.codes[np.argmax(split)])
        found = np.asarray(labels)[np.unique(codes[top.codes == group])].tolist()
        raise ValueError(
            f"The groups of the top level must nest in the clusters, but group "
            f"{np.asarray(encoders[0].own_labels)[group]!r} of {top.group!r} lies in the "
            f"clusters {found[:5]}."
        )
    return out
