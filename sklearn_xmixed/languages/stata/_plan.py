"""A command over data: parameters of the estimator, and the recipe of its columns."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from ..._spec import RandomEffects, Residuals
from ...expressions import Span
from ...residuals import STRUCTURES
from ._exclusions import Exclusions
from ._settings import notes_of, parameters_of, reporting_of
from .columns import (
    Cell,
    Column,
    Data,
    Labelled,
    Lag,
    Layout,
    Names,
    Reader,
    Recipe,
    Term,
    Unit,
    columns_of,
    expand,
    label,
    read_xtset,
)
from .grammar import (
    Command,
    EquationSyntax,
    Item,
    Pattern,
    ResidualSyntax,
    Variable,
    Weight,
    is_option,
)

__all__ = ["plan"]

Array = np.ndarray
#: what to do with times that are texts, where they are labels and where they have distances
_AS_NAMES = (
    "The time of a command is a number: make it one, or a pandas.Categorical. "
    "MixedLinearRegressor takes texts, by residuals=Residuals(..., time=...)."
)
_AS_NUMBERS = "Number the occasions: the distance between two of them is needed."


def plan(
    command: Command, data: Data, xtset: Any = None
) -> tuple[dict[str, Any], Recipe]:
    """Parameters of ``MixedLinearRegressor`` and the recipe of its columns.

    Raises
    ------
    CommandError
        If the command and the data do not fit together.
    """
    return _Plan(command, data, xtset).make()


class _Plan:
    def __init__(self, command: Command, data: Data, xtset: Any):
        self.command = command
        self.data = data
        self.xtset = read_xtset(xtset)
        self.fail = command.fail
        self.names = Names(data.names, self.fail, is_option)
        self.used: dict[str, str] = {}
        self.texts: dict[str, tuple[str, ...]] = {}

    def make(self) -> tuple[dict[str, Any], Recipe]:
        command = self.command
        repeated = {n for n in self.data.names if self.data.names.count(n) > 1}
        if repeated:
            self.fail(f"The data have several columns named {sorted(repeated)[0]!r}.")
        exclusions = Exclusions(command)
        exclusions.options()
        target = self._target(command.target)
        terms, bases = expand(command.items, self.names)
        for term, span in terms:
            self._check_term(term, span)
        equations, random, labels = self._equations()
        residuals = self._residuals(labels)
        vce, cluster = self._vce(labels)
        if command.condition is not None:
            self._find(command.condition)
        weight_type, level_weights = self._weights(equations)
        offset = self._offset()
        recipe = Recipe(
            command=command,
            xtset=self.xtset,
            names=self.used,
            target=target,
            fixed=(),
            random=random,
            labels=tuple(dict.fromkeys(labels)),
            level_weights=level_weights,
            offset=offset,
            known={},
            texts=self.texts,
            layout=Layout(()),
            reporting=reporting_of(command),
            notes=notes_of(command),
        )
        codes = self._codes_in_sample(recipe, terms)
        expanded = columns_of(terms, codes, bases, self.names)
        whole = {u.name for t, _ in terms for u in t if u.factor and u.levels is None}
        recipe = replace(
            recipe,
            fixed=expanded.columns,
            layout=expanded.layout,
            notes=(*recipe.notes, *self._numbering()),
            known={k: found for k, found in expanded.known.items() if k in whole},
            terms=tuple(term for term, _ in terms),
            levels=expanded.levels,
            empty=expanded.empty,
        )
        parameters = parameters_of(command)
        parameters |= {
            "random_effects": [e for e, _ in equations] or None,
            "fixed": [c.name for c in expanded.columns],
            "residuals": residuals,
            "vce": vce,
            "cluster": cluster,
            "weight_type": weight_type,
            "offset": offset,
        }
        exclusions.model(parameters, equations)
        return parameters, recipe

    def _codes_in_sample(
        self, recipe: Recipe, terms: list[tuple[Term, Span]]
    ) -> dict[tuple[str, Lag], Array]:
        """Values of the factor variables in the rows that will be used."""
        reader = Reader(recipe, self.data)
        if any(u.lag for term, _ in terms for u in term) or any(
            c.lag for column in recipe.random for c in column.cells
        ):
            reader.panel()
        keep = self._sample(reader, terms)
        return {
            (u.name, u.lag): self._codes(reader, u, span)[keep]
            for term, span in terms
            for u in term
            if u.factor
        }

    # -- variables ---------------------------------------------------------------

    def _target(self, item: Item) -> Cell:
        terms, _ = expand([item], self.names)
        if len(terms) != 1 or len(terms[0][0]) != 1 or terms[0][0][0].factor:
            self.fail(
                "The response must be one variable.", "", getattr(item, "span", None)
            )
        (unit,), span = terms[0]
        self._check_term((unit,), span)
        return Cell(unit.name, unit.lag)

    def _check_term(self, term: Term, span: Span) -> None:
        for unit in term:
            if unit.lag and self.xtset is None:
                self.fail(
                    f"The operator {unit.lag.text}. needs the time.",
                    'Pass xtset=("panel", "time") or xtset="time".',
                    span,
                )
            values = self.data.values(unit.name)
            text = not isinstance(values, Labelled) and values.dtype.kind == "O"
            if unit.factor and (text or isinstance(values, Labelled)):
                self._number_texts(unit.name, values)
            elif text:
                self.fail(
                    f"{unit.name!r} holds texts, numbers are needed here.",
                    f"To take it as a factor write i.{unit.name}",
                    span,
                )

    def _number_texts(self, name: str, values: Array | Labelled) -> None:
        """Texts get the numbers 1, 2, ... in the order of their categories or sorted."""
        if name in self.texts:
            return
        if isinstance(values, Labelled):
            self.texts[name] = values.names
        else:
            self.texts[name] = tuple(sorted(set(pd.unique(values)) - {""}))

    def _codes(self, reader: Reader, unit: Unit, span: Span) -> Array:
        values = reader.codes(unit.name)
        known = values[~np.isnan(values)]
        if (known < 0).any() or (known != np.floor(known)).any():
            what = (
                "negative values" if (known < 0).any() else "values that are not whole"
            )
            self.fail(
                f"The factor {unit.name!r} has {what}.",
                f"Factors are numbered 0, 1, 2, ...; for a covariate write c.{unit.name}",
                span,
            )
        return reader.panel().apply(values, unit.lag) if unit.lag else values

    def _sample(self, reader: Reader, terms: list[tuple[Term, Span]]) -> Array:
        """Rows that count, from which factors get their levels."""
        keep = reader.sample()
        for term, span in terms:
            for unit in term:
                values = (
                    self._codes(reader, unit, span)
                    if unit.factor
                    else reader.cell(Cell(unit.name, unit.lag))
                )
                keep &= ~np.isnan(values)
        if not keep.any():
            selected = int(reader.selected().sum())
            self.fail(
                "There are no observations.",
                f"{selected} rows are selected"
                + (", and in all of them something is missing." if selected else "."),
            )
        return keep

    def _variable(self, text: str, span: Span) -> str:
        return self.names.one(text, span)

    def _named(self, pattern: Pattern | None) -> str | None:
        return None if pattern is None else self._variable(pattern.text, pattern.span)

    def _find(self, expression: Any) -> None:
        """Note what the variables of an expression stand for."""
        for variable in expression.variables():
            if variable.name not in ("_n", "_N"):
                self.used[variable.name] = self._variable(variable.name, variable.span)

    # -- random effects ----------------------------------------------------------

    def _equations(
        self,
    ) -> tuple[
        list[tuple[RandomEffects, EquationSyntax]], tuple[Column, ...], list[str]
    ]:
        out, columns, labels = [], {}, []
        for equation in self.command.equations:
            level = equation.level.text
            if level != "_all":
                level = self._variable(level, equation.level.span)
                labels.append(level)
            names = []
            terms, _ = expand(equation.items, self.names)
            for term, span in terms:
                if len(term) > 1 or term[0].factor:
                    self.fail(
                        "Random effects take variables and R.variable only.",
                        "Make a column of the interaction or the indicator first.",
                        span,
                    )
                self._check_term(term, span)
                name = label(term[0], None, True)
                columns[name] = Column(name, (Cell(term[0].name, term[0].lag),))
                names.append(name)
            factor = None
            if equation.factor is not None:
                factor = self._variable(equation.factor.text, equation.factor.span)
                labels.append(factor)
            options = {o.name: o for o in equation.options}
            covariance = options.get("covariance")
            if (
                factor is not None
                and covariance is not None
                and covariance.value not in ("identity", "exchangeable")
            ):
                self.fail(
                    f"covariance({covariance.value}) cannot be used with R.{factor}.",
                    "Only identity, which is the default, and exchangeable.",
                    covariance.span,
                )
            out.append(
                (
                    RandomEffects(
                        level,
                        names,
                        covariance=None if covariance is None else covariance.value,
                        intercept="noconstant" not in options,
                        factor=factor,
                        collinear="collinear" in options,
                    ),
                    equation,
                )
            )
        return out, tuple(columns.values()), labels

    def _residuals(self, labels: list[str]) -> Residuals | None:
        option = self.command.option("residuals")
        if option is None:
            return None
        said: ResidualSyntax = option.value
        time = self._named(said.time)
        by = self._named(said.by)
        needs = said.structure not in ("independent", "exchangeable")
        if needs and time is None:
            self.fail(
                f"{said.structure} residuals need the time.",
                f"Write residuals({said.structure}, t(variable)).",
                option.span,
            )
        if said.structure != "independent" and not self.command.equations:
            self.fail(
                f"{said.structure} residuals are correlated within groups.",
                "Name the groups by an equation: || id:, noconstant",
                option.span,
            )
        if time is not None and needs:
            if self.data.numbers(time) is None:
                assert said.time is not None
                self.fail(
                    f"The time {time!r} holds texts.",
                    _AS_NAMES
                    if STRUCTURES[said.structure].time_kind == "identifier"
                    else _AS_NUMBERS,
                    said.time.span,
                )
            labels.append(time)
        if by is not None:
            labels.append(by)
        if said.structure == "independent" and by is None:
            return None
        return Residuals(said.structure, order=said.order, time=time, by=by)

    def _vce(self, labels: list[str]) -> tuple[str, str | None]:
        option = self.command.option("vce")
        if option is None:
            return "oim", None
        kind, variable = option.value
        if kind != "cluster":
            return kind, None
        name = self._variable(variable.text, variable.span)
        labels.append(name)
        return kind, name

    # -- weights -----------------------------------------------------------------

    def _weights(
        self, equations: list[tuple[RandomEffects, EquationSyntax]]
    ) -> tuple[str, dict[str, Weight]]:
        given: list[Weight] = []
        if self.command.weight is not None:
            self._find(self.command.weight.expression)
            given.append(self.command.weight)
        columns: dict[str, Weight] = {}
        for spec, equation in equations:
            mine = [o for o in equation.options if o.name in ("fweight", "pweight")]
            if len(mine) > 1:
                self.fail(
                    "A level has either fweight() or pweight().", "", mine[1].span
                )
            for option in mine:
                weight = option.value
                if spec.group == "_all":
                    self.fail("_all is one group and has no weight.", "", option.span)
                self._find(weight.expression)
                given.append(weight)
                name = weight.text
                if isinstance(weight.expression, Variable):
                    name = self.used.get(weight.expression.name, name)
                columns[name] = weight
                spec.weight = name
        kinds = {w.kind for w in given}
        if len(kinds) > 1:
            other = next(w for w in given if w.kind != given[0].kind)
            if "precision" in kinds:
                self.fail(
                    "Precision weights are of rows alone.",
                    "With [aw=...] the levels have neither fweight() nor pweight().",
                    other.span,
                )
            self.fail(
                "Frequency and sampling weights cannot be mixed.",
                "All levels have fw and fweight(), or pw and pweight().",
                other.span,
            )
        return (kinds.pop() if kinds else "frequency"), columns

    def _offset(self) -> str | None:
        option = self.command.option("offset")
        if option is None:
            return None
        name = self._variable(option.value.text, option.value.span)
        if self.data.numbers(name) is None:
            self.fail(
                f"The offset {name!r} holds texts, numbers are needed here.",
                "Make a column of numbers of it.",
                option.value.span,
            )
        return name

    def _numbering(self) -> list[str]:
        """What the numbers of factors stand for that are texts."""
        out = []
        for name, texts in self.texts.items():
            shown = ", ".join(f"{k} = {t}" for k, t in enumerate(texts[:20], 1))
            more = f", and {len(texts) - 20} more" if len(texts) > 20 else ""
            out.append(f"Note: levels of {name} are {shown}{more}.")
        return out
