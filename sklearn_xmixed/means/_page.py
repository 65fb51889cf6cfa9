"""Estimates as text and HTML."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
import pandas as pd

from ..reporting._format import decimal, general, level_percent
from ..reporting._html import STYLE, html_table
from ..reporting._tables import Row, Section, Table
from ..reporting._text import WIDTH, Layout, fill, text_table
from ._coefficients import label_of

__all__ = ["EstimatesPage"]

HEADS = {
    "estimate": "Estimate",
    "std_error": "Std. Err.",
    "df": "df",
    "t": "t",
    "p_value": "P>|t|",
}
#: narrowest and widest column of names
NAME = 12, 34


@dataclass(frozen=True)
class EstimatesPage:
    """A table of estimates with a title and notes.

    Parameters
    ----------
    title : str
    table : DataFrame
        Columns estimate, std_error, df, (t, p_value,) ci_lower, ci_upper.
    by : tuple of str
        Levels of the index that make sections.
    confidence_level : float
    notes : tuple of str
    """

    title: str
    table: pd.DataFrame
    by: tuple[str, ...]
    confidence_level: float
    notes: tuple[str, ...] = ()

    def _cells(self, values: dict[str, float]) -> tuple[str, ...]:
        if math.isnan(values["estimate"]):
            return ("not estimable",)
        out = [general(values["estimate"]), general(values["std_error"])]
        df = values["df"]
        out.append("inf" if math.isinf(df) else decimal(df, 8, 1))
        if "t" in values:
            out += [decimal(values["t"], 8, 2), decimal(values["p_value"], 6, 4)]
        return (*out, general(values["ci_lower"]), general(values["ci_upper"]))

    def _table(self) -> Table:
        index, names = self.table.index, list(self.table.index.names)
        own = [k for k, name in enumerate(names) if name not in self.by]
        outer = [k for k, name in enumerate(names) if name in self.by]
        if not own:  # a mean in each section
            own, outer = outer, []
        rows: dict[str, list[Row]] = {}
        records: list[Any] = self.table.to_dict("records")
        for key, record in zip(index, records, strict=True):
            levels = key if isinstance(key, tuple) else (key,)
            section = ", ".join(f"{names[k]} = {label_of(levels[k])}" for k in outer)
            name = " ".join(label_of(levels[k]) for k in own)
            rows.setdefault(section, []).append(Row(name, self._cells(record)))
        heads = [HEADS[c] for c in self.table.columns if c in HEADS]
        heads.append(f"[{level_percent(self.confidence_level)}% Conf. Interval]")
        stub = " ".join(str(names[k]) for k in own)
        return Table(
            stub,
            tuple(heads),
            tuple(Section(tuple(part), title) for title, part in rows.items()),
        )

    def _layout(self, table: Table) -> Layout:
        names = [row.name for section in table.sections for row in section.rows]
        longest = max(map(len, [*names, *(s.title for s in table.sections)]), default=0)
        name = int(np.clip(max(longest, len(table.stub)), *NAME))
        tested = (8, 9) if "t" in self.table.columns else ()
        return Layout(name, (11, 11, 9, *tested, 24), (11, 11, 9, *tested, 12, 12))

    def text(self) -> str:
        """The page as text."""
        table = self._table()
        lines = text_table(table, self._layout(table))
        # "not estimable" is wider than its column
        lines = [line.replace("|not estimable", "| not estimable") for line in lines]
        parts = ["\n".join(fill(self.title, WIDTH)), "\n".join(lines)]
        parts += ["\n".join(fill(note, WIDTH)) for note in self.notes]
        return "\n".join(parts)

    def html(self) -> str:
        """The page as an HTML fragment."""
        parts: Sequence[str] = [
            f"<style>\n{STYLE}\n</style>",
            f"<p>{escape(self.title)}</p>",
            html_table(self._table(), spans=2),
            *(f"<p>{escape(note)}</p>" for note in self.notes),
        ]
        return '<div class="xmixed-summary">' + "\n".join(parts) + "</div>"
