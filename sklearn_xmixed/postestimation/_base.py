"""What the methods of a fitted model share: the check, and how input is read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd
from sklearn.utils.validation import check_is_fitted, validate_data

from ..design._labels import Source
from ..inference import Coding, single_columns

if TYPE_CHECKING:
    from ..fitted._fitted import FittedModel
    from ..inference import Results

__all__ = ["FittedMethods"]


class FittedMethods:
    """Base of the methods of a fitted ``MixedLinearRegressor``."""

    _fitted: FittedModel

    def _results(self) -> Results:
        """The results, once there are some."""
        check_is_fitted(self)
        return self._fitted.results

    def _source(self, X: Any, groups: Any) -> Source:
        """Rows to look up variables in, their columns checked against ``fit``'s."""
        check_is_fitted(self)
        source = Source.of(X, groups, list(self._fitted.columns))
        validate_data(self, X, skip_check_array=True, reset=False)
        return source

    def _named(self, X: Any, groups: Any) -> Source:
        """Rows to look up variables in that the model may not use."""
        return Source.of(X, groups, list(self._fitted.columns))

    def _codings(self) -> tuple[Coding, ...]:
        """Terms of the fixed part; without a text every column is one."""
        check_is_fitted(self)
        return single_columns(self._fitted.fixed_names)

    def _as_compiled(
        self, X: Any, y: Any, sample_weight: Any, groups: Any
    ) -> tuple[Any, Any, Any, Any]:
        """What ``fit`` compiled: where columns are made by a command, those."""
        return X, y, sample_weight, groups

    @staticmethod
    def _row_index(X: Any, n_rows: int) -> pd.Index:
        """Labels of the rows: those of a pandas frame, else numbers."""
        return X.index if isinstance(X, pd.DataFrame) else pd.RangeIndex(n_rows)
