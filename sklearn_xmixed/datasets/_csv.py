"""Reading CSV files exactly, whatever the version of pandas does with decimals."""

from __future__ import annotations

import os
from typing import IO

import numpy as np
import pandas as pd


def read_csv(source: str | os.PathLike[str] | IO[str]) -> pd.DataFrame:
    """Read a CSV file; every decimal becomes the double nearest to it.

    (The parser of pandas may miss it by one unit in the last place, and its option
    against that is deprecated.) A column becomes int64 if all of it are integers,
    float64 if all of it are numbers or missing, strings otherwise. Missing is what
    pandas takes for it, and Stata's ``.``.
    """
    text = pd.read_csv(source, dtype=str, na_values=["."])
    return text.apply(_typed)


def _typed(column: pd.Series) -> pd.Series:
    words = column.fillna("nan").to_numpy(dtype=str)
    for dtype in (np.int64, np.float64):
        try:
            return pd.Series(words.astype(dtype), index=column.index, name=column.name)
        except ValueError:
            continue
    return column
