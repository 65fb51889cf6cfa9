"""The head of what margins prints: expression, effects, groups, values of variables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from ....inference import t_p_value
from ....means import FixedVariables, contrast_coefficients, label_of
from ....reporting._format import general
from ._output import Output, estimates_table

__all__ = ["MarginsRequest", "numbers_of", "shown_as_effects", "shown_as_margins"]

EXPRESSION = "Expression   : Linear prediction, fixed portion, predict()"
DISCRETE = "Note: dy/dx for factor levels is the discrete change from the base level."
Row = tuple[str, str, int | None]


@dataclass(frozen=True)
class MarginsRequest:
    """What a line of margins asked for.

    Parameters
    ----------
    n_obs : int
    known : FixedVariables
    specs, over : tuple of str
    ats : tuple of dict
        Values of every at(); one without values if there is none.
    atmeans, asbalanced : bool
    """

    n_obs: int
    known: FixedVariables
    specs: tuple[str, ...]
    over: tuple[str, ...]
    ats: tuple[dict[str, list[Any]], ...]
    atmeans: bool
    asbalanced: bool

    @property
    def settled(self) -> bool:
        """Whether no variable is as it was observed."""
        if self.atmeans:
            return True
        return all(
            name in self.specs
            or all(name in at for at in self.ats)
            or (self.asbalanced and variable.levels is not None)
            for name, variable in self.known.variables.items()
        )

    def numbered(self, index: pd.Index) -> tuple[np.ndarray, list[dict[str, Any]]]:
        """Which values at() gives to each row, and these, in their order."""
        frame = index.to_frame(index=False)
        number = np.zeros(len(frame), dtype=int)
        if "_at" in frame:
            number = frame["_at"].to_numpy(dtype=int) - 1
        listed = [
            name
            for name in frame.columns
            if name not in self.specs
            and name not in self.over
            and any(len(at.get(str(name), ())) > 1 for at in self.ats)
        ]
        keys = list(zip(number, *(frame[name] for name in listed), strict=True))
        places = {key: k for k, key in enumerate(dict.fromkeys(keys))}
        values = []
        for spec, *levels in places:
            own = dict(zip(map(str, listed), levels, strict=True))
            at = self.ats[spec]
            values.append({n: own.get(n, v[0]) for n, v in at.items()})
            if not self.specs:
                continue
            for name in self.specs:
                if len(at.get(name, ())) > 1:
                    del values[-1][name]
        return np.array([places[key] for key in keys]), values

    def legend(
        self, values: Sequence[Mapping[str, Any]], effects: str = ""
    ) -> tuple[tuple[str, ...], ...]:
        """Paragraphs between the title and the table."""
        first = [EXPRESSION]
        first += [f"dy/dx w.r.t. : {effects}"] if effects else []
        first += [f"over         : {' '.join(self.over)}"] if self.over else []
        parts = []
        for number, at in enumerate(values, 1):
            lines = self._at(at)
            if lines:
                name = f"{number}._at" if len(values) > 1 else "at"
                parts.append(
                    [f"{name:<13}: {lines[0]}", *(" " * 15 + x for x in lines[1:])]
                )
        if len(parts) == 1:
            return (tuple(first + parts[0]),)
        return (tuple(first), *map(tuple, parts))

    def _at(self, at: Mapping[str, Any]) -> list[str]:
        """One line for each value, means marked."""
        lines = []
        names = self.known.variables if self.atmeans else at
        for name in names:
            variable = self.known.variables[name]
            if name in at:
                given = at[name]
                number = isinstance(given, int | float | np.number)
                told = general(given) if number else given
                mark = " (mean)" if number and given == variable.mean else ""
                lines.append(f"{name:<16}={told:>12}{mark}")
            elif variable.levels is None:
                # means are those of each group of over()
                told = "" if self.over else general(variable.mean)
                lines.append(f"{name:<16}={told:>12} (mean)")
            elif name not in self.specs:
                k = self.known.factors.index(name)
                counts = np.bincount(self.known.cells[:, k], self.known.cell_weights)
                for level, share in zip(
                    variable.levels, counts / counts.sum(), strict=True
                ):
                    told = "" if self.over else general(share)
                    lines.append(f"{f'{label_of(level)}.{name}':<16}={told:>12} (mean)")
        return lines


def numbers_of(estimates: Any) -> list[tuple[float, ...]]:
    """Estimate, error, statistic, p and limits of every row."""
    table = estimates.table
    if "t" not in table:
        with np.errstate(divide="ignore", invalid="ignore"):
            t = (table["estimate"] / table["std_error"]).to_numpy()
        p = np.full(len(t), np.nan)
        known = np.isfinite(t)
        p[known] = t_p_value(t[known], table["df"].to_numpy()[known])
        table = table.assign(t=t, p_value=p)
    columns = ["estimate", "std_error", "t", "p_value", "ci_lower", "ci_upper"]
    return list(table[columns].itertuples(index=False, name=None))


def _dimensions(
    request: MarginsRequest, index: pd.Index, at: np.ndarray, several: bool
) -> tuple[str, list[str]]:
    """What stands above the rows, and the name of each."""
    frame = index.to_frame(index=False)
    names = [n for n in (*request.over, *request.specs) if n in frame]
    columns = [frame[n].map(label_of) for n in names]
    if several:
        names.insert(0, "_at")
        columns.insert(0, pd.Series(at + 1).astype(str))
    told = [" ".join(row) for row in zip(*columns, strict=True)]
    return "#".join(names), told


def shown_as_margins(request: MarginsRequest, index: pd.Index) -> Any:
    """How predictive margins are shown: for ``page``."""
    at, values = request.numbered(index)
    head, names = _dimensions(request, index, at, len(values) > 1)
    rows: list[Row] = [("plain", "_cons", 0)]
    if head:
        rows = [("plain", head, None)]
        rows += [("level", name, k) for k, name in enumerate(names)]
    title = "Adjusted predictions" if request.settled else "Predictive margins"
    return partial(
        _page, title, request.n_obs, request.legend(values), "Margin", rows, ()
    )


def _page(
    title: str,
    n_obs: int,
    legend: tuple[tuple[str, ...], ...],
    head: str,
    rows: Sequence[Row],
    notes: tuple[str, ...],
    estimates: Any,
) -> Output:
    numbers = numbers_of(estimates)
    table = estimates_table(
        head,
        [(kind, name, None if k is None else numbers[k]) for kind, name, k in rows],
        above="Delta-method",
        level=estimates.confidence_level,
    )
    return Output(title, (table,), n_obs, legend, (*notes, *estimates._lost()))


def shown_as_effects(request: MarginsRequest, wanted: Sequence[str], index: Any) -> Any:
    """How marginal effects are shown: for ``page``."""
    at, values = request.numbered(index)
    head, names = _dimensions(request, index, at, len(values) > 1)
    frame = index.to_frame(index=False)
    variable = frame["variable"] if "variable" in frame else [wanted[0]] * len(frame)
    contrast = frame["contrast"] if "contrast" in frame else [""] * len(frame)
    places: dict[tuple[str, str], list[int]] = {}
    for k, key in enumerate(zip(variable, contrast, strict=True)):
        places.setdefault(key, []).append(k)
    levels = {name: _others(request.known, name) for name in wanted}
    rows: list[Row] = []
    for name in wanted:
        mine = [
            (levels[name].get(c, ""), k) for (v, c), k in places.items() if v == name
        ]
        rows += _effects_of(name, mine, head, names, first=not rows)
    told = [
        f"{level}.{name}" if level else name
        for name in wanted
        for level in (levels[name].values() or [""])
    ]
    title = f"{'Conditional' if request.settled else 'Average'} marginal effects"
    notes = (DISCRETE,) if any(levels.values()) else ()
    legend = request.legend(values, " ".join(told))
    return partial(_page, title, request.n_obs, legend, "dy/dx", rows, notes)


def _others(known: FixedVariables, name: str) -> dict[str, str]:
    """Levels that are compared with the base, by their contrasts."""
    levels = known.variables[name].levels
    if levels is None:
        return {}
    told = [label for label, _ in contrast_coefficients("reference", levels)]
    return dict(zip(told, map(label_of, levels[1:]), strict=True))


def _effects_of(
    name: str,
    mine: Sequence[tuple[str, list[int]]],
    head: str,
    names: Sequence[str],
    *,
    first: bool,
) -> list[Row]:
    """Rows of one variable: its levels, or what at() and over() tell apart."""
    blank: list[Row] = [] if first else [("plain", "", None)]
    if head:
        out: list[Row] = []
        for level, places in mine:
            out += [("plain", "", None)] if out else blank
            out.append(("equation", f"{level}.{name}" if level else name, None))
            out.append(("plain", head, None))
            out += [("level", names[k], k) for k in places]
        return out
    if len(mine) == 1:
        level, (k,) = mine[0]
        return [("plain", f"{level}.{name}" if level else name, k)]
    return [
        *blank,
        ("plain", name, None),
        *(("level", level, places[0]) for level, places in mine),
    ]
