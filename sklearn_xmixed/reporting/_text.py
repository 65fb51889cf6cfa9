"""A page as text in fixed columns."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ._page import Fact, Header, Page
from ._tables import Table

__all__ = ["WIDTH", "fill", "layouts", "render_text", "text_table", "wrap_name"]

#: characters per line of the manual's output
WIDTH = 78


@dataclass(frozen=True)
class Layout:
    """Widths of a table's columns, spaces between them included.

    Parameters
    ----------
    name : int
        Characters for names, before the space and the bar.
    heads : tuple of int
        Widths of the headings; an interval's covers two cells.
    cells : tuple of int
    """

    name: int
    heads: tuple[int, ...]
    cells: tuple[int, ...]

    @property
    def legend(self) -> Layout:
        """The same with names to the right of their numbers."""
        first, rest = self.cells[0], sum(self.cells[1:])
        return Layout(self.name, (first, 8), (first, rest))

    def line(self, name: str, cells: Iterable[str]) -> str:
        """One line of the table."""
        parts = [c.rjust(w) for c, w in zip(cells, self.cells, strict=False)]
        return f"{name.rjust(self.name)} |{''.join(parts)}".rstrip()

    def heading(self, name: str, heads: Iterable[str]) -> str:
        """The line with the headings."""
        parts = [h.rjust(w) for h, w in zip(heads, self.heads, strict=False)]
        return f"{name.rjust(self.name)} |{''.join(parts)}".rstrip()

    @property
    def border(self) -> str:
        """Line above and below the table."""
        return "-" * (self.name + 2 + sum(self.cells))

    @property
    def rule(self) -> str:
        """Line between parts of the table."""
        return "-" * (self.name + 1) + "+" + "-" * sum(self.cells)


def layouts(width: int) -> tuple[Layout, Layout, Layout]:
    """Of the tables of fixed effects, random effects and groups."""
    more = width - WIDTH
    return (
        Layout(12 + more, (11, 12, 7, 9, 25), (11, 11, 9, 8, 13, 12)),
        Layout(28 + more, (11, 12, 25), (11, 11, 14, 12)),
        Layout(15 + more, (9, 33), (9, 11, 11, 11)),
    )


def render_text(page: Page, width: int = WIDTH) -> str:
    """The page as text; all lines have at most ``width`` characters."""
    fixed, random, groups = layouts(width)
    parts: list[list[str]] = []
    if page.header is not None:
        parts.append(_header(page.header, width, groups))
    if page.fixed is not None:
        parts.append(text_table(page.fixed, fixed))
    lr = [] if page.lr_test is None else [_lr_test(page.lr_test, width)]
    if page.random is not None:
        parts.append(text_table(page.random, random, centred=True) + lr)
    elif lr:
        parts.append(lr)
    parts += [fill(note, width) for note in page.notes]
    return "\n\n".join("\n".join(lines) for lines in parts)


def _header(header: Header, width: int, layout: Layout) -> list[str]:
    def line(left: str, label: str, value: str) -> list[str]:
        right = f"{label:<19}={value:>10}"
        room = width - len(right)
        above = [] if len(left) < room else fill(left, width)
        return [*above, f"{'' if above else left:<{room}}{right}"]

    lines = line(header.title, header.n_obs.label, header.n_obs.value)
    if header.group:
        name, count, smallest, average, largest = header.group
        lines += line(f"{name.label}: {name.value}", count.label, count.value)
        lines += ["", *line("", f"Obs per group: {smallest.label}", smallest.value)]
        for fact in (average, largest):
            lines += line("", f"{fact.label:>18}", fact.value)
    elif header.groups is not None:
        lines += ["", *_group_table(header.groups, layout)]
    if header.df:
        method, least, average, largest = header.df
        left = f"{method.label}: {method.value}"
        lines += ["", *line(left, f"{'DF:':<15}{least.label}", least.value)]
        for fact in (average, largest):
            lines += line("", f"{fact.label:>18}", fact.value)
    statistic, p = header.wald
    likelihood: Fact = header.likelihood
    lines += ["", *line("", statistic.label, statistic.value)]
    lines += line(f"{likelihood.label} = {likelihood.value}", p.label, p.value)
    if header.clusters:
        lines += ["", *(part.rjust(width) for part in fill(header.clusters, width))]
    return lines


def _group_table(table: Table, layout: Layout) -> list[str]:
    count, *sizes = table.columns
    first, _, second = count.rpartition(" ")
    return [
        layout.border,
        layout.heading("", (first, table.above.rjust(29).ljust(33))),
        layout.line(table.stub, (second, *sizes)),
        layout.rule,
        *_rows(table, layout),
        layout.border,
    ]


def text_table(table: Table, layout: Layout, *, centred: bool = False) -> list[str]:
    """Lines of a table; ``centred`` has its headings in the middle of columns."""
    if table.columns[-1] == "Legend":
        layout = layout.legend
    *above, stub = wrap_name(table.stub, layout.name)
    if centred:
        stub = f"{stub} "
    upper = [head.rpartition("\n")[0] for head in table.columns]
    heads = [head.rpartition("\n")[2] for head in table.columns]
    over = [u.center(len(h)) for u, h in zip(upper, heads, strict=True)]
    heads[-1] = _short(heads[-1], layout.heads[-1])
    if any(upper) and not above:
        above = [""]
    lines = [layout.line(name, ()) for name in above]
    if any(upper):
        lines[-1] = layout.heading(above[-1], over)
    return [
        layout.border,
        *lines,
        layout.heading(stub, heads),
        layout.rule,
        *_rows(table, layout),
        layout.border,
    ]


def _rows(table: Table, layout: Layout) -> list[str]:
    lines: list[str] = []
    for number, section in enumerate(table.sections):
        if number:
            lines.append(layout.rule)
        if section.title:
            first, *others = section.title.splitlines()
            title = wrap_name(first, layout.name)
            for other in others:
                title += [f"    {part}" for part in wrap_name(other, layout.name - 4)]
            lines += [f"{part:<{layout.name}} |" for part in title]
        for row in section.rows:
            *above, name = wrap_name(row.name, layout.name - row.indented)
            lines += [layout.line(part, ()) for part in above]
            name += " " * row.indented
            if table.columns[-1] == "Legend" and row.cells:
                lines += _legend(name, row.cells, layout)
                continue
            lines.append(layout.line(name, row.cells))
    return lines


def _legend(name: str, cells: Sequence[str], layout: Layout) -> list[str]:
    """A number and its name; a long name goes on in the next line."""
    value, legend = cells
    room = layout.cells[1] - 2
    parts = [legend[at : at + room] for at in range(0, len(legend), room)]
    lines = [f"{layout.line(name, (value,))}  {parts[0]}"]
    indent = layout.line("", ("",))
    return [
        *lines,
        *(f"{indent}{'':<{layout.cells[0]}}  {part}" for part in parts[1:]),
    ]


def _short(interval: str, width: int) -> str:
    """The heading of an interval, shortened where the level has many digits."""
    short = interval.replace("Interval", "Int.")
    return next(
        (text for text in (interval, short) if len(text) < width),
        "[Conf. Interval]",
    )


def _lr_test(test: Sequence[Fact], width: int) -> str:
    statistic, p = test
    left = "LR test vs. linear regression:"
    tail = f"{p.label} = {p.value}"
    space = " " if ">=" in p.label else "   "
    middle = f"{statistic.label} = {statistic.value:>8}{space}{tail}"
    return f"{left}{middle:>{width - len(left)}}"


def fill(text: str, width: int) -> list[str]:
    """A text in lines that are not longer; words stay whole."""
    return textwrap.wrap(text, width, break_on_hyphens=False)


def wrap_name(name: str, width: int) -> list[str]:
    """Cut a name into lines, where possible after a sign or a space.

    Parameters
    ----------
    name : str
    width : int

    Returns
    -------
    list of str
        At least one line; put together again they hold all of the name but spaces.

    Examples
    --------
    >>> from sklearn_xmixed.reporting._text import wrap_name
    >>> wrap_name("highway_component", 12)
    ['highway_', 'component']
    """
    rest = " ".join(name.split())
    lines = []
    while len(rest) > width:
        cut = width
        for at in range(width, width // 2, -1):
            if not rest[at - 1].isalnum() and rest[at - 1] not in "([":
                cut = at
                break
        lines.append(rest[:cut].rstrip())
        rest = rest[cut:].lstrip()
    return [*lines, rest]
