"""The estimator that a command returns."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import clone

from ..._regressor import MixedLinearRegressor
from ...design._labels import Source
from ...reporting import Summary
from .._fromtext import TextRegressor

__all__ = ["CommandRegressor"]

Array = np.ndarray
_LAYOUT = {"base_levels": False, "empty_cells": True, "squeeze": False}


class CommandRegressor(TextRegressor):
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
    def notes_(self) -> tuple[str, ...]:
        """What is to be said about options without effect and the numbers of levels."""
        return self._recipe().notes

    def fit(
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
        table, response, weights = self._tables(X, y, groups)
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
        return self

    def _tables(
        self, X: Any, y: Any, groups: Any
    ) -> tuple[pd.DataFrame, pd.Series, Array | None]:
        """Columns of the model, response and weights; rows left out have no response."""
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
        return reader.table(), kept, reader.weights()

    def _as_plain(
        self, X: Any, y: Any, groups: Any
    ) -> tuple[MixedLinearRegressor, pd.DataFrame, pd.Series, pd.DataFrame]:
        """The same model without the command, with the columns that it needs."""
        table, response, _ = self._tables(X, y, groups)
        return self.to_estimator(), table, response, table[[]]

    def _as_compiled(
        self, X: Any, y: Any, sample_weight: Any, groups: Any
    ) -> tuple[Any, Any, Any, Any]:
        table, response, weights = self._tables(X, y, groups)
        return (
            table,
            response,
            weights if sample_weight is None else sample_weight,
            None,
        )

    def _weights_of(self, X: Any, groups: Any) -> Array | None:
        """Weights of the command."""
        return self._recipe().read(X, groups).weights()

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
        return self._tables(X, None, None)

    def response(self, X: Any, groups: Any = None) -> pd.Series:
        """The response as the command has it."""
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
