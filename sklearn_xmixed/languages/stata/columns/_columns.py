"""Terms to columns: levels, bases, empty cells, and how the table shows them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations, groupby, product

import numpy as np

from ....expressions import Span
from ....reporting import FixedBlock, FixedRow
from ._names import Names
from ._series import NO_LAG, Lag
from ._terms import MOST, Term, Unit, label

__all__ = ["Cell", "Column", "Expanded", "Layout", "columns_of"]

Array = np.ndarray


@dataclass(frozen=True)
class Cell:
    """One factor of a product: a variable, or the indicator of a level of it."""

    name: str
    lag: Lag = NO_LAG
    level: int | None = None


@dataclass(frozen=True)
class Column:
    """A column of the design by its name: a product of cells."""

    name: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Layout:
    """How the table shows the columns.

    Parameters
    ----------
    entries : tuple of Entry
        In the order of the command.
    empty : tuple of Column
        Combinations of levels that no row has: they are no columns of the model, and
        nothing is known of rows in which they are not zero.
    """

    entries: tuple[Entry, ...]
    empty: tuple[Column, ...] = ()

    def blocks(
        self,
        *,
        base_levels: bool | str = False,
        empty_cells: bool = True,
        squeeze: bool = False,
    ) -> tuple[FixedBlock, ...]:
        """Blocks of the table of coefficients.

        Parameters
        ----------
        base_levels : bool or "all"
            Whether to show base levels, with "all" those of interactions too.
        empty_cells : bool
            Whether to show combinations of levels that no row has.
        squeeze : bool
            Whether to leave out blank lines.
        """
        out = []
        for title, group in groupby(self.entries, key=lambda e: (e.title, e.style)):
            rows = tuple(
                e.row
                for e in group
                if (e.row.note != "(base)" or base_levels == "all")
                or (base_levels and e.style == "factor")
                if empty_cells or e.row.note != "(empty)"
            )
            if not rows:
                continue
            name, style = title
            alone = style == "factor" and len(rows) == 1
            if alone and rows[0].name:
                out.append(FixedBlock((FixedRow(rows[0].name, rows[0].name),)))
                continue
            apart = style != "plain" and not squeeze
            out.append(FixedBlock(rows, "" if style in _INLINE else name, apart))
        return tuple(out)


_INLINE = ("plain", "power")


@dataclass(frozen=True)
class Expanded:
    """What the terms of the fixed part come to.

    Parameters
    ----------
    columns : tuple of Column
    layout : Layout
    levels : dict
        Levels of every factor by name and operators.
    empty : tuple of tuple of Cell
        Products that would be columns if there were rows with these levels.
    """

    columns: tuple[Column, ...]
    layout: Layout
    levels: dict[tuple[str, Lag], tuple[int, ...]]
    empty: tuple[tuple[Cell, ...], ...]

    @property
    def known(self) -> dict[str, tuple[int, ...]]:
        """Levels of every factor by name."""
        kinds: dict[str, set[int]] = {}
        for (name, _), found in self.levels.items():
            kinds.setdefault(name, set()).update(found)
        return {name: tuple(sorted(found)) for name, found in kinds.items()}


@dataclass(frozen=True)
class Entry:
    """One line of the table and what it stands under.

    Parameters
    ----------
    title : str
        Heading that it shares with its neighbours.
    style : {"plain", "power", "series", "factor", "interaction"}
    row : FixedRow
    """

    title: str
    style: str
    row: FixedRow


def columns_of(
    terms: Sequence[tuple[Term, Span]],
    codes: dict[tuple[str, Lag], Array],
    bases: dict[str, tuple[int | str, Span]],
    names: Names,
) -> Expanded:
    """Columns of the fixed part, their layout, and the levels of every factor.

    Parameters
    ----------
    terms : sequence of (Term, span)
    codes : dict
        Levels of every factor in the rows that count, by name and operators.
    bases : dict
        Base levels that the command names.
    names : Names

    Raises
    ------
    CommandError
        If a base or a chosen level does not occur.
    """
    levels = {
        key: tuple(int(v) for v in np.unique(values)) for key, values in codes.items()
    }
    base = {
        key: _base(key[0], values, levels[key], bases, names)
        for key, values in codes.items()
    }
    whole = {_key(term) for term, _ in terms if all(u.levels is None for u in term)}
    columns: list[Column] = []
    empty: list[Column] = []
    entries: list[Entry] = []
    seen: set[str] = set()
    lagged = {u.name for term, _ in terms for u in term if len(term) == 1 and u.lag}
    for term, span in terms:
        factors = [u for u in term if u.factor]
        choices = [_choices(u, levels, names, span) for u in term]
        if len(columns) + np.prod([float(len(c)) for c in choices]) > MOST:
            names.fail(f"The fixed part has more than {MOST} columns.", "", span)
        observed = _observed(factors, codes) if len(factors) > 1 else None
        for combination in product(*choices):
            cells = tuple(
                Cell(u.name, u.lag, level)
                for u, level in zip(term, combination, strict=True)
            )
            name = "#".join(
                label(u, level, len(term) == 1)
                for u, level in zip(term, combination, strict=True)
            )
            if name in seen:
                continue
            seen.add(name)
            note = ""
            at = tuple(v for v in combination if v is not None)
            if _implied(term, combination, base, whole):
                note = "(base)"
            elif observed is not None and at not in observed:
                note = "(empty)"
                empty.append(Column(name, cells))
            if not note:
                columns.append(Column(name, cells))
            entries.append(_entry(term, combination, name, note, lagged))
    layout = Layout(tuple(entries), tuple(empty))
    return Expanded(tuple(columns), layout, levels, tuple(c.cells for c in empty))


def _key(units: Iterable[Unit]) -> frozenset:
    counted = Counter((u.name, u.lag, u.kind) for u in units)
    return frozenset(counted.items())


def _implied(
    term: Term,
    combination: tuple[int | None, ...],
    base: dict[tuple[str, Lag], int | None],
    whole: set[frozenset],
) -> bool:
    """Whether other terms say what this cell says.

    It does if the product without some of its factors that are at their base is a term
    of its own, or nothing at all (the constant).
    """
    at_base = [
        k
        for k, (u, level) in enumerate(zip(term, combination, strict=True))
        if u.factor and u.levels is None and level == base[u.name, u.lag]
    ]
    for size in range(1, len(at_base) + 1):
        for left_out in combinations(at_base, size):
            rest = [u for k, u in enumerate(term) if k not in left_out]
            if not rest or _key(rest) in whole:
                return True
    return False


def _base(
    name: str,
    values: Array,
    levels: tuple[int, ...],
    bases: dict[str, tuple[int | str, Span]],
    names: Names,
) -> int | None:
    if not levels:
        return None
    said, span = bases.get(name, ("first", (0, 0)))
    if said == "none":
        return None
    if said == "first":
        return levels[0]
    if said == "last":
        return levels[-1]
    if said == "freq":
        found, counts = np.unique(values, return_counts=True)
        return int(found[np.argmax(counts)])
    if isinstance(said, str):
        place = int(said[1:])
        if not 1 <= place <= len(levels):
            names.fail(
                f"{name!r} has no level number {place}.",
                f"It has {len(levels)} levels here.",
                span,
            )
        return levels[place - 1]
    if said not in levels:
        names.fail(
            f"{said} is no level of {name!r}.", f"Its levels are {_list(levels)}.", span
        )
    return said


def _choices(
    unit: Unit, levels: dict[tuple[str, Lag], tuple[int, ...]], names: Names, span: Span
) -> tuple[int | None, ...]:
    if not unit.factor:
        return (None,)
    there = levels[unit.name, unit.lag]
    if unit.levels is None:
        return there
    for level in unit.levels:
        if level not in there:
            names.fail(
                f"{level} is no level of {unit.name!r}.",
                f"Its levels are {_list(there)}.",
                span,
            )
    return unit.levels


def _list(levels: Sequence[int]) -> str:
    shown = ", ".join(map(str, levels[:12]))
    return f"{shown}, ..." if len(levels) > 12 else shown


def _observed(
    factors: Sequence[Unit], codes: dict[tuple[str, Lag], Array]
) -> set[tuple[int, ...]]:
    together = np.column_stack([codes[u.name, u.lag] for u in factors])
    return {tuple(int(v) for v in row) for row in np.unique(together, axis=0)}


def _entry(
    term: Term,
    combination: tuple[int | None, ...],
    name: str,
    note: str,
    lagged: set[str],
) -> Entry:
    written = "" if note else name
    if len(term) == 1:
        (unit,) = term
        if unit.factor:
            lag = f"{unit.lag.text}." if unit.lag else ""
            row = FixedRow(str(combination[0]), written, note, indented=True)
            return Entry(f"{lag}{unit.name}", "factor", row)
        if unit.lag or unit.name in lagged:
            row = FixedRow(f"{unit.lag.text or '--'}.", written, note)
            return Entry(unit.name, "series", row)
        return Entry(name, "plain", FixedRow(name, written, note))
    if not any(u.factor for u in term):
        return Entry(name, "power", FixedRow(name, written, note))
    title = "#".join(
        (f"{u.lag.text}." if u.lag else "") + u.name
        if u.factor
        else label(u, None, False)
        for u in term
    )
    levels = " ".join(str(v) for v in combination if v is not None)
    return Entry(title, "interaction", FixedRow(levels, written, note, indented=True))
