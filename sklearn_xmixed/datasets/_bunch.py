"""From a bundled file to what a loader returns: read, describe, split, pack."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import resources
from typing import Any

import numpy as np
import pandas as pd
from pandas.api.types import is_numeric_dtype
from sklearn.utils import Bunch

from ._csv import read_csv

_PACKAGE = "sklearn_xmixed.datasets"


def read_table(name: str) -> pd.DataFrame:
    """Read ``data/<name>.csv``; every decimal becomes the nearest double."""
    path = resources.files(_PACKAGE) / "data" / f"{name}.csv"
    with path.open("r", encoding="utf-8") as file:
        return read_csv(file)


def read_description(name: str) -> str:
    """Read ``descr/<name>.rst``."""
    path = resources.files(_PACKAGE) / "descr" / f"{name}.rst"
    return path.read_text(encoding="utf-8")


def as_array(data: pd.DataFrame) -> np.ndarray:
    """Values of a frame: float64, or object if a column holds strings."""
    numeric = all(is_numeric_dtype(dtype) for dtype in data.dtypes)
    return data.to_numpy(dtype=np.float64 if numeric else object)


def load_bundled(
    name: str,
    target_name: str,
    level_names: Sequence[str],
    *,
    return_X_y: bool,
    as_frame: bool,
    derive: Callable[[pd.DataFrame], pd.DataFrame] | None = None,
) -> Any:
    """Load one bundled data set in the form its loader was asked for.

    Parameters
    ----------
    name : str
        Stem of the files in ``data/`` and ``descr/``.
    target_name : str
        The column that becomes the target; it is converted to float64.
    level_names : sequence of str
        The label columns, top level first.
    return_X_y, as_frame : bool
        As documented by the loaders.
    derive : callable, optional
        Takes the table as read and returns it with computed columns added.

    Returns
    -------
    sklearn.utils.Bunch or tuple
        As documented by the loaders.
    """
    table = read_table(name)
    if derive is not None:
        table = derive(table)
    data: Any = table.drop(columns=target_name)
    target: Any = table[target_name].astype(np.float64)
    feature_names = list(data.columns)
    frame = pd.concat([data, target], axis="columns") if as_frame else None
    if not as_frame:
        data, target = as_array(data), target.to_numpy()
    if return_X_y:
        return data, target
    return Bunch(
        data=data,
        target=target,
        frame=frame,
        feature_names=feature_names,
        target_name=target_name,
        target_names=[target_name],
        level_names=list(level_names),
        DESCR=read_description(name),
        filename=f"{name}.csv",
        data_module=f"{_PACKAGE}.data",
    )
