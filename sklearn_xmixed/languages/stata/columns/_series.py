"""Time-series operators over panels: lags, leads, differences."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from ._data import Data

__all__ = ["NO_LAG", "Lag", "Panel", "read_xtset"]

Array = np.ndarray


@dataclass(frozen=True)
class Lag:
    """Operators of one variable, combined.

    Parameters
    ----------
    shift : int
        Positive lags, negative leads.
    difference : int
        How often the difference to the time before is taken.
    seasonal : tuple of int
        Differences to so many times before.
    """

    shift: int = 0
    difference: int = 0
    seasonal: tuple[int, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.shift or self.difference or self.seasonal)

    @property
    def text(self) -> str:
        """As written before the dot, ``L2D``."""
        parts = []
        if self.shift:
            size = abs(self.shift)
            parts.append(f"{'L' if self.shift > 0 else 'F'}{size if size > 1 else ''}")
        if self.difference:
            parts.append(f"D{self.difference if self.difference > 1 else ''}")
        parts += [f"S{span if span > 1 else ''}" for span in self.seasonal]
        return "".join(parts)

    def then(self, letter: str, number: int) -> Lag:
        """With one operator more."""
        if letter == "L":
            return replace(self, shift=self.shift + number)
        if letter == "F":
            return replace(self, shift=self.shift - number)
        if letter == "D":
            return replace(self, difference=self.difference + number)
        return replace(self, seasonal=(*self.seasonal, number))


NO_LAG = Lag()


def read_xtset(xtset: Any) -> tuple[str | None, str] | None:
    """Panel and time variable from what the user passes.

    Raises
    ------
    TypeError
        If it is neither None, a name of the time, nor the two names.
    """
    if xtset is None:
        return None
    names = xtset.split() if isinstance(xtset, str) else list(xtset)
    if not 1 <= len(names) <= 2 or not all(isinstance(n, str) for n in names):
        raise TypeError(
            "xtset must be the name of the time variable, or the names of the panel and "
            f'the time variable, ("id", "time"); got {xtset!r}.'
        )
    return (None, names[0]) if len(names) == 1 else (names[0], names[1])


class Panel:
    """Rows by panel and time.

    Parameters
    ----------
    data : Data
    panel : str or None
    time : str

    Raises
    ------
    ValueError
        If the time is no whole number, or repeats within a panel.
    """

    def __init__(self, data: Data, panel: str | None, time: str):
        times = data.numbers(time)
        if times is None:
            raise ValueError(f"The time variable {time!r} of xtset holds texts.")
        known = ~np.isnan(times)
        whole = times[known]
        if (whole != np.floor(whole)).any() or (np.abs(whole) > 1e9).any():
            raise ValueError(
                f"The time variable {time!r} of xtset must be whole numbers."
            )
        codes = np.zeros(data.n_rows, dtype=np.int64)
        if panel is not None:
            codes = pd.factorize(np.asarray(data.raw(panel), dtype=object))[0].astype(
                np.int64
            )
            known &= codes >= 0
        self.first = int(whole.min()) if len(whole) else 0
        self.length = (int(whole.max()) - self.first + 1) if len(whole) else 1
        self.rows = np.flatnonzero(known)
        self.times = np.where(known, np.nan_to_num(times) - self.first, 0).astype(
            np.int64
        )
        keys = codes[self.rows] * self.length + self.times[self.rows]
        self.order = np.argsort(keys, kind="stable")
        self.keys = keys[self.order]
        self.codes = codes
        repeated = np.flatnonzero(self.keys[1:] == self.keys[:-1])
        if len(repeated):
            row = int(self.rows[self.order[repeated[0] + 1]])
            where = f" within {panel!r}" if panel is not None else ""
            raise ValueError(
                f"The time variable {time!r} of xtset repeats{where}, first in row {row}."
            )

    def shifted(self, values: Array, shift: int) -> Array:
        """Values so many times before (after where negative); nan where unknown."""
        out = np.full(len(values), np.nan)
        if not shift or not len(self.rows):
            return values if not shift else out
        then = self.times[self.rows] - shift
        inside = (then >= 0) & (then < self.length)
        wanted = self.codes[self.rows] * self.length + then
        at = np.searchsorted(self.keys, wanted).clip(max=len(self.keys) - 1)
        found = inside & (self.keys[at] == wanted)
        out[self.rows[found]] = values[self.rows[self.order[at[found]]]]
        return out

    def apply(self, values: Array, lag: Lag) -> Array:
        """Values under the operators."""
        for _ in range(lag.difference):
            values = values - self.shifted(values, 1)
        for span in lag.seasonal:
            values = values - self.shifted(values, span)
        return self.shifted(values, lag.shift)
