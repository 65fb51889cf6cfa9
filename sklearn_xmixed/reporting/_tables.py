"""Results as tables of formatted cells; how they are drawn is decided elsewhere."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..inference import GroupSummary, Results
from ._format import Formats, count, decimal, level_percent

__all__ = ["Row", "Section", "Table", "fixed_table", "group_table", "random_table"]


@dataclass(frozen=True)
class Row:
    """A named row; with fewer cells than columns the rest is blank.

    Parameters
    ----------
    name : str
    cells : tuple of str
    """

    name: str
    cells: tuple[str, ...]


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


def _std_error(results: Results) -> str:
    return "Std. Err." if results.vce == "oim" else "Robust\nStd. Err."


def fixed_table(
    results: Results,
    confidence_level: float,
    formats: Formats,
    *,
    legend: bool = False,
    omitted: bool = True,
) -> Table | None:
    """Coefficients of the fixed part; None where it has none.

    With ``legend`` their names in expressions take the place of statistics; without
    ``omitted`` collinear columns are not listed.
    """
    numbers = results.fixed_table(confidence_level)
    if not len(numbers):
        return None
    rows = []
    for name, row in zip(numbers.index, numbers.to_numpy(), strict=True):
        gone = name in results.omitted
        estimate, std_error, z, p, low, high = row
        if gone and not omitted:
            continue
        if legend:
            rows.append(
                Row(name, ("0" if gone else formats.coef(estimate), f"_b[{name}]"))
            )
            continue
        if gone:
            rows.append(Row(name, ("0", "(omitted)")))
            continue
        cells = (
            formats.coef(estimate),
            formats.coef(std_error),
            formats.test(z),
            formats.p(p),
            formats.coef(low),
            formats.coef(high),
        )
        rows.append(Row(name, cells))
    section = (Section(tuple(rows)),)
    if legend:
        return Table(results.target, ("Coef.", "Legend"), section)
    return Table(
        results.target,
        (
            "Coef.",
            _std_error(results),
            "z",
            "P>|z|",
            _interval(confidence_level),
        ),
        section,
    )


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
        heads = ("Estimate", _std_error(results), _interval(confidence_level))
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
