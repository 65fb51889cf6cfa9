"""What to say of columns that hold text, or several values in a row, for numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ._labels import Source

__all__ = ["blame_columns", "blame_values"]


def blame_columns(
    error: Exception, estimator: Any, source: Source, names: Sequence[str]
) -> None:
    """Say which columns hold no numbers, where that is what was wrong.

    Raises
    ------
    ValueError
    """
    for name in names:
        blame_values(error, f"the column {name!r}", source.column(name))
    if "could not convert string to float" not in str(error):
        return
    told = _texts(source, names)
    if estimator.__dict__["random_effects"] is None:
        told += (
            " In a comparison with models that have random effects, write "
            "RandomEffects('id', intercept=False) instead of None: 'id' is then a label "
            "and no covariate."
        )
    raise ValueError(f"{error}: {told}") from error


def blame_values(error: Exception, what: str, values: Any) -> None:
    """Say so where a row of a column holds several values.

    Raises
    ------
    ValueError or TypeError
        As scikit-learn has it: a TypeError where nothing makes a number of them.
    """
    row, name = _several(values)
    if name:
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(
            f"{what} holds a {name} in row {row}, where one number is allowed. Make a "
            "column of each of the values, or one number of them, their mean say. "
            f"({error})"
        ) from error


def _several(values: Any) -> tuple[int, str]:
    """The first row of several values, and their type; "" where there is none."""
    if values is not None and getattr(values, "ndim", 1) == 1:
        for row, value in enumerate(values):
            if hasattr(value, "__len__") and not isinstance(value, str | bytes):
                return row, type(value).__name__
    return -1, ""


def _texts(source: Source, names: Sequence[str]) -> str:
    """Which columns hold text, and the ways out."""
    texts = [name for name in names if _is_text(source.column(name))]
    columns = f"the columns {texts}" if len(texts) > 1 else f"the column {texts}"
    holds = "hold" if len(texts) > 1 else "holds"
    return (
        f"{columns} of the fixed part {list(names)} {holds} text. Set "
        "categorical='treatment', which makes a column of every category but the first, "
        "write the model as a formula (from_formula codes categories by itself), or "
        "encode them before (OneHotEncoder in a ColumnTransformer); columns that are no "
        "covariates are left out by fixed=[...], which names those that are."
    )


def _is_text(values: Any) -> bool:
    try:
        np.asarray(values, dtype=float)
    except (TypeError, ValueError):
        return True
    return False
