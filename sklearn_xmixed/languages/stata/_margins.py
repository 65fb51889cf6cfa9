"""The lines that follow a command: margins, contrast, pwcompare, marginsplot.

They are read here and answered by the methods of the estimator; what is not understood
points to the method that does the same and more.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from ...means import (
    Contrasts,
    FixedVariables,
    MarginalMeans,
    contrast_coefficients,
    effects_of,
    label_of,
    marginal_means,
    marginal_trends,
    stack_means,
    within_levels,
)
from ._line import Line

__all__ = ["contrast", "margins", "marginsplot", "pwcompare"]

_VALUES = re.compile(r"\s*([A-Za-z_]\w*)\s*=\s*(\([^()]*(?:\([^()]*\)[^()]*)*\)|\S+)")
_RANGE = re.compile(r"(-?[\d.]+)\((-?[\d.]+)\)(-?[\d.]+)$")
_ADJUST = {
    "noadjust": "none",
    "bonferroni": "bonferroni",
    "sidak": "sidak",
    "scheffe": "scheffe",
    "tukey": "tukey",
}
_KIND = {"r": "reference", "ar": "consecutive", "g": "effects", "p": "polynomial"}


@dataclass
class _Line(Line):
    """With the options of margins and comparisons."""

    @property
    def adjust(self) -> str:
        word = self.options.get("mcompare") or "noadjust"
        if word not in _ADJUST:
            self.fail(f"{word!r} is no method of mcompare().")
        return _ADJUST[word]

    def factors(self, term: str) -> list[str]:
        """Variables of a#b, prefixes i. and c. taken away."""
        return [re.sub(r"^[ic]\.", "", word) for word in term.split("#") if word]

    def ats(self) -> list[dict[str, list[Any]]]:
        """Values of every at(x=(1 2) z=3); one without values if there is none."""
        return [self._at(text) for text in self.repeated or [""]]

    def _at(self, text: str) -> dict[str, list[Any]]:
        out: dict[str, list[Any]] = {}
        place = 0
        while text[place:].strip():
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
            self.estimator._fixed_part(None),
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
            self.estimator._fixed_part(None),
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
    if len(line.terms) > 1:
        line.fail(f"{line.terms[1]!r} is one term too many: write one line for each.")
    specs = line.factors(line.terms[0]) if line.terms else []
    names, keys, grids = _grids(estimator, line)
    if "dydx" in line.options:
        return _effects(line, specs, names, keys, grids)
    if line.options.get("over") and estimator.offset is not None:
        line.fail(
            "Groups of rows in over() have offsets of their own, which are not kept: "
            "margins are taken at the mean of all. Name the variable as a term, or leave "
            "over() out."
        )
    parts = [grid.means(specs, grid.by(specs)) for grid in grids]
    if not names:
        return parts[0]
    _alike(line, parts)
    return stack_means(names, keys, parts)


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


def _effects(
    line: _Line,
    specs: list[str],
    names: list[str],
    keys: list[tuple[Any, ...]],
    grids: list[_Grid],
) -> Any:
    """Marginal effects of the variables in dydx()."""
    known = grids[0].known.variables
    wanted = line.options["dydx"].replace("_all", "*").split()
    wanted = [re.sub(r"^[ic]\.", "", name) for name in wanted]
    wanted = list(known) if wanted == ["*"] else wanted
    for name in wanted:
        if name not in known:
            line.fail(f"{name!r} in dydx() is no variable of the fixed part.")
    if not wanted:
        line.fail("dydx() needs variables, or *.")
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


_COMPARED = {"mcompare", "level", "effects"}


def contrast(estimator: Any, text: Any) -> Any:
    """See ``CommandRegressor.contrast``."""
    line = _Line.read(text, "contrast", "contrasts", _COMPARED)
    if len(line.terms) != 1:
        line.fail("One term is expected, such as r.group or group@time.")
    term, _, by = line.terms[0].partition("@")
    if "##" in term:
        line.fail(f"{term!r} is several terms: write one line for each, as a#b.")
    kinds, names = [], []
    for word in term.split("#"):
        prefix, dot, name = word.rpartition(".")
        if prefix not in ("", "i", "a") and prefix not in _KIND:
            line.fail(f"The operator {prefix + dot!r} is not understood.")
        kinds.append(prefix)
        names.append(name)
    means = estimator.marginal_means(
        names, by=line.factors(by), confidence_level=line.level
    )
    if len(names) == 1 and kinds[0] != "a":
        return means.contrasts(_KIND.get(kinds[0], "reference"), adjust=line.adjust)
    sets = [
        _named(kind, estimator._fixed_variables().variables[name].values)
        for kind, name in zip(kinds, names, strict=True)
    ]
    products: dict[str, Any] = {}
    for combination in product(*sets):
        row = np.ones(1)
        for _, own in combination:
            row = np.kron(row, own)
        told = [name for name, _ in combination]
        one = len(told) == 1
        products[told[0] if one else " # ".join(f"({t})" for t in told)] = row
    return means.contrasts(products, adjust=line.adjust)


def _named(kind: str, levels: Any) -> list[tuple[str, Any]]:
    """Contrasts of one factor; those of a. are each level less the next."""
    if kind != "a":
        return contrast_coefficients(_KIND.get(kind, "reference"), levels)
    found = contrast_coefficients("consecutive", levels)
    return [
        (f"{label_of(this)} - {label_of(after)}", -row)
        for this, after, (_, row) in zip(levels, levels[1:], found, strict=False)
    ]


def pwcompare(estimator: Any, text: Any) -> Any:
    """See ``CommandRegressor.pwcompare``."""
    known = {*_COMPARED, "cimargins", "cimeans", "groups", "pveffects", "cieffects"}
    line = _Line.read(text, "pwcompare", "pairs", known)
    if len(line.terms) != 1:
        line.fail("One term is expected, such as group or group#time.")
    means = estimator.marginal_means(
        line.factors(line.terms[0]), confidence_level=line.level
    )
    if "groups" in line.options:
        letters = means.letters(adjust=line.adjust, alpha=1.0 - line.level)
        return means.table[["estimate", "std_error"]].assign(groups=letters)
    if "cimargins" in line.options or "cimeans" in line.options:
        return means
    return means.contrasts("pairwise", adjust=line.adjust)


def marginsplot(estimator: Any, text: Any, ax: Any) -> Any:
    """See ``CommandRegressor.marginsplot``."""
    return margins(estimator, text).plot(ax)
