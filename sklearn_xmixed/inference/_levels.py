"""Tables of the levels: their groups and the covariances of their effects."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.linalg import block_diag

from ._results import Results

__all__ = ["group_table", "level_covariances"]


def group_table(results: Results) -> pd.DataFrame:
    """Numbers and sizes of the groups of every level."""
    index = pd.Index([g.name for g in results.groups], dtype=object, name="level")
    rows = [(g.n_groups, g.minimum, g.average, g.maximum) for g in results.groups]
    return pd.DataFrame(
        rows, index=index, columns=["n_groups", "minimum", "average", "maximum"]
    )


def level_covariances(
    results: Results, *, correlation: bool
) -> dict[str, pd.DataFrame]:
    """Covariance matrix of all effects of each level.

    Equations of the same level are blocks.  The effects over a factor's levels have one
    row, ``R.x``, or two if they have a covariance, of two levels of the factor.
    """
    out: dict[str, pd.DataFrame] = {}
    groups = [e.group for e in results.equations if e.effects]
    for group in dict.fromkeys(groups):
        names: list[str] = []
        blocks = []
        for equation in results.equations:
            if equation.group != group or not equation.effects:
                continue
            Sigma, effects = equation.covariance, list(equation.effects)
            if len(Sigma) > len(effects):  # two levels of a factor stand for all
                Sigma, effects = Sigma[:2, :2], [effects[0], f"{effects[0]}'"]
            names += effects
            blocks.append(Sigma)
        matrix = block_diag(*blocks)
        if correlation:
            sd = np.sqrt(np.diagonal(matrix))
            with np.errstate(divide="ignore", invalid="ignore"):
                matrix = matrix / np.outer(sd, sd)
        out[group] = pd.DataFrame(matrix, index=names, columns=names)
    return out
