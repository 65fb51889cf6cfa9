"""Categories of columns of polars: marginaleffects 0.6 asks for them in the way of polars 1.

It compares the levels of a factor by ``frame[name].cat.get_categories()``, which polars 2
has no more: there the type of the column knows them.
"""

from __future__ import annotations

from typing import Any

__all__ = ["with_categories"]


def with_categories(frame: Any) -> Any:
    """A frame of polars whose columns answer ``cat.get_categories()``.

    Parameters
    ----------
    frame : polars.DataFrame

    Returns
    -------
    polars.DataFrame
        The same where they do so anyway.
    """
    import polars as pl

    if hasattr(pl.Series(dtype=pl.Enum([])).cat, "get_categories"):
        return frame
    series_class: Any = pl.Series
    frame_class: Any = pl.DataFrame

    class Categories:
        """What ``cat`` is, and what it was."""

        def __init__(self, own: Any, dtype: Any):
            self._own, self._dtype = own, dtype

        def __getattr__(self, name: str) -> Any:
            return getattr(self._own, name)

        def get_categories(self) -> Any:
            return pl.Series(self._dtype.categories)

    class Column(series_class):
        """A column of categories."""

        @property
        def cat(self) -> Any:
            return Categories(super().cat, self.dtype)

    class Frame(frame_class):
        """A frame of such columns."""

        def __getitem__(self, key: Any) -> Any:
            out = super().__getitem__(key)
            known = isinstance(out, pl.Series) and isinstance(out.dtype, pl.Enum)
            return Column(out) if known else out

        def with_columns(self, *expressions: Any, **named: Any) -> Any:
            return Frame(super().with_columns(*expressions, **named))

    return Frame(frame)
