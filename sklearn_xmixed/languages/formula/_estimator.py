"""The estimator that a formula returns."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from ..._regressor import MixedLinearRegressor
from ...compat import variables_used
from ...design._labels import Source
from ...inference import Coding
from ...means import DeferredVariables, FixedVariables
from .._fromtext import TextRegressor
from ._codings import codings_of
from ._columns import (
    as_frame,
    factors_of,
    make_again,
    make_columns,
    without_constant,
)
from ._error import FormulaError
from ._groupings import Arrangement, labels_of
from ._parser import ParsedFormula
from ._safety import check_formula

__all__ = ["FormulaRegressor", "Recipe"]

Array = np.ndarray


@dataclass(frozen=True)
class Recipe:
    """How a formula's columns are made from data.

    Parameters
    ----------
    parsed : ParsedFormula
    arrangement : Arrangement
        Levels and crossed factors, as the data had it.
    """

    parsed: ParsedFormula
    arrangement: Arrangement


class FormulaRegressor(TextRegressor):
    """A ``MixedLinearRegressor`` that makes its columns by a formula.

    It is what ``from_formula`` returns, fitted.  X is always the user's own data frame,
    at ``fit`` as at ``predict``; the formula's columns are made from it, with the
    categories, knots and means that were found at ``fit``.

    Parameters
    ----------
    random_effects, **parameters
        As of ``MixedLinearRegressor``.
    recipe : Recipe
        The formula, parsed, and its levels.
    """

    made_by = "from_formula(formula, data)"

    @property
    def formula(self) -> str:
        """The formula as it was given."""
        return self._recipe().parsed.text

    @property
    def effects_formula(self) -> str:
        """The formula without what it says of residuals: what lme4 understands."""
        return self._recipe().parsed.effects_text

    @property
    def says_offset(self) -> bool:
        """Whether the offset is one of the formula's terms."""
        name = self._recipe().parsed.offset_name
        return name is not None and self.offset == name

    def _text(self) -> str:
        return self.formula

    @property
    def fixed(self) -> Any:
        """Columns of the fixed part; None for all that the formula makes."""
        # a time or cluster that is set later must not take a covariate away
        given = self.__dict__["fixed"]
        return self.__dict__.get("_fixed_columns") if given is None else given

    @fixed.setter
    def fixed(self, value: Any) -> None:
        self.__dict__["fixed"] = value

    def _named_columns(self, columns: list[str]) -> list[str] | None:
        """All columns by name where one is a label or a time as well, else None."""
        arrangement = self._recipe().arrangement
        labels: set[Any] = {name for _, name in arrangement.chain}
        labels |= {":".join(v) for v in arrangement.crossed}
        labels |= set(self._row_variables())
        return columns if not columns or labels & set(columns) else None

    def _row_variables(self) -> list[str]:
        """Variables of the residuals, the cluster and the offset that parameters name."""
        names = getattr(self.residuals, "variables", {}).values()
        return [n for n in (*names, self.cluster, self.offset) if isinstance(n, str)]

    # -- columns -----------------------------------------------------------------

    def _fixed_table(self, frame: pd.DataFrame, *, fitting: bool) -> pd.DataFrame:
        """Columns of the fixed part; those of ``fit`` again at ``predict``."""
        if fitting:
            parsed = self._recipe().parsed
            found, self._spec = make_columns(parsed.fixed, frame, parsed)
            columns = list(without_constant(found).columns)
            self._fixed_columns = self._named_columns(columns)
        else:
            found = make_again(self._spec, frame, self._recipe().parsed)
        return without_constant(found)

    def _groups_table(
        self, frame: pd.DataFrame, fixed: pd.DataFrame, *, fitting: bool
    ) -> pd.DataFrame:
        """Labels, times, and columns with random coefficients that the fixed part lacks."""
        recipe = self._recipe()
        out: dict[str, Any] = {
            name: frame[name].array
            for name in self._row_variables()
            if name in frame.columns and name not in fixed.columns
        }
        levels = [*recipe.arrangement.chain]
        levels += [(v, ":".join(v)) for v in recipe.arrangement.crossed]
        for variables, name in levels:
            there = [v in frame.columns for v in variables]
            if all(there):
                out[name] = labels_of(variables, name, frame)
            elif fitting:
                lost = variables[there.index(False)]
                raise FormulaError(
                    f"The data have no grouping variable {lost!r}.",
                    recipe.parsed.text,
                    None,
                    f"The columns are {[str(c) for c in frame.columns]}.",
                )
        if fitting:
            self._random_specs = {}
        for term in recipe.parsed.random:
            key = term.effects
            if term.empty:
                continue
            if fitting:
                found, self._random_specs[key] = make_columns(
                    key, frame, recipe.parsed, term.effects_span
                )
            else:
                found = make_again(self._random_specs[key], frame, recipe.parsed)
            table = without_constant(found)
            out.update({c: table[c].to_numpy() for c in table.columns})
        if self.says_offset:
            out[str(self.offset)] = self._offset_column(frame, fitting=fitting)
        return pd.DataFrame(out, index=frame.index)

    def _offset_column(self, frame: pd.DataFrame, *, fitting: bool) -> Array:
        """The sum of the formula's offsets."""
        parsed = self._recipe().parsed
        if fitting:
            self._offset_specs = []
        out = np.zeros(len(frame))
        for k, term in enumerate(parsed.offsets):
            if fitting:
                found, spec = make_columns(term.column, frame, parsed, term.span)
                self._offset_specs.append(spec)
            else:
                found = make_again(self._offset_specs[k], frame, parsed)
            if found.shape[1] != 1:
                raise FormulaError(
                    f"The offset makes {found.shape[1]} columns, "
                    f"{list(found.columns)[:5]}; it must be one number per row.",
                    parsed.text,
                    term.span,
                )
            out += found.to_numpy()[:, 0]
        return out

    def fit(
        self,
        X: Any,
        y: Any = None,
        sample_weight: Any = None,
        *,
        groups: Any = None,
        offset: Any = None,
    ) -> FormulaRegressor:
        """Estimate the formula's model on data.

        Parameters
        ----------
        X : data frame of shape (n_samples, n_columns)
            With the variables of the formula.
        y : array-like of shape (n_samples,), default=None
            The response; None takes that of the formula.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.
        groups : data frame, default=None
            More columns.
        offset : array-like of shape (n_samples,), default=None
            As for ``MixedLinearRegressor.fit``, where the formula has no ``offset(x)``.

        Returns
        -------
        self : FormulaRegressor

        Raises
        ------
        FormulaError
            If the data do not fit to the formula.
        ValueError
            As by ``MixedLinearRegressor.fit``.
        """
        frame = as_frame(X, groups, self.residuals)
        fixed, response, table = self._tables(frame, y)
        super().fit(fixed, response, sample_weight, groups=table, offset=offset)
        self._keep_variables(frame, sample_weight)
        return self

    def _keep_variables(self, frame: pd.DataFrame, sample_weight: Any) -> None:
        """What the fixed part's variables were like, for marginal means."""
        names = variables_used(self._spec, str(self._spec.formula), frame.columns)
        weights = None
        # a precision weight says how exact a row is, not how often it counts
        if sample_weight is not None and self.weight_type != "precision":
            weights = np.asarray(sample_weight, dtype=float)[self.sample_]
        self._variables = DeferredVariables(
            partial(_summary, frame[names], self.sample_, self._spec, weights)
        )

    def _fixed_variables(self) -> FixedVariables:
        return self._variables.found

    def _fixed_rows(self, frame: pd.DataFrame) -> tuple[Array, Array]:
        table = self._fixed_table(frame, fitting=False)
        return super()._fixed_rows(table)

    def _response_text(self) -> str:
        return self._recipe().parsed.response

    def _tables(
        self, frame: pd.DataFrame, y: Any
    ) -> tuple[pd.DataFrame, pd.Series, pd.DataFrame]:
        check_formula(self._recipe().parsed, frame.columns)
        fixed = self._fixed_table(frame, fitting=True)
        table = self._groups_table(frame, fixed, fitting=True)
        if y is None:
            return fixed, self.response(frame), table
        name = getattr(y, "name", None)
        name = name if isinstance(name, str) else self._recipe().parsed.response
        return fixed, pd.Series(np.asarray(y, dtype=float), name=name), table

    def response(self, X: Any, groups: Any = None) -> pd.Series:
        """The response as the formula has it."""
        frame = as_frame(X, groups, self.residuals)
        parsed = self._recipe().parsed
        table, _ = make_columns(f"0 + {parsed.response}", frame, parsed)
        if table.shape[1] != 1:
            raise FormulaError(
                f"The response makes {table.shape[1]} columns, {list(table.columns)[:5]}; "
                "it must be one number per row.",
                parsed.text,
                (0, len(parsed.response)),
            )
        return pd.Series(np.asarray(table)[:, 0], name=str(table.columns[0]))

    def _source(self, X: Any, groups: Any) -> Source:
        """The model's columns, made from the user's."""
        from sklearn.utils.validation import check_is_fitted

        check_is_fitted(self)
        frame = as_frame(X, groups, self.residuals)
        fixed = self._fixed_table(frame, fitting=False)
        table = self._groups_table(frame, fixed, fitting=False)
        return super()._source(fixed, table)

    def _codings(self) -> tuple[Coding, ...]:
        from sklearn.utils.validation import check_is_fitted

        check_is_fitted(self)
        return codings_of(self._spec)

    def _as_compiled(
        self, X: Any, y: Any, sample_weight: Any, groups: Any
    ) -> tuple[Any, Any, Any, Any]:
        _, fixed, response, table = self._as_plain(X, y, groups)
        return fixed, response, sample_weight, table

    def _as_plain(
        self, X: Any, y: Any, groups: Any
    ) -> tuple[MixedLinearRegressor, pd.DataFrame, pd.Series, pd.DataFrame]:
        """The same model without the formula, with the columns that it needs."""
        parameters = self.get_params(deep=False)
        maker = FormulaRegressor(**parameters)
        fixed, response, table = maker._tables(as_frame(X, groups, self.residuals), y)
        del parameters["recipe"]
        plain = MixedLinearRegressor(**{**parameters, "fixed": maker.fixed})
        return plain, fixed, response, table


def _summary(
    frame: pd.DataFrame, used: Array, spec: Any, weights: Array | None
) -> FixedVariables:
    """The variables of the rows that were used."""
    frame = frame.loc[used]
    return FixedVariables.of(frame, factors_of(spec, frame), weights)
