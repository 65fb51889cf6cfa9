"""Levels of grouping: labels to numbered groups, and the groups' names in messages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from ._design import Level
from ._encoder import Encoder, encode
from ._labels import Source

__all__ = ["make_levels", "parents_among", "path_frame", "read_labels", "shown_path"]

Array = np.ndarray


def read_labels(source: Source | None, groups: list[str]) -> dict[str, Any]:
    """Labels per row by level, None for ``_all``."""
    wanted = [g for g in groups if g != "_all"]
    if not wanted:
        return dict.fromkeys(groups)
    assert source is not None
    found = source.levels(wanted)
    lost = [g for g in wanted if found[g] is None]
    if lost:
        hint = (
            " A transformer before this step may have dropped or renamed them: call "
            "set_output(transform='pandas') on it, and give a ColumnTransformer "
            "remainder='passthrough' and verbose_feature_names_out=False."
        )
        if not source.named:
            hint += (
                " A meta-estimator that hands on arrays (bagging, boosting) needs the "
                "labels' column by position, such as RandomEffects('x0') for the first; "
                "docs/guide/pipelines.md has a table of what works with each."
            )
        raise ValueError(
            f"No labels for the levels {lost}. {source.describe()} Put the labels into X "
            "as columns of these names, or pass groups= to fit (scikit-learn passes it on "
            f"only with metadata routing enabled).{hint}"
        )
    return {g: found.get(g) for g in groups}


def make_levels(labels: dict[str, Any], n: int) -> tuple[list[Level], list[Encoder]]:
    """Number the groups of every level asked for, top level first."""
    levels, encoders = [], []
    parents: Array | None = None
    for group, values in labels.items():
        encoder, codes = encode(group, values, parents, n)
        above = (
            np.zeros(encoder.n_groups, dtype=np.intp)
            if parents is None
            else encoder.parents
        )
        levels.append(Level(group, codes, encoder.n_groups, above))
        encoders.append(encoder)
        parents = codes
    return levels, encoders


def parents_among(level: Level, above: Level | None) -> Array:
    """Parent of each group when levels without effects are left out."""
    parents = np.zeros(level.n_groups, dtype=np.intp)
    if above is not None:
        if len(level.parents) and above.n_groups > 1:
            parents[level.codes] = above.codes
    return parents


def path_frame(encoders: Sequence[Encoder], upto: int) -> pd.Index:
    """Index of the groups of a level: their paths of labels, outermost first."""
    arrays, names = [], []
    at = np.arange(encoders[upto].n_groups)
    for number in range(upto, -1, -1):
        encoder = encoders[number]
        if encoder.group == "_all" and number < upto:
            break  # says nothing
        arrays.append(np.asarray(encoder.own_labels)[at])
        names.append(encoder.group)
        at = encoder.parents[at]
    if len(arrays) == 1:
        return pd.Index(arrays[0], name=names[0])
    return pd.MultiIndex.from_arrays(arrays[::-1], names=names[::-1])


def shown_path(label: Any) -> str:
    """A path of labels as text."""
    if isinstance(label, tuple):
        return "(" + ", ".join(shown_path(part) for part in label) + ")"
    return repr(label.item() if isinstance(label, np.generic) else label)
