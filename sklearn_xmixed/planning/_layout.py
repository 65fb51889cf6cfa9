"""Rows of a study of another size, made of those of a pilot."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

__all__ = ["Layout", "resized"]

Array = np.ndarray

#: draws of the groups that are left over, of which the best balanced is taken
DRAWS = 200


def resized(
    frame: pd.DataFrame,
    levels: Sequence[str],
    columns: Sequence[str],
    n_groups: int | None,
    n_rows: int | None,
    rng: np.random.Generator,
) -> pd.DataFrame:
    """As many groups of the top level, and rows in groups of the lowest, as wanted.

    Every group of the pilot is copied as often as it goes into ``n_groups``; of the
    groups that are still lacking, the draw whose averages of the columns are closest to
    the pilot's is taken.  A group's rows are its first ``n_rows``, from the
    beginning again where it has fewer.

    Parameters
    ----------
    frame : DataFrame
    levels : sequence of str
        Top level first.
    columns : sequence of str
        Of the fixed part.
    n_groups, n_rows : int or None
        None leaves them as they are.
    rng : Generator
    """
    rows = _rows_of(frame, levels)
    if n_rows is not None:
        rows = [r[np.arange(n_rows) % len(r)] for r in rows]
    top = pd.factorize(frame[levels[0]])[0]
    members: list[list[Array]] = [[] for _ in range(top.max() + 1)]
    for r in rows:
        members[top[r[0]]].append(r)
    groups = [np.concatenate(m) for m in members]
    if n_groups is None:
        chosen = np.arange(len(groups))
    else:
        means = np.array([frame[list(columns)].iloc[g].mean() for g in groups])
        chosen = _chosen(means.reshape(len(groups), -1), n_groups, rng)
    out = frame.iloc[np.concatenate([groups[g] for g in chosen])].reset_index(drop=True)
    label = np.repeat(np.arange(len(chosen)), [len(groups[g]) for g in chosen])
    return out.assign(**{levels[0]: label})


def _rows_of(frame: pd.DataFrame, levels: Sequence[str]) -> list[Array]:
    """Numbers of the rows of every group of the lowest level."""
    found = frame.groupby(list(levels), sort=False, observed=True).indices
    return [np.asarray(rows) for rows in found.values()]


def _chosen(means: Array, n_groups: int, rng: np.random.Generator) -> Array:
    """Numbers of the groups that are copied."""
    G = len(means)
    copies, lacking = divmod(n_groups, G)
    whole = np.tile(np.arange(G), copies)
    if not lacking:
        return whole
    spread = means.std(axis=0)
    scaled = (means - means.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    draws = [rng.choice(G, lacking, replace=False) for _ in range(DRAWS)]
    distance = [(scaled[draw].mean(axis=0) ** 2).sum() for draw in draws]
    return np.concatenate([whole, np.sort(draws[int(np.argmin(distance))])])


class Layout:
    """How large a design is.

    Parameters
    ----------
    frame : DataFrame
    levels : sequence of str
        Top level first; without, rows are groups.
    """

    def __init__(self, frame: pd.DataFrame, levels: Sequence[str]):
        self.n_obs = len(frame)
        self.n_groups = frame[levels[0]].nunique() if levels else len(frame)
        groups = [len(r) for r in _rows_of(frame, levels)] if levels else [1]
        #: rows of a group of the lowest level, on average where they differ
        self.n_rows: float = groups[0]
        if len(set(groups)) > 1:
            self.n_rows = sum(groups) / len(groups)
