"""The estimator that a command returns."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from sklearn.base import clone

from ..._regressor import MixedLinearRegressor
from ...design._labels import Source
from ...inference import Coding
from ...means import DeferredVariables, FixedVariables
from ...reporting import Summary
from .._fromtext import TextRegressor
from .columns import Data, Labelled, codings_of
from .grammar import Variable
from .lines import CommandLines

if TYPE_CHECKING:
    pass

__all__ = ["CommandRegressor"]

Array = np.ndarray
_LAYOUT = {"base_levels": False, "empty_cells": True, "squeeze": False}


class CommandRegressor(CommandLines, TextRegressor):
    """A ``MixedLinearRegressor`` that makes its columns by a command.

    It is what ``xtmixed`` returns, fitted, and everything that can be done with a
    ``MixedLinearRegressor`` can be done with it.  X is always the user's own data frame:
    factor variables, time-series operators, ``if``, ``in`` and weights are applied at
    ``fit``, the same columns made again at ``predict``.

    Parameters
    ----------
    random_effects, **parameters
        As of ``MixedLinearRegressor``; ``fixed`` and the equations use the command's
        names of columns, such as ``1.girl#c.age``.
    recipe : Recipe
        How these columns are made.
    """

    made_by = "xtmixed(command, data)"

    @property
    def command(self) -> str:
        """The command as it was given."""
        return self._recipe().command.text

    def _text(self) -> str:
        return self.command

    @property
    def weight_variable(self) -> str | None:
        """Name of the variable with the weights of rows, where it is one."""
        weight = self._recipe().command.weight
        if weight is None or not isinstance(weight.expression, Variable):
            return None
        name = weight.expression.name
        return self._recipe().names.get(name, name)

    @property
    def notes_(self) -> tuple[str, ...]:
        """What is to be said about options without effect and the numbers of levels."""
        return self._recipe().notes

    def fit(  # type: ignore[override]  # the command names its offset
        self,
        X: Any,
        y: Any = None,
        sample_weight: Any = None,
        *,
        groups: Any = None,
    ) -> CommandRegressor:
        """Estimate the command's model on data.

        Parameters
        ----------
        X : data frame or mapping of shape (n_samples, n_columns)
            With the variables of the command.
        y : array-like of shape (n_samples,), default=None
            The response; None takes that of the command.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights, where the command has none.
        groups : data frame, default=None
            More columns.

        Returns
        -------
        self : CommandRegressor

        Raises
        ------
        CommandError
            If the data do not fit to the command.
        ValueError
            As by ``MixedLinearRegressor.fit``.
        """
        data = Data(X, groups)
        table, response, weights, scale = self._tables(data, y, None)
        if sample_weight is not None:
            if weights is not None:
                raise ValueError(
                    "The command has weights, and sample_weight was given too."
                )
            weights = sample_weight
        if self.missing != "drop":
            raise ValueError(
                "A command leaves out rows with missing values, and those that if and in "
                f"do not select; set missing='drop', got {self.missing!r}."
            )
        super().fit(table, response, weights)
        self._weight_scale = scale
        self._keep_variables(data, weights)
        return self

    def _keep_variables(self, data: Data, weights: Any) -> None:
        """What the fixed part's variables were like, for marginal means."""
        values, factors = self._recipe().read(data).variables()
        # a precision weight says how exact a row is, not how often it counts
        if weights is not None and self.weight_type != "precision":
            weights = np.asarray(weights, dtype=float)[self.sample_]
        else:
            weights = None
        self._variables = DeferredVariables(
            partial(_summary, values, factors, self.sample_, weights)
        )

    def _fixed_variables(self) -> FixedVariables:
        lagged = self._recipe().lagged
        if lagged:
            raise ValueError(
                f"The fixed part has time-series operators ({', '.join(lagged)}), and "
                "rows of a reference grid have no time. Make the columns before, by "
                "stata.generate, and use them in the command."
            )
        return self._variables.found

    def _fixed_rows(self, frame: pd.DataFrame) -> tuple[Array, Array]:
        reader = self._recipe().read(frame)
        return self._with_constant(reader.fixed()), reader.empty()

    def _tables(
        self, X: Any, y: Any, groups: Any
    ) -> tuple[pd.DataFrame, pd.Series, Array | None, float]:
        """Columns of the model, response and weights, and what these were multiplied by.

        Rows left out have no response.
        """
        recipe = self._recipe()
        reader = recipe.read(X, groups)
        lag = recipe.target.lag.text
        name = f"{lag}.{recipe.target.name}" if lag else recipe.target.name
        if y is None:
            response = reader.response()
        else:
            response = np.asarray(y, dtype=float)
            if response.shape != (reader.data.n_rows,):
                raise ValueError(
                    f"y has the shape {response.shape}, and X has {reader.data.n_rows} "
                    "rows."
                )
            given = getattr(y, "name", None)
            name = given if isinstance(given, str) else name
        keep = reader.sample(response)
        if not keep.any():
            reader.fail("There are no observations.")
        kept = pd.Series(np.where(keep, response, np.nan), name=name)
        weights, scale = reader.weights(), reader.weight_scale(keep)
        if weights is not None:
            weights = weights * scale
        return reader.table(), kept, weights, scale

    def _as_plain(
        self, X: Any, y: Any, groups: Any
    ) -> tuple[MixedLinearRegressor, pd.DataFrame, pd.Series, pd.DataFrame]:
        """The same model without the command, with the columns that it needs."""
        table, response, *_ = self._tables(X, y, groups)
        return self.to_estimator(), table, response, table[[]]

    def _as_compiled(
        self, X: Any, y: Any, sample_weight: Any, groups: Any
    ) -> tuple[Any, Any, Any, Any]:
        table, response, weights, _ = self._tables(X, y, groups)
        return (
            table,
            response,
            weights if sample_weight is None else sample_weight,
            None,
        )

    def _codings(self) -> tuple[Coding, ...]:
        recipe = self._recipe()
        return codings_of(recipe.terms, recipe.fixed, recipe.levels, recipe.empty)

    def _weights_of(self, X: Any, groups: Any) -> Array | None:
        """Weights of the command, in the units of the fit, or of these rows before it."""
        if "_weight_scale" not in vars(self):
            return self._tables(X, None, groups)[2]
        reader = self._recipe().read(X, groups)
        if not reader.has_weights():
            return None
        weights = reader.weights()
        return None if weights is None else weights * self._weight_scale

    def to_estimator(self) -> MixedLinearRegressor:
        """The same model, not fitted, for columns that are made already.

        Returns
        -------
        MixedLinearRegressor
            To be fitted to what ``design`` returns.
        """
        parameters = self.get_params(deep=False)
        del parameters["recipe"]
        return clone(MixedLinearRegressor(**parameters))

    def _code(self) -> str:
        """Code that makes it: the command, as it is by now."""
        from ._unparse import to_command

        return f"xtmixed({to_command(self)!r}, data)"

    def design(self, X: Any) -> tuple[pd.DataFrame, pd.Series, Array | None]:
        """Columns, response and weights that the command makes of data.

        Parameters
        ----------
        X : data frame or mapping
            With the variables of the command.

        Returns
        -------
        columns : DataFrame
        y : Series
            The response, missing in rows that the command leaves out.
        sample_weight : ndarray or None
            Precision weights, ``[aw=...]``, are scaled to a mean of one.

        Examples
        --------
        >>> from sklearn_xmixed import xtmixed
        >>> from sklearn_xmixed.datasets import load_sleepstudy
        >>> sleep = load_sleepstudy().frame
        >>> fit = xtmixed("reaction c.days##c.days || subject:", sleep, show=False)
        >>> columns, y, weight = fit.design(sleep)
        >>> list(columns)
        ['days', 'c.days#c.days', 'subject']
        >>> again = fit.to_estimator().fit(columns, y, weight)
        >>> bool(again.log_likelihood_ == fit.log_likelihood_)
        True
        """
        return self._tables(X, None, None)[:3]

    def lincom(
        self,
        expression: Any,
        confidence_level: float = 0.95,
        *,
        df: str | None = None,
    ) -> pd.DataFrame:
        """Linear combinations of estimates with standard errors and intervals.

        Parameters
        ----------
        expression, confidence_level, df
            As of ``MixedLinearRegressor.lincom``.  A text may end in ``, small``, which
            takes the degrees of freedom of the command's dfmethod().

        Returns
        -------
        DataFrame
            As of ``MixedLinearRegressor.lincom``.

        Raises
        ------
        CommandError
            If ``, small`` is said without dfmethod().
        ValueError
            As by ``MixedLinearRegressor.lincom``.
        """
        from .lines import without_small

        return super().lincom(without_small(self, expression), confidence_level, df=df)

    def response(self, X: Any, groups: Any = None) -> pd.Series:
        """The response as the command has it.

        Parameters
        ----------
        X, groups
            As for ``fit``.

        Returns
        -------
        Series
            One number for each row of X.
        """
        return pd.Series(self._recipe().read(X, groups).response())

    def _source(self, X: Any, groups: Any) -> Source:
        """The model's columns, made from the user's."""
        table = self._recipe().read(X, groups).table(fitting=False)
        return super()._source(table, None)

    def summary(self, **options: Any) -> Summary:
        """Output of the fit; what the command's options say is the default.

        Parameters
        ----------
        **options : dict
            As of ``MixedLinearRegressor.summary``, and ``base_levels`` (True, or "all"
            for those of interactions too), ``empty_cells`` (False hides them), and
            ``squeeze`` (True leaves out blank lines).

        Returns
        -------
        Summary
        """
        recipe = self._recipe()
        merged = {**recipe.reporting, **options}
        layout = {k: merged.pop(k, default) for k, default in _LAYOUT.items()}
        merged.setdefault("fixed_blocks", recipe.layout.blocks(**layout))
        results = self._results()
        reference = self._fitted.reference(merged.pop("df", None))
        return Summary(results, reference=reference, **merged)


def _summary(
    values: dict[str, Array | Labelled],
    factors: set[str],
    used: Array,
    weights: Array | None,
) -> FixedVariables:
    """The variables of the rows that were used, categories in their order."""
    columns: dict[str, Any] = {}
    for name, found in values.items():
        columns[name] = found
        if isinstance(found, Labelled):
            columns[name] = pd.Categorical(found.texts, categories=list(found.names))
        elif name in factors and found.dtype.kind == "f":
            whole = found == np.floor(found)
            if whole[~np.isnan(found)].all():
                columns[name] = pd.array(found, dtype="Int64")
    frame = pd.DataFrame(columns, index=pd.RangeIndex(len(used)))
    return FixedVariables.of(frame[used], factors, weights)
