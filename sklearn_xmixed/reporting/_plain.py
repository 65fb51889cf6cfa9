"""A page of one table of estimates, for results other than those of a fit."""

from __future__ import annotations

import math
from dataclasses import dataclass
from html import escape
from typing import Any

import pandas as pd

from ._format import count, decimal, general, level_percent
from ._html import STYLE, html_table
from ._tables import Row, Section, Table
from ._text import WIDTH, fill, layouts, text_table

__all__ = ["PlainPage"]


@dataclass(frozen=True)
class PlainPage:
    """Estimates with standard errors, tests and intervals, and facts above them.

    Parameters
    ----------
    title : str
    facts : tuple of (str, value)
        Shown at the right of the title.
    stub : str
        Heading of the names.
    above : tuple of five str
        What stands above the headings of the columns.
    statistic : str
        "z" or "t".
    confidence_level : float
    table : DataFrame
        Six columns: estimate, standard error, statistic, p-value, interval.  With a
        two-level index each value of the first level makes a section.
    notes : tuple of str
    """

    title: str
    facts: tuple[tuple[str, Any], ...]
    stub: str
    above: tuple[str, str, str, str, str]
    statistic: str
    confidence_level: float
    table: pd.DataFrame
    notes: tuple[str, ...] = ()

    def _table(self) -> Table:
        heads = (
            "Coef.",
            "Std. Err.",
            self.statistic,
            f"P>|{self.statistic}|",
            f"[{level_percent(self.confidence_level)}% Conf. Interval]",
        )
        columns: tuple[str, ...] = heads
        if any(self.above):
            columns = tuple(f"{a}\n{h}" for a, h in zip(self.above, heads, strict=True))
        nested = isinstance(self.table.index, pd.MultiIndex)
        rows: dict[str, list[Row]] = {}
        for name, values in zip(self.table.index, self.table.to_numpy(), strict=True):
            section = str(name[0]) if nested else ""
            estimate, se, statistic, p, low, high = values
            tested = not math.isnan(statistic) or math.isnan(se)
            cells = (
                general(estimate),
                general(se),
                decimal(statistic, 8, 2) if tested else "",
                decimal(p, 5, 3) if tested else "",
                general(low),
                general(high),
            )
            row = Row(str(name[-1] if nested else name), cells)
            rows.setdefault(section, []).append(row)
        sections = [
            Section(tuple(part), "" if title == self.stub else title)
            for title, part in rows.items()
        ]
        return Table(self.stub, columns, tuple(sections))

    def _facts(self) -> list[tuple[str, str]]:
        return [
            (name, value if isinstance(value, str) else count(value))
            for name, value in self.facts
        ]

    def text(self, width: int = WIDTH) -> str:
        """The page as text."""
        lines = []
        for number, (name, value) in enumerate(self._facts()):
            right = f"{name:<19}={value:>10}"
            left = "" if number else self.title
            lines.append(f"{left:<{width - len(right)}}{right}")
        parts = [
            "\n".join(lines),
            "\n".join(text_table(self._table(), layouts(width)[0])),
        ]
        parts += ["\n".join(fill(note, width)) for note in self.notes]
        return "\n\n".join(parts)

    def html(self) -> str:
        """The page as an HTML fragment."""
        facts = "&ensp;".join(f"{escape(n)} = {escape(v)}" for n, v in self._facts())
        parts = [
            f"<style>\n{STYLE}\n</style>",
            f"<p>{escape(self.title)}: {facts}</p>",
        ]
        parts.append(html_table(self._table(), spans=2))
        parts += [f"<p>{escape(note)}</p>" for note in self.notes]
        return '<div class="xmixed-summary">' + "\n".join(parts) + "</div>"
