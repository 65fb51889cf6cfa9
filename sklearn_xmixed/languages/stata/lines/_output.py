"""What a line after a command prints: a head, a legend, tables in fixed columns."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape

from ....reporting._format import decimal, general, level_percent
from ....reporting._html import STYLE
from ....reporting._text import WIDTH, Layout, fill, wrap_name

__all__ = ["Output", "OutputRow", "OutputTable", "estimates_table", "wald_table"]

NAME = 12


@dataclass(frozen=True)
class OutputRow:
    """A line of a table.

    Parameters
    ----------
    name : str
    cells : tuple of str
    kind : {"plain", "level", "equation"}
        Levels stand one character further left, equations at the left edge.
    """

    name: str
    cells: tuple[str, ...] = ()
    kind: str = "plain"


@dataclass(frozen=True)
class OutputTable:
    """A table: headings as they stand right of the bar, and the widths of its cells.

    Parameters
    ----------
    above : str
        Upper line of the headings; empty for none.
    columns : tuple of str
        Headings; the last may stand above two cells.
    heads, cells : tuple of int
        Widths.
    rows : tuple of OutputRow
    """

    above: str
    columns: tuple[str, ...]
    heads: tuple[int, ...]
    cells: tuple[int, ...]
    rows: tuple[OutputRow, ...]

    def lines(self) -> list[str]:
        """The table as text."""
        longest = max((len(r.name) for r in self.rows if r.kind == "level"), default=0)
        layout = Layout(max(NAME, longest + 1), self.heads, self.cells)
        out = [layout.border]
        if self.above:
            out.append(f"{'':{layout.name}} |{self.above}")
        out += [layout.heading("", self.columns), layout.rule]
        for row in self.rows:
            indented = int(row.kind == "level")
            *wrapped, name = wrap_name(row.name, layout.name - indented)
            if row.kind == "equation":
                out += [f"{part:<{layout.name}} |" for part in (*wrapped, name)]
                continue
            out += [layout.line(part, ()) for part in wrapped]
            out.append(layout.line(name + " " * indented, row.cells))
        return [*out, layout.border]

    def html(self) -> str:
        """The table for notebooks."""
        count = len(self.cells)
        span = count - len(self.columns) + 1
        heads = [f'<th scope="col">{escape(c)}</th>' for c in self.columns[:-1]]
        last = escape(self.columns[-1])
        heads.append(f'<th scope="colgroup" colspan="{span}">{last}</th>')
        body = []
        for row in self.rows:
            cells = [f"<td>{escape(cell.strip())}</td>" for cell in row.cells]
            rest = count - len(cells)
            cells += [f'<td colspan="{rest}"></td>'] if rest else []
            name = escape(row.name)
            body.append(f'<tr><th scope="row">{name}</th>{"".join(cells)}</tr>')
        above = ""
        if self.above.strip():
            told = escape(", ".join(dict.fromkeys(self.above.split())))
            above = f"<caption>{told}</caption>"
        return (
            f"<table>{above}<thead><tr><th></th>{''.join(heads)}</tr></thead>"
            f"<tbody>{''.join(body)}</tbody></table>"
        )


@dataclass(frozen=True)
class Output:
    """What a line prints.

    Parameters
    ----------
    title : str
    tables : tuple of OutputTable
    n_obs : int or None
    legend : tuple of tuple of str
        Lines between title and tables, in paragraphs.
    notes : tuple of str
    """

    title: str
    tables: tuple[OutputTable, ...]
    n_obs: int | None = None
    legend: tuple[tuple[str, ...], ...] = ()
    notes: tuple[str, ...] = field(default=())

    def text(self) -> str:
        """The output as text."""
        title = self.title
        if self.n_obs is not None:
            title = f"{title:<50}Number of obs   ={self.n_obs:>11}"
        parts = [title, *("\n".join(lines) for lines in self.legend)]
        parts += ["\n".join(table.lines()) for table in self.tables]
        text = "\n\n".join(parts)
        return "\n".join([text, *("\n".join(fill(n, WIDTH)) for n in self.notes)])

    def html(self) -> str:
        """The output as an HTML fragment."""
        title = self.title
        if self.n_obs is not None:
            title += f"; number of obs = {self.n_obs}"
        legend = [line for lines in self.legend for line in lines]
        parts = [f"<style>\n{STYLE}\n</style>", f"<p>{escape(title)}</p>"]
        parts += [f"<p>{'<br>'.join(map(escape, legend))}</p>"] if legend else []
        parts += [table.html() for table in self.tables]
        parts += [f"<p>{escape(note)}</p>" for note in self.notes]
        return '<div class="xmixed-summary">' + "\n".join(parts) + "</div>"


@dataclass(frozen=True)
class _Columns:
    """Which columns a table of estimates has."""

    test: bool
    interval: bool


#: by the option that asks for them
COLUMNS = {
    "effects": _Columns(test=True, interval=True),
    "pveffects": _Columns(test=True, interval=False),
    "cieffects": _Columns(test=False, interval=True),
}


def estimates_table(
    head: str,
    rows: Sequence[tuple[str, str, tuple[float, ...] | None]],
    *,
    columns: str = "effects",
    above: str = "",
    letter: str = "z",
    level: float = 0.95,
) -> OutputTable:
    """A table of estimates.

    Parameters
    ----------
    head : str
        Of the first column: Margin, dy/dx, Contrast.
    rows : sequence of (kind, name, numbers)
        Numbers are estimate, std_error, statistic, p, lower and upper limit; None in rows
        that are titles.
    columns : {"effects", "pveffects", "cieffects"}
        Tests, intervals or both.
    above : str
        "Delta-method", or how p-values and intervals are adjusted.
    letter : {"z", "t"}
    level : float
    """
    shown = COLUMNS[columns]
    heads, cells = [11, 12], [11, 11]
    named = [head, "Std. Err."]
    if shown.test:
        heads, cells = [*heads, 7, 9], [*cells, 9, 8]
        named += [letter, f"P>|{letter}|"]
    if shown.interval:
        heads, cells = [*heads, 25], [*cells, 13 if shown.test else 14, 12]
        named.append(f"[{level_percent(level)}% Conf. Interval]")
    return OutputTable(
        _above(above, shown),
        tuple(named),
        tuple(heads),
        tuple(cells),
        tuple(
            OutputRow(name, () if x is None else _cells(x, shown), kind)
            for kind, name, x in rows
        ),
    )


def _above(word: str, shown: _Columns) -> str:
    if not word or word == "Delta-method":
        return f"{'':12}{word}" if word else ""
    places = [28] if shown.test else []
    places += [49 if shown.test else 33] if shown.interval else []
    line = ""
    for place in places:
        line = line.ljust(place) + word.center(10)
    return line.rstrip()


def _cells(numbers: tuple[float, ...], shown: _Columns) -> tuple[str, ...]:
    estimate, error, statistic, p, low, high = numbers
    if math.isnan(estimate):
        return (".", "(not estimable)".rjust(17))
    out = [general(estimate), general(error)]
    if shown.test:
        out += [decimal(statistic, 8, 2), decimal(p, 5, 3)]
    if shown.interval:
        out += [general(low), general(high)]
    return tuple(out)


def wald_table(
    rows: Sequence[tuple[str, str, tuple[float, ...] | None]], *, small: bool
) -> OutputTable:
    """A table of Wald tests.

    Parameters
    ----------
    rows : sequence of (kind, name, numbers)
        Numbers are df, F or chi2, its denominator's df and p.
    small : bool
        Whether it is F.
    """
    out = []
    for kind, name, numbers in rows:
        cells: tuple[str, ...] = ()
        if numbers is not None:
            df, value, ddf, p = numbers
            middle = (decimal(ddf, 8, 2),) if small else ()
            cells = (f"{df:.0f}", *middle, decimal(value, 9, 2), decimal(p, 6, 4))
        out.append(OutputRow(name, cells, kind))
    named: tuple[str, ...]
    widths: tuple[int, ...]
    if small:
        named, widths = ("df", "ddf", "F", "P>F"), (11, 11, 12, 11)
    else:
        named, widths = ("df", "chi2", "P>chi2"), (11, 12, 11)
    return OutputTable("", named, widths, widths, tuple(out))
