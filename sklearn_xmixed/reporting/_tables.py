"""Results as tables of formatted cells; how they are drawn is decided elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..inference import (
    CORRECTIONS,
    GroupSummary,
    Reference,
    Results,
    coefficient_table,
)
from ._format import Formats, count, decimal, level_percent

__all__ = [
    "FixedBlock",
    "FixedRow",
    "Row",
    "Section",
    "Table",
    "fixed_table",
    "group_table",
    "random_table",
]


@dataclass(frozen=True)
class FixedRow:
    """How a line of the table of coefficients is to be written.

    Parameters
    ----------
    label : str
        What stands there instead of the coefficient's name.
    name : str
        The coefficient; empty for none.
    note : str
        What is written in place of numbers where there is no coefficient.
    indented : bool
        Whether the label stands one character further left than names do.
    """

    label: str
    name: str = ""
    note: str = ""
    indented: bool = False


@dataclass(frozen=True)
class FixedBlock:
    """Lines of that table that belong together.

    Parameters
    ----------
    rows : tuple of FixedRow
    title : str
        Line above them; empty for none.
    apart : bool
        Whether blank lines separate them from what stands above and below.
    """

    rows: tuple[FixedRow, ...]
    title: str = ""
    apart: bool = False


@dataclass(frozen=True)
class Row:
    """A named row; with fewer cells than columns the rest is blank.

    Parameters
    ----------
    name : str
    cells : tuple of str
    indented : bool
        Whether the name stands one character further left.
    """

    name: str
    cells: tuple[str, ...]
    indented: bool = False


@dataclass(frozen=True)
class Section:
    """Rows that belong together.

    Parameters
    ----------
    rows : tuple of Row
    title : str
        Line above the rows, or lines of which all but the first are indented; empty
        for none.
    """

    rows: tuple[Row, ...]
    title: str = ""


@dataclass(frozen=True)
class Table:
    """A table.

    Parameters
    ----------
    stub : str
        Heading of the names.
    columns : tuple of str
        Headings of the cells, perhaps of two lines; an interval's is that of the last
        two cells, "Legend" that of names to the right of their numbers.
    sections : tuple of Section
    above : str
        Heading above all columns but the first; empty for none.
    """

    stub: str
    columns: tuple[str, ...]
    sections: tuple[Section, ...]
    above: str = ""


def _interval(confidence_level: float) -> str:
    return f"[{level_percent(confidence_level)}% Conf. Interval]"


def _std_error(results: Results, *, fixed: bool) -> str:
    if results.vce == "oim" or (results.vce in CORRECTIONS and not fixed):
        return "Std. Err."
    kind = results.vce if results.vce in CORRECTIONS else "Robust"
    return f"{kind}\nStd. Err."


def fixed_table(
    results: Results,
    confidence_level: float,
    formats: Formats,
    *,
    legend: bool = False,
    omitted: bool = True,
    blocks: Sequence[FixedBlock] | None = None,
    reference: Reference | None = None,
) -> Table | None:
    """Coefficients of the fixed part; None where it has none.

    With ``legend`` their names in expressions take the place of statistics; without
    ``omitted`` collinear columns are not listed.  ``blocks`` say how the lines are
    written; coefficients that are in none of them follow at the end.
    """
    numbers = coefficient_table(results, reference, confidence_level)
    letter = "z" if reference is None else "t"
    numbers = numbers.drop(columns="df", errors="ignore")
    if not len(numbers):
        return None
    written: dict[str, tuple[str, ...]] = {}
    for name, row in zip(numbers.index, numbers.to_numpy(), strict=True):
        gone = name in results.omitted
        estimate, std_error, z, p, low, high = row
        if gone and not omitted:
            continue
        if legend:
            written[name] = "0" if gone else formats.coef(estimate), f"_b[{name}]"
            continue
        if gone:
            written[name] = "0", "(omitted)"
            continue
        written[name] = (
            formats.coef(estimate),
            formats.coef(std_error),
            formats.test(z),
            formats.p(p),
            formats.coef(low),
            formats.coef(high),
        )
    section = (Section(_fixed_rows(written, blocks or ())),)
    if legend:
        return Table(results.target, ("Coef.", "Legend"), section)
    return Table(
        results.target,
        (
            "Coef.",
            _std_error(results, fixed=True),
            letter,
            f"P>|{letter}|",
            _interval(confidence_level),
        ),
        section,
    )


def _fixed_rows(
    written: dict[str, tuple[str, ...]], blocks: Sequence[FixedBlock]
) -> tuple[Row, ...]:
    """Lines of the coefficients, as the blocks arrange them."""
    placed = {row.name for block in blocks for row in block.rows}
    others = [FixedBlock((FixedRow(n, n),)) for n in written if n not in placed]
    out: list[Row] = []
    apart = False
    for block in [*blocks, *others]:
        rows = [
            Row(row.label, written.get(row.name, ("0", f"{row.note:<9}")), row.indented)
            for row in block.rows
            if row.note or row.name in written
        ]
        if not rows:
            continue
        if out and (apart or block.apart):
            out.append(Row("", ()))
        out += [Row(block.title, ())] if block.title else []
        out += rows
        apart = block.apart
    return tuple(out)


def random_table(
    results: Results,
    metric: str,
    confidence_level: float,
    formats: Formats,
    *,
    legend: bool = False,
) -> Table:
    """Parameters of the random effects, one section per equation, and residuals."""
    numbers = results.variance_table(metric, confidence_level)
    columns = (
        numbers.estimate,
        numbers.std_error,
        numbers.ci_lower,
        numbers.ci_upper,
    )
    cells = np.column_stack(columns)
    by_equation: dict[int | None, list[Row]] = {}
    for parameter, row in zip(numbers.parameters, cells, strict=True):
        term = parameter.term(metric)
        written = tuple(formats.coef(value) for value in row)
        if legend:
            written = (written[0], f"_b[{parameter.level}:{term}]")
        by_equation.setdefault(parameter.equation, []).append(Row(term, written))
    sections = []
    number = 0  # parameters count the equations that have effects
    for equation in results.equations:
        title = f"{equation.group}: {equation.label}"
        rows = by_equation[number] if equation.effects else []
        number += bool(equation.effects)
        sections.append(Section(tuple(rows), title))
    sections.append(Section(tuple(by_equation[None]), _residual_title(results)))
    heads: tuple[str, ...] = ("Estimate", "Legend")
    if not legend:
        heads = (
            "Estimate",
            _std_error(results, fixed=False),
            _interval(confidence_level),
        )
    return Table("Random-effects Parameters", heads, tuple(sections))


def _residual_title(results: Results) -> str:
    label = results.residual_label
    # the by-variable stands in a line of its own
    return f"Residual: {label}".replace(", by ", ",\nby ", 1) if label else ""


def group_table(groups: tuple[GroupSummary, ...]) -> Table:
    """Sizes of the groups of every level."""
    rows = tuple(
        Row(
            group.name,
            (
                count(group.n_groups),
                count(group.minimum),
                decimal(group.average, 9, 1),
                count(group.maximum),
            ),
        )
        for group in groups
    )
    return Table(
        "Group Variable",
        ("No. of Groups", "Minimum", "Average", "Maximum"),
        (Section(rows),),
        above="Observations per Group",
    )
