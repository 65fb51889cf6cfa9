"""Groups of a level by number: from labels to codes and back."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

__all__ = ["Encoder", "encode", "kind_of_labels"]

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class Encoder:
    """Groups of one level: from labels to numbers and back.

    Groups are identified by their path; a path is the parent's number and
    the label's number in one integer.

    Parameters
    ----------
    group : str
    labels : ndarray
        Distinct labels of this level, sorted where they can be.
    paths : ndarray of int
        Sorted keys ``parent * len(labels) + label`` of the groups.
    """

    group: str
    labels: Any
    paths: Array

    @property
    def n_groups(self) -> int:
        """Number of groups."""
        return len(self.paths)

    @property
    def parents(self) -> Array:
        """Number of the group above."""
        return self.paths // max(1, len(self.labels))

    @property
    def own_labels(self) -> Any:
        """Label of each group."""
        return self.labels[self.paths % max(1, len(self.labels))]

    def transform(self, values: Any | None, parents: Array) -> Array:
        """Numbers of labelled rows within given parents, -1 where unknown."""
        if values is None:  # the level "_all"
            return np.where(parents >= 0, 0, -1)
        label = pd.Index(self.labels).get_indexer(pd.Index(values))
        if len(label) and not (label >= 0).any():
            self._warn_of_kinds(values)
        key = parents * max(1, len(self.labels)) + label
        at = np.searchsorted(self.paths, key).clip(max=max(0, len(self.paths) - 1))
        known = (label >= 0) & (parents >= 0) & (self.paths[at] == key)
        return np.where(known, at, -1)

    def _warn_of_kinds(self, values: Any) -> None:
        """Say so where no label is known because they are of another type."""
        given, known = kind_of_labels(values), kind_of_labels(self.labels)
        if given != known and {given, known} == {"text", "numbers"}:
            warnings.warn(
                f"No label of level {self.group!r} is known: they are {given} here and "
                f"were {known} in the training data. Convert them to the same type, or "
                "all groups count as unseen.",
                UserWarning,
                stacklevel=2,
            )


def kind_of_labels(values: Any) -> str:
    """Whether labels are numbers, text or something else."""
    kind = pd.api.types.infer_dtype(np.asarray(values), skipna=True)
    if kind in ("integer", "floating", "mixed-integer-float", "decimal"):
        return "numbers"
    return "text" if kind == "string" else kind


def encode(
    group: str, values: Any | None, parents: Array | None, n_rows: int
) -> tuple[Encoder, Array]:
    """Number the groups of a level.

    Parameters
    ----------
    group : str
    values : array-like of shape (n,) or None
        Labels without missing values; None for ``_all``.
    parents : ndarray of int, shape (n,) or None
        Group of each row at the level above.

    Returns
    -------
    encoder : Encoder
    codes : ndarray of int, shape (n,)
    """
    if values is None:
        encoder = Encoder(group, np.array(["_all"], dtype=object), np.zeros(1, int))
        return encoder, np.zeros(n_rows, dtype=np.intp)
    try:
        codes, labels = _numbered(values)
    except TypeError as error:
        kinds = sorted({type(v).__name__ for v in np.asarray(values).flat[:1000]})
        raise TypeError(
            f"The labels of level {group!r} must be numbers, text, dates, tuples or other "
            f"hashable objects, found values of type {', '.join(kinds)}."
        ) from error
    if parents is None or not parents.any():
        return Encoder(group, labels, np.arange(len(labels))), codes
    keys = parents.astype(np.int64) * len(labels) + codes
    codes, paths = _numbered(keys)
    return Encoder(group, labels, np.asarray(paths)), codes


def _numbered(values: Any) -> tuple[Array, Array]:
    """Codes and sorted distinct labels."""
    if isinstance(values, pd.Categorical):
        used = np.bincount(values.codes, minlength=len(values.categories)) > 0
        places, labels = _numbered(np.asarray(values.categories)[used])
        new = np.zeros(len(used), dtype=np.intp)
        new[used] = places
        return new[values.codes], labels
    if (
        isinstance(values, np.ndarray)
        and values.dtype.kind in "iu"
        and len(values)
        and bool((values[1:] >= values[:-1]).all())
    ):  # already in order
        new = values[1:] != values[:-1]
        codes = np.zeros(len(values), dtype=np.intp)
        np.cumsum(new, out=codes[1:])
        return codes, values[np.append(True, new)]
    try:
        codes, labels = pd.factorize(values, sort=True)
    except TypeError:  # labels of several types have no order
        codes, labels = pd.factorize(values)
    return codes, np.asarray(labels)
