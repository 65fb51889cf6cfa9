"""Categories among the columns of the fixed part, coded as columns of zeros and ones.

A column ``color`` of categories green and red is ``color[T.red]``, with green as the
reference; in a model without a constant the first such column has a column for every
category, ``color[green]`` and ``color[red]``.  These are the names and the columns of a
formula.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from .._spec import RandomEffects
from ._labels import Source, missing_rows

__all__ = ["Categories", "Cells", "FixedTerm", "read_categories"]

Array = np.ndarray

# in scikit-learn's words
NO_ROWS = "Found array with 0 sample(s): X has no rows, and a minimum of 1 is required."


@dataclass(frozen=True, eq=False)
class FixedTerm:
    """A column of the user's and the columns of the fixed part that it makes.

    Parameters
    ----------
    name : str
    columns : tuple of str
    categories : tuple or None
        None of a covariate.
    coding : ndarray of shape (n_categories, n_columns) or None
    """

    name: str
    columns: tuple[str, ...]
    categories: tuple[Any, ...] | None = None
    coding: Array | None = None


@dataclass(frozen=True, eq=False)
class Cells:
    """Combinations of categories that occurred.

    Parameters
    ----------
    codes : ndarray of int, shape (n_cells, n_columns)
    weights : ndarray of shape (n_cells,)
        How many rows each has, or their weights.
    """

    codes: Array
    weights: Array

    @classmethod
    def of(cls, codes: Array, weights: Array | None) -> Cells:
        """Those of rows."""
        frame = pd.DataFrame(codes).assign(weight=1.0 if weights is None else weights)
        keys = [c for c in frame.columns if c != "weight"]
        found = frame.groupby(keys, as_index=False, sort=True)["weight"].sum()
        return cls(found[keys].to_numpy(np.intp), found["weight"].to_numpy(float))

    def plus(self, more: Cells) -> Cells:
        """With those of further rows."""
        return Cells.of(
            np.vstack([self.codes, more.codes]),
            np.concatenate([self.weights, more.weights]),
        )


@dataclass(frozen=True, eq=False)
class Categories:
    """The categories of columns, in order; the first is the reference.

    Parameters
    ----------
    known : dict of str to tuple
        By column.
    cells : Cells or None
        Combinations that occurred; None before rows were counted.
    """

    known: dict[str, tuple[Any, ...]]
    cells: Cells | None = None

    @classmethod
    def of(
        cls, source: Source, names: Sequence[str], *, declared: bool = False
    ) -> Categories | None:
        """Those of the columns that hold text or categories; None where none does.

        Parameters
        ----------
        declared : bool, default=False
            Whether to keep categories that a column knows and no row has.
        """
        known = {}
        for name in names:
            values = source.categorized(name)
            if _is_category(values):
                known[name] = _categories_of(name, values, declared)
        if not known:
            return None
        out = cls(known)
        taken = [name for name in source.columns if name in out]
        if taken:
            raise ValueError(
                f"categorical='treatment' makes columns {taken}, and X has columns of "
                "these names already. Rename them, or leave the coded ones out."
            )
        return out

    # -- names -------------------------------------------------------------------

    @cached_property
    def _places(self) -> dict[str, tuple[str, int]]:
        """The column and the number of the category by name of a coded column."""
        out: dict[str, tuple[str, int]] = {}
        for column, categories in self.known.items():
            for full in (False, True):
                for k, name in enumerate(_names(column, categories, full)):
                    if name in out:
                        raise ValueError(
                            f"Two categories of the column {column!r} make columns of "
                            f"one name, {name!r}. Rename one of them."
                        )
                    out[name] = column, k
        return out

    def __contains__(self, name: object) -> bool:
        """Whether it is the name of a coded column."""
        return name in self._places

    def expand(self, names: Sequence[str], *, constant: bool) -> list[str]:
        """Columns of the fixed part for names of the user's columns.

        Names of coded columns stand for themselves.
        """
        out: list[str] = []
        full = not constant
        for name in names:
            if name not in self.known:
                out.append(name)
                continue
            out += _names(name, self.known[name], full)[0 if full else 1 :]
            full = False  # one column for every category adds up to a constant
        return out

    def terms(self, fixed: Sequence[str]) -> Iterator[FixedTerm]:
        """The user's columns behind the columns of a fixed part."""
        there, done = set(fixed), set()
        for name in fixed:
            column, _ = self._places.get(name, (None, 0))
            if column is None:
                yield FixedTerm(name, (name,))
                continue
            categories = self.known[column]
            for full in (True, False):
                own = _names(column, categories, full)[0 if full else 1 :]
                if name in own and there.issuperset(own):
                    if column not in done:
                        coding = np.eye(len(categories))[:, 0 if full else 1 :]
                        yield FixedTerm(column, tuple(own), categories, coding)
                    done.add(column)
                    break
            else:  # some of them, which were named one by one
                yield FixedTerm(name, (name,))

    # -- rows --------------------------------------------------------------------

    def over(self, source: Source) -> Source:
        """The same rows, with coded columns beside their own."""
        return replace(source, coding=self)

    def codes(self, source: Source, column: str) -> Array:
        """Numbers of the categories by row, -1 where the value is missing.

        Raises
        ------
        ValueError
            If a category is not known, or no row had it that was fitted.
        """
        if not source.n_rows:
            raise ValueError(NO_ROWS)
        values = source.categorized(column)
        codes, found = _factorized(column, values)
        place = {category: k for k, category in enumerate(self.known[column])}
        used = self._used(column)
        at = np.array([place.get(value, -1) for value in found], dtype=np.intp)
        strange = at < 0
        strange[~strange] = ~used[at[~strange]]
        out = np.append(at, -1)[codes]
        unknown = np.append(strange, False)[codes]
        if unknown.any():
            self._refuse(column, [v for v, s in zip(found, strange, strict=True) if s],
                         unknown)  # fmt: skip
        return out

    def _refuse(self, column: str, found: list[Any], unknown: Array) -> None:
        known = [c for c, u in zip(self.known[column], self._used(column), strict=True)
                 if u]  # fmt: skip
        raise ValueError(
            f"The column {column!r} has categories that were not there at fit: "
            f"{_listed(found)}, in {int(unknown.sum())} rows (the first is row "
            f"{int(np.argmax(unknown))}). Known are {_listed(known)}. Leave these rows "
            "out, give them a known category, or fit again with rows of all categories. "
            "Rows that come by partial_fit need all of them declared in the first call: "
            "pandas.Categorical(values, categories=[...])."
        )

    def _used(self, column: str) -> Array:
        """Which categories rows had; all before rows were counted."""
        used = np.ones(len(self.known[column]), dtype=bool)
        if self.cells is not None:
            at = list(self.known).index(column)
            used = np.bincount(self.cells.codes[:, at], minlength=len(used)) > 0
        return used

    def column(self, source: Source, name: str) -> Array:
        """Zeros and ones of a coded column, nan where the value is missing."""
        column, k = self._places[name]
        codes = self.codes(source, column)
        return np.where(codes < 0, np.nan, codes == k)

    def fill(
        self, source: Source, names: Sequence[str], out: Array, *, missing: bool
    ) -> None:
        """Write coded columns to their places in a matrix of the columns ``names``.

        Rows without a category are nan, where missing ones are allowed.
        """
        places: dict[str, list[tuple[int, int]]] = {column: [] for column in self.known}
        for j, name in enumerate(names):
            if name in self._places:
                column, k = self._places[name]
                places[column].append((j, k))
        for column, own in places.items():
            codes = self.codes(source, column)
            for j, k in own:
                out[:, j] = codes == k
            gone = codes < 0
            if gone.any() and not missing:
                raise ValueError(
                    f"Input X contains NaN: the categories of {column!r} are missing in "
                    f"{int(gone.sum())} rows (the first is row {int(np.argmax(gone))}). "
                    "Give them one, or set missing='drop' to leave these rows out."
                )
            out[gone] = np.nan

    # -- what the fit had ----------------------------------------------------------

    def every_code(self, source: Source) -> dict[str, Array]:
        """Codes of all columns."""
        return {column: self.codes(source, column) for column in self.known}

    def counted(self, codes: dict[str, Array], weights: Array | None) -> Categories:
        """With the combinations of the rows that are fitted."""
        rows = np.column_stack([codes[column] for column in self.known])
        return replace(self, cells=Cells.of(rows, weights))

    def plus(self, more: Categories) -> Categories:
        """With the combinations of further rows."""
        if self.cells is None or more.cells is None:
            return self
        return replace(self, cells=self.cells.plus(more.cells))

    def uncounted(self) -> Categories:
        """For further rows, which may have categories that none had so far."""
        return replace(self, cells=None)


def read_categories(
    estimator: Any,
    equations: Sequence[RandomEffects],
    source: Source,
    special: set[str],
    *,
    declared: bool = False,
) -> Categories | None:
    """Categories of the fixed part, where the estimator is to code them.

    Parameters
    ----------
    special : set of str
        Labels, weights, times and the like, which are no covariates.
    declared : bool, default=False
        Whether to keep categories that a column knows and no row has.
    """
    if estimator.categorical != "treatment":
        return None
    if not source.n_rows:
        raise ValueError(NO_ROWS)
    fixed = estimator.fixed
    names = [c for c in source.columns if c not in special] if fixed is None else fixed
    wanted = {n for n in names if isinstance(n, str)}
    # coded columns may be named one by one
    wanted |= {n for e in equations for n in e.columns if "[" in n}
    bases = {n[:at] for n in wanted for at in _brackets(n)}
    columns = [c for c in source.columns if c in wanted or c in bases]
    return Categories.of(source, columns, declared=declared)


def _brackets(name: str) -> list[int]:
    return [k for k, letter in enumerate(name) if letter == "["]


def _names(column: str, categories: Sequence[Any], full: bool) -> list[str]:
    mark = "" if full else "T."
    return [f"{column}[{mark}{category}]" for category in categories]


def _is_category(values: Any) -> bool:
    """Whether a column is of categories or text; truth values are numbers."""
    dtype = getattr(values, "dtype", None)
    if isinstance(dtype, pd.CategoricalDtype):
        return True
    if isinstance(dtype, np.dtype) and dtype.kind != "O":
        return dtype.kind in "US"
    kind = pd.api.types.infer_dtype(values, skipna=True)
    if kind.startswith("mixed"):
        return any(isinstance(value, str) for value in values)
    return kind == "string"


def _categories_of(column: str, values: Any, declared: bool) -> tuple[Any, ...]:
    """In the order of the categories; sorted, of text."""
    if isinstance(getattr(values, "dtype", None), pd.CategoricalDtype):
        categories = values.categories
        if not declared:
            used = np.bincount(
                values.codes[values.codes >= 0], minlength=len(categories)
            )
            categories = categories[used > 0]
        return tuple(np.asarray(categories, dtype=object))
    found = list(_factorized(column, values)[1])
    try:
        return tuple(sorted(found))
    except TypeError:  # numbers beside text have no order
        return tuple(sorted(found, key=str))


def _factorized(column: str, values: Any) -> tuple[Array, Array]:
    """Codes of rows, -1 where missing, and the distinct values."""
    if isinstance(getattr(values, "dtype", None), pd.CategoricalDtype):
        used, codes = np.unique(values.codes, return_inverse=True)
        found = np.asarray(values.categories, dtype=object)
        there = used[used >= 0]
        return codes.reshape(-1) - int(len(used) > len(there)), found[there]
    try:
        codes, found = pd.factorize(np.asarray(values, dtype=object))
    except TypeError as error:
        kinds = sorted(
            {type(v).__name__ for v in values if not missing_rows([v]).any()}
        )
        raise TypeError(
            f"The categories of the column {column!r} must be text, numbers or other "
            f"hashable objects, found values of type {', '.join(kinds)}."
        ) from error
    return codes, np.asarray(found, dtype=object)


def _listed(values: Sequence[Any], most: int = 12) -> str:
    """The first of many."""
    shown = ", ".join(map(repr, values[:most]))
    return f"[{shown}{', ...' if len(values) > most else ''}]"
