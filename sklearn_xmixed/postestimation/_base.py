"""What the methods of a fitted model share: the check, and how input is read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from sklearn.utils import check_consistent_length, column_or_1d
from sklearn.utils.validation import check_is_fitted, validate_data

from ..design._labels import Source
from ..inference import Coding, single_columns
from ..means import FixedVariables

if TYPE_CHECKING:
    from ..fitted._fitted import FittedModel
    from ..inference import Results

__all__ = ["FittedMethods"]

Array = np.ndarray


class FittedMethods:
    """Base of the methods of a fitted ``MixedLinearRegressor``."""

    _fitted: FittedModel
    missing: str
    weight_type: str

    def _results(self) -> Results:
        """The results, once there are some."""
        check_is_fitted(self)
        return self._fitted.alone

    def _source(self, X: Any, groups: Any) -> Source:
        """Rows to look up variables in, their columns checked against ``fit``'s."""
        check_is_fitted(self)
        source = Source.of(X, groups, list(self._fitted.columns))
        validate_data(self, X, skip_check_array=True, reset=False)
        coding = self._fitted.categories
        return source if coding is None else coding.over(source)

    def _named(self, X: Any, groups: Any) -> Source:
        """Rows to look up variables in that the model may not use."""
        return Source.of(X, groups, list(self._fitted.columns))

    def _check_offset(self, what: str) -> None:
        """Refuse what needs the offset of the data where that was an array."""
        check_is_fitted(self)
        if self._fitted.offset_is_array:
            raise ValueError(
                f"{what} need the offset, which was an array passed to fit and is not "
                "kept. Put it into X or groups and name its column by offset= of the "
                "constructor."
            )

    def _precision(
        self, X: Any, groups: Any, sample_weight: Any, n_rows: int
    ) -> Array | None:
        """Precision weights of rows; None where there are none to be had."""
        if self._fitted.results.specification.weight_type != "precision":
            if sample_weight is None:
                return None
            raise ValueError(
                "sample_weight has a meaning here for fits with precision weights alone, "
                "where it scales the variance of each row; this one had none. Leave it "
                "out."
            )
        if sample_weight is None:
            sample_weight = self._weights_of(X, groups)
        if sample_weight is None:
            return None
        weights = np.asarray(column_or_1d(sample_weight), dtype=float)
        check_consistent_length(weights, np.empty(n_rows))
        known = weights[~np.isnan(weights)] if self.missing == "drop" else weights
        if not (np.isfinite(known) & (known > 0)).all():
            raise ValueError(
                "Precision weights must be finite and positive here, got "
                f"{known[~(np.isfinite(known) & (known > 0))][0]}: a row of weight zero "
                "has no finite variance. Leave such rows out."
            )
        return weights

    def _weights_of(self, X: Any, groups: Any) -> Any:
        """Weights that the model itself finds in data; None where it knows none."""
        return None

    def _codings(self) -> tuple[Coding, ...]:
        """Terms of the fixed part; without a text every column of X is one."""
        check_is_fitted(self)
        fitted = self._fitted
        if fitted.categories is None:
            return single_columns(fitted.fixed_names)
        return tuple(
            Coding.of_columns(term.name, term.columns)
            if term.coding is None
            else Coding.of_factor(term.name, term.columns, term.coding)
            for term in fitted.categories.terms(fitted.fixed_names)
        )

    def _as_compiled(
        self, X: Any, y: Any, sample_weight: Any, groups: Any
    ) -> tuple[Any, Any, Any, Any]:
        """What ``fit`` compiled: where columns are made by a command, those."""
        return X, y, sample_weight, groups

    def _fixed_variables(self) -> FixedVariables:
        """The variables of the fixed part: of a plain estimator its columns."""
        fitted = self._fitted
        if fitted.categories is None:
            return FixedVariables.of_columns(fitted.fixed_names, fitted.fixed_means)
        return FixedVariables.of_categories(
            fitted.fixed_names, fitted.fixed_means, fitted.categories
        )

    def _fixed_rows(self, frame: pd.DataFrame) -> tuple[Array, Array]:
        """Columns of the coefficients, and what rows have of cells that no data had."""
        names, coding = list(self._fitted.fixed_names), self._fitted.categories
        if coding is None:
            rows = frame[names].to_numpy(dtype=float)
        else:
            coded = coding.over(Source.of(frame))
            rows = np.column_stack(
                [np.asarray(coded.column(name), dtype=float) for name in names]
            )
        return self._with_constant(rows), np.zeros((len(rows), 0))

    def _with_constant(self, rows: Array) -> Array:
        constant = len(self._fitted.results.beta) - rows.shape[1]
        return np.hstack([rows, np.ones((len(rows), constant))])

    def _response_text(self) -> str:
        """The response as the model has it, with what was done to it."""
        return self._fitted.results.target

    @staticmethod
    def _row_index(X: Any, n_rows: int) -> pd.Index:
        """Labels of the rows: those of a pandas frame, else numbers."""
        return X.index if isinstance(X, pd.DataFrame) else pd.RangeIndex(n_rows)
