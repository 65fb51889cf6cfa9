"""The lines margins and marginsplot after a command.

They are read here and answered by the methods of the estimator; what is not understood
points to the method that does the same and more.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ....means import (
    Contrasts,
    FixedVariables,
    MarginalMeans,
    effects_of,
    marginal_means,
    marginal_trends,
    stack_means,
    within_levels,
)
from ._legend import MarginsRequest, shown_as_effects, shown_as_margins
from ._line import Line

__all__ = ["margins", "marginsplot"]

_VALUES = re.compile(r"\s*([A-Za-z_]\w*)\s*=\s*(\([^()]*(?:\([^()]*\)[^()]*)*\)|\S+)")
_RANGE = re.compile(r"(-?[\d.]+)\((-?[\d.]+)\)(-?[\d.]+)$")
_STATISTIC = re.compile(r"\s*\((\w+)\)((?:\s*[A-Za-z_]\w*\b(?!\s*=))+)")
#: what (mean) x and the like hold a covariate at
_STATISTICS = {
    "mean": lambda x: x.mean,
    "min": lambda x: x.low,
    "max": lambda x: x.high,
    "zero": lambda x: 0.0,
}


@dataclass
class _Line(Line):
    """With the values of at()."""

    known: FixedVariables | None = None

    def ats(self) -> list[dict[str, list[Any]]]:
        """Values of every at(x=(1 2) z=3); one without values if there is none."""
        return [self._at(text) for text in self.repeated or [""]]

    @property
    def given(self) -> set[str]:
        """Variables that at() gives values to."""
        return {name for at in self.ats() for name in at}

    def _at(self, text: str) -> dict[str, list[Any]]:
        out: dict[str, list[Any]] = {}
        place = 0
        while text[place:].strip():
            asked = _STATISTIC.match(text, place)
            if asked is not None:
                out.update(self._statistic(asked[1], asked[2].split()))
                place = asked.end()
                continue
            found = _VALUES.match(text, place)
            if found is None:
                self.fail(f"{text[place:].strip()!r} is not understood in at().")
            out[found[1]] = [
                number
                for word in found[2].removeprefix("(").removesuffix(")").split()
                for number in self._numbers(word)
            ]
            place = found.end()
        return out

    def _statistic(self, word: str, names: list[str]) -> dict[str, list[Any]]:
        """Values of (mean) x z, (min) x, (max) x or (zero) x."""
        assert self.known is not None
        variables = self.known.variables
        if word not in _STATISTICS:
            self.fail(
                f"'({word})' is not understood in at(): known are "
                f"{', '.join(f'({w})' for w in _STATISTICS)} of covariates."
            )
        if self.options.get("over") and word != "zero":
            self.fail(
                f"'({word})' in at() is that of all rows, not of each group of over(): "
                "give the value, or take atmeans."
            )
        if names == ["_all"]:
            names = [n for n, v in variables.items() if v.levels is None]
        for name in names:
            if name not in variables:
                self.fail(f"{name!r} in at() is no variable of the fixed part.")
            if variables[name].levels is not None:
                self.fail(
                    f"{name!r} is a factor, which '({word})' cannot hold at a value: "
                    "give a level, or atmeans, which takes shares of its levels."
                )
        return {name: [_STATISTICS[word](variables[name])] for name in names}

    def _numbers(self, word: str) -> list[Any]:
        steps = _RANGE.match(word)
        if steps:
            low, step, high = map(float, steps.groups())
            return list(np.arange(low, high + step * 1e-9, step))
        try:
            number = float(word)
        except ValueError:
            return [word.strip('"')]
        return [int(number) if number.is_integer() else number]


@dataclass
class _Grid:
    """One at() within one group of rows."""

    estimator: Any
    known: FixedVariables
    at: dict[str, list[Any]]
    weights: str
    level: float

    def by(self, specs: list[str]) -> list[str]:
        """Variables with several values in at()."""
        return [n for n, v in self.at.items() if len(v) > 1 and n not in specs]

    @property
    def _shared(self) -> tuple[Any, ...]:
        return (self.at, self.weights), self.level

    def means(self, specs: list[str], by: list[str]) -> MarginalMeans:
        return marginal_means(
            self.estimator._fixed_part("asymptotic"),
            self.known,
            self.estimator._fixed_rows,
            specs,
            by,
            *self._shared,
        )

    def effects(self, name: str, specs: list[str]) -> Contrasts | MarginalMeans:
        """Slopes of a covariate, or differences of a factor's levels to its base."""
        by = [*self.by(specs), *specs]
        if self.known.variables[name].levels is not None:
            return self.means([name], by).contrasts("reference", adjust="none")
        return marginal_trends(
            self.estimator._fixed_part("asymptotic"),
            self.known,
            self.estimator._fixed_rows,
            (specs, self.by(specs)),
            name,
            *self._shared,
        )


def margins(estimator: Any, text: Any) -> Any:
    """See ``CommandRegressor.margins``."""
    known = {"dydx", "at", "atmeans", "over", "level", "asbalanced"}
    line = _Line.read(text, "margins", "marginal_means", known)
    line.known = estimator._fixed_variables()
    if len(line.terms) > 1:
        line.fail(f"{line.terms[1]!r} is one term too many: write one line for each.")
    specs = _factors(line, estimator._fixed_variables())
    names, keys, grids = _grids(estimator, line)
    request = MarginsRequest(
        int(estimator.results_.n_obs),
        estimator._fixed_variables(),
        tuple(specs),
        tuple(name for name in names if name != "_at"),
        tuple(line.ats()),
        "atmeans" in line.options,
        "asbalanced" in line.options,
    )
    if "dydx" in line.options:
        wanted = _wanted(line, request.known)
        effects = _effects(line, wanted, specs, names, keys, grids)
        page = shown_as_effects(request, wanted, effects.index)
        return replace(effects, page=page)
    if line.options.get("over") and estimator.offset is not None:
        line.fail(
            "Groups of rows in over() have offsets of their own, which are not kept: "
            "margins are taken at the mean of all. Name the variable as a term, or leave "
            "over() out."
        )
    parts = [grid.means(specs, grid.by(specs)) for grid in grids]
    _alike(line, parts)
    means = stack_means(names, keys, parts) if names else parts[0]
    return replace(means, page=shown_as_margins(request, means.index))


def _factors(line: _Line, known: FixedVariables) -> list[str]:
    """The factors of the term, whose levels the margins are of."""
    if not line.terms:
        return []
    if "##" in line.terms[0]:
        line.fail(
            f"{line.terms[0]!r} is several terms: write one line for each, as a#b."
        )
    specs = line.factors(line.terms[0])
    for name in specs:
        variable = known.variables.get(name)
        if variable is not None and variable.levels is None and name not in line.given:
            line.fail(f"{name!r} is a covariate: give its values, at({name}=(1 2)).")
    return specs


def _grids(
    estimator: Any, line: _Line
) -> tuple[list[str], list[tuple[Any, ...]], list[_Grid]]:
    """A grid for every at() and every group of over(), and what tells them apart."""
    known, ats = estimator._fixed_variables(), line.ats()
    over = [re.sub(r"^i\.", "", name) for name in line.options.get("over", "").split()]
    if "over" in line.options and not over:
        line.fail("over() needs variables.")
    for name in over:
        if name not in known.variables:
            line.fail(f"{name!r} in over() is no variable of the fixed part.")
    weights = "equal" if "asbalanced" in line.options else "observed"
    if "atmeans" in line.options:
        weights = "outer"
        if "asbalanced" in line.options:
            line.fail("'asbalanced' does not go with atmeans.")
    groups = within_levels(known, over) if over else [((), known)]
    keys, grids = [], []
    for number, at in enumerate(ats, 1):
        for levels, variables in groups:
            keys.append(((number,) if len(ats) > 1 else ()) + levels)
            grids.append(_Grid(estimator, variables, at, weights, line.level))
    return [*(["_at"] if len(ats) > 1 else []), *over], keys, grids


def _alike(line: _Line, parts: Any) -> None:
    """Tables are put together only if they have the same levels."""
    if any(p.index.names != parts[0].index.names for p in parts):
        line.fail("The specifications at() have lists of values of other variables.")


def _wanted(line: _Line, known: FixedVariables) -> list[str]:
    """The variables in dydx()."""
    variables = known.variables
    wanted = line.options["dydx"].replace("_all", "*").split()
    wanted = [re.sub(r"^[ic]\.", "", name) for name in wanted]
    wanted = list(variables) if wanted == ["*"] else wanted
    for name in wanted:
        if name not in variables:
            line.fail(f"{name!r} in dydx() is no variable of the fixed part.")
    if not wanted:
        line.fail("dydx() needs variables, or *.")
    return wanted


def _effects(
    line: _Line,
    wanted: list[str],
    specs: list[str],
    names: list[str],
    keys: list[tuple[Any, ...]],
    grids: list[_Grid],
) -> Any:
    """Marginal effects of the variables in dydx()."""
    known = grids[0].known.variables
    if len(wanted) == 1 and not names:
        return grids[0].effects(wanted[0], specs)
    rows: list[tuple[Any, ...]] = []
    parts = []
    by = [*grids[0].by(specs), *specs]
    for key, grid in zip(keys, grids, strict=True):
        if [*grid.by(specs), *specs] != by:
            line.fail(
                "The specifications at() have lists of values of other variables."
            )
        for name in wanted:
            part = grid.effects(name, [n for n in specs if n != name])
            if len(part.index.names) != len(by) + 1 and by:
                part_by = [n for n in part.index.names if n in by]
                if part_by != by:
                    line.fail(f"{name!r} stands in the term and in dydx().")
            factor = known[name].levels is not None
            for level in part.index:
                levels = level if isinstance(level, tuple) else (level,)
                levels = levels if by or factor else ()
                told = levels if factor else (*levels, "")
                rows.append((*key, *told[:-1], name, told[-1]))
            parts.append(part)
    return effects_of([*names, *by, "variable", "contrast"], rows, parts, [*names, *by])


def marginsplot(estimator: Any, text: Any, ax: Any) -> Any:
    """See ``CommandRegressor.marginsplot``."""
    return margins(estimator, text).plot(ax)
