"""Random-effects equations that a formula and the groupings in the data make."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pandas as pd

from ..._spec import RandomEffects
from ._columns import CONSTANT, has_constant, make_columns, without_constant
from ._error import FormulaError
from ._groupings import Arrangement, Grouping, arrange
from ._parser import ParsedFormula, RandomTerm

__all__ = ["arrange_groupings", "equations_of_formula"]


def arrange_groupings(parsed: ParsedFormula, frame: pd.DataFrame) -> Arrangement:
    """Levels and crossed factors, as the data have it."""
    groupings: dict[tuple[str, ...], Grouping] = {}
    slopes = set()
    for term in parsed.random:
        for name in term.grouping:
            if name not in frame.columns:
                raise FormulaError(
                    f"The data have no grouping variable {name!r}.",
                    parsed.text,
                    term.span,
                    f"The columns are {[str(c) for c in frame.columns]}.",
                )
        same = next((g for g in groupings if set(g) == set(term.grouping)), None)
        key = same or term.grouping
        if same is None:
            groupings[key] = Grouping.of(key, frame)
        constant, columns = effects_of(term, frame, parsed)
        if columns or not constant:
            slopes.add(key)
    arrangement = arrange(list(groupings.values()), slopes)
    _check_lowest(parsed, arrangement, groupings)
    return arrangement


def _check_lowest(
    parsed: ParsedFormula,
    arrangement: Arrangement,
    groupings: dict[tuple[str, ...], Grouping],
) -> None:
    """Residuals are correlated within the groups of the lowest level."""
    said = parsed.residual
    if said is None or not said.grouping:
        return
    own = next(g for g in groupings.values() if set(g.variables) == set(said.grouping))
    if own.variables in arrangement.crossed or not arrangement.chain:
        return  # equations_of_formula says so of a grouping without effects
    lowest, _ = arrangement.chain[-1]
    if groupings[lowest].n_groups > own.n_groups:
        raise FormulaError(
            f"Residuals are correlated within the groups of the lowest level, which are "
            f"those of {':'.join(lowest)}, not of {own.name}.",
            parsed.text,
            said.grouping_span,
            f"Write | {':'.join(lowest)}), or leave the random effects of "
            f"{':'.join(lowest)} out.",
        )


def effects_of(
    term: RandomTerm, frame: pd.DataFrame, parsed: ParsedFormula
) -> tuple[bool, list[str]]:
    """Whether a term has a random intercept, and its columns."""
    if term.empty:
        return False, []
    table, _ = make_columns(term.effects, frame, parsed, term.effects_span)
    columns, constant = list(without_constant(table).columns), has_constant(table)
    if not columns and not constant:
        raise FormulaError(
            "This random term has no effects.", parsed.text, term.effects_span
        )
    return constant, columns


def equations_of_formula(
    parsed: ParsedFormula, arrangement: Arrangement, frame: pd.DataFrame
) -> Iterable[RandomEffects]:
    """Random-effects equations, crossed factors first, then levels from the top."""
    for variables in arrangement.crossed:
        yield from _of_grouping(parsed, variables, frame, factor=":".join(variables))
    for variables, name in arrangement.chain:
        yield from _of_grouping(parsed, variables, frame, group=name)


def _of_grouping(
    parsed: ParsedFormula,
    variables: tuple[str, ...],
    frame: pd.DataFrame,
    *,
    group: str = "_all",
    factor: str | None = None,
) -> Iterator[RandomEffects]:
    for term in parsed.random:
        if set(term.grouping) != set(variables):
            continue
        if term.empty and factor is not None:
            raise FormulaError(
                f"{':'.join(variables)} crosses the other groupings.",
                parsed.text,
                term.span,
                "A grouping without effects says which rows belong together; it must "
                "nest with those that have effects.",
            )
        for constant, columns in _blocks(term, frame, parsed):
            several = len(columns) + constant > 1
            if factor is not None and not columns:
                yield RandomEffects(group, factor=factor)
                continue
            yield RandomEffects(
                group,
                columns,
                covariance=term.covariance if several else None,
                intercept=constant,
                factor=factor,
            )


def _blocks(
    term: RandomTerm, frame: pd.DataFrame, parsed: ParsedFormula
) -> list[tuple[bool, list[str]]]:
    """Effects that may be correlated; a double bar parts terms, not a term's categories."""
    constant, columns = effects_of(term, frame, parsed)
    if term.covariance != "independent":
        return [(constant, columns)]
    _, spec = make_columns(term.effects, frame, parsed, term.effects_span)
    names = list(spec.column_names)
    parts = [
        [str(names[j]) for j in range(*at.indices(len(names))) if names[j] != CONSTANT]
        for at in spec.term_slices.values()
    ]
    if all(len(part) <= 1 for part in parts):
        return [(constant, columns)]
    return [(True, [])] * constant + [(False, part) for part in parts if part]
