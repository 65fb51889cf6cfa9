"""Methods of a fitted model that tabulate its estimates."""

from __future__ import annotations

from typing import Any

import pandas as pd

from ..inference import check_level
from ._base import FittedMethods

__all__ = ["TableMethods"]


class TableMethods(FittedMethods):
    """Summaries and tables of the estimates."""

    def summary(self, **options: Any) -> Any:
        """Output of the fit, arranged as in the manual.

        Parameters
        ----------
        **options : dict
            ``metric`` ("sd", "variance" or "estimation"), ``confidence_level``,
            and the switches ``header``, ``group_table``, ``fixed_table``,
            ``random_table``, ``lr_test``.

        Returns
        -------
        Summary
            Prints as text; shows as a table in notebooks.
        """
        from ..reporting import Summary

        return Summary(self._results(), **options)

    def coef_table(self, confidence_level: float = 0.95) -> pd.DataFrame:
        """Fixed effects with standard errors, z tests and intervals.

        Parameters
        ----------
        confidence_level : float, default=0.95

        Returns
        -------
        DataFrame
            Index: ``fixed_names_``, then ``_cons``; columns: estimate, std_error, z,
            p_value, ci_lower, ci_upper.
        """
        results = self._results()
        return results.fixed_table(check_level(confidence_level))

    def vcov(self) -> pd.DataFrame:
        """Covariance matrix of all estimates, variance parameters as log sd and atanh.

        Returns
        -------
        DataFrame
            Rows and columns: (response, coefficient), then (level, parameter).
        """
        return self._results().vcov
