"""Clusters of robust errors over a table: whose sums they need, and in which order."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from .._clusters import make_clusters
from .._encoder import encode
from ._products import Groups, TableClusters, TableProducts, labels_of

__all__ = ["cluster_table"]

Array = np.ndarray


def cluster_table(
    estimator: Any,
    name: str | None,
    names: list[str],
    groups: Groups,
    products: TableProducts,
) -> tuple[Groups, TableProducts]:
    """The same with the clusters of robust errors, where they are asked for.

    Parameters
    ----------
    name : str or None
        Column of the clusters; None for top-level groups.
    names : list of str
        Levels, top first.
    """
    levels, n = groups.levels, len(groups.n)
    if name is None:
        clusters = make_clusters(
            estimator, None, levels, groups.encoders, products.n_rows, None
        )
        if clusters is None:
            return groups, products
        of_top = TableClusters(groups.encoders[0], np.arange(len(clusters.counts)))
        return replace(groups, clusters=clusters), replace(products, clusters=of_top)
    keys = tuple(dict.fromkeys([*products.sums.keys, name]))
    sums = replace(products.sums, keys=keys)
    got = sums.by_group(sums.centre, sums.standard, [0], [0])
    labels = labels_of(got, [name])[name]
    encoder, codes = encode(name, labels, None, len(got.n))
    order = np.arange(len(got.n))
    if levels:
        above = labels_of(got, names)
        at = np.zeros(len(got.n), dtype=np.intp)
        top = at
        for k, own in enumerate(groups.encoders):
            at = own.transform(above[own.group], at)
            top = at if k == 0 else top
        order = np.argsort(at)
        levels = [replace(levels[0], codes=top[order])]
    clusters = make_clusters(
        estimator, labels[order], levels, groups.encoders, products.n_rows, None
    )
    assert clusters is not None
    assert not n or len(order) == n
    number = np.empty(encoder.n_groups, dtype=np.intp)
    number[codes[order]] = clusters.codes
    of_name = TableClusters(encoder, number)
    return replace(groups, clusters=clusters), replace(products, clusters=of_name)
