"""Terms of a command, and what their columns are."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import product

import numpy as np

from ....inference import Coding, Product
from ....inference import Term as FixedTerm
from ._columns import Cell, Column
from ._series import Lag
from ._terms import Term, Unit, label

__all__ = ["codings_of"]

Levels = dict[tuple[str, Lag], tuple[int, ...]]


def codings_of(
    terms: Sequence[Term],
    columns: Sequence[Column],
    levels: Levels,
    empty: Collection[tuple[Cell, ...]],
) -> tuple[Coding, ...]:
    """Columns by the terms of the command that made them.

    Parameters
    ----------
    terms : sequence of Term
    columns : sequence of Column
        Of the fixed part.
    levels : dict
        Levels of every factor by name and operators.
    empty : collection of tuple of Cell
        Products that no row has.
    """
    made = {column.cells: column.name for column in columns}
    groups: dict[tuple[Unit, ...], list[Term]] = {}
    for term in terms:  # 2.f and 3.f, levels chosen one by one, are one term
        groups.setdefault(tuple(_whole(u) for u in term), []).append(term)
    taken: set[str] = set()
    nothing = set(empty)
    out = []
    for whole, members in groups.items():
        cells = [
            at
            for term in members
            for at in product(*(_cells(unit, levels) for unit in term))
            if made.get(at) not in taken or at not in made
        ]
        own = {at: made[at] for at in dict.fromkeys(cells) if at in made}
        taken |= set(own.values())
        if own:
            chosen = any(u.levels is not None for t in members for u in t)
            gone = [at for at in dict.fromkeys(cells) if at in nothing]
            out.append(_coding(whole, own, gone, levels, chosen=chosen))
    return tuple(out)


def _whole(unit: Unit) -> Unit:
    return Unit(unit.name, unit.lag, "factor" if unit.factor else "continuous")


def _cells(unit: Unit, levels: Levels) -> list[Cell]:
    if not unit.factor:
        return [Cell(unit.name, unit.lag)]
    there = levels[unit.name, unit.lag] if unit.levels is None else unit.levels
    return [Cell(unit.name, unit.lag, level) for level in there]


def _coding(
    whole: Term,
    own: dict[tuple[Cell, ...], str],
    empty: Sequence[tuple[Cell, ...]],
    levels: Levels,
    *,
    chosen: bool,
) -> Coding:
    """One term: the columns that are its own, and its products that no row has."""
    name = "#".join(_name(u, alone=len(whole) == 1) for u in whole)
    columns = tuple(own.values())
    if chosen:  # they do not span the factor, and are tested as they are
        return Coding.of_columns(name, columns)
    factors = [u for u in whole if u.factor]
    covariates = [u for u in whole if not u.factor]
    term = FixedTerm(
        name,
        tuple(_name(u, alone=True) for u in factors),
        tuple(_name(u, alone=True) for u in covariates),
        columns,
    )
    there = [levels[u.name, u.lag] for u in factors]

    def made(cells: tuple[Cell, ...]) -> Product:
        at = [c.level for c in cells if c.level is not None]
        weights = tuple(
            np.equal(every, level).astype(float)
            for every, level in zip(there, at, strict=True)
        )
        return Product(weights, (0,) * len(covariates))

    return Coding(
        term,
        tuple(len(found) for found in there),
        (1,) * len(covariates),
        tuple(map(made, own)),
        tuple(map(made, empty)),
    )


def _name(unit: Unit, *, alone: bool) -> str:
    if unit.factor:
        return f"{unit.lag.text}.{unit.name}" if unit.lag else unit.name
    return label(unit, None, alone)
