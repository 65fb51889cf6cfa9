"""Methods of a fitted model that tabulate its estimates."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
from sklearn.utils.validation import check_is_fitted

from ..inference import check_level
from ._base import FittedMethods

if TYPE_CHECKING:
    from ..reporting import Summary

__all__ = ["TableMethods"]


class TableMethods(FittedMethods):
    """Summaries and tables of the estimates."""

    def summary(
        self,
        *,
        metric: str = "sd",
        confidence_level: float = 0.95,
        header: bool = True,
        group_table: bool = True,
        fixed_table: bool = True,
        random_table: bool = True,
        lr_test: bool = True,
        cformat: str = "%9.0g",
        pformat: str = "%5.3f",
        sformat: str = "%8.2f",
        coef_legend: bool = False,
        omitted: bool = True,
        width: int = 78,
        df: str | None = None,
    ) -> Summary:
        """Output of the fit, arranged as in the manual.

        Parameters
        ----------
        metric : {"sd", "variance", "estimation"}, default="sd"
            Variance parameters as standard deviations and correlations, variances and
            covariances, or log standard deviations and atanh correlations.
        confidence_level : float, default=0.95
            Of the intervals, between 0 and 1.
        header, group_table, fixed_table, random_table, lr_test : bool, default=True
            Which parts to show.
        cformat, pformat, sformat : str, default="%9.0g", "%5.3f", "%8.2f"
            Formats of estimates, p-values and test statistics.
        coef_legend : bool, default=False
            Whether to show the names of the estimates in expressions instead of
            statistics.
        omitted : bool, default=True
            Whether to list collinear columns that were left out.
        width : int, default=78
            Characters per line of the text.
        df : str, default=None
            Degrees of freedom for small samples: a method as of ``df_method`` in the
            constructor, which is the default; "asymptotic" is the large sample.

        Returns
        -------
        Summary
            Prints as text; shows as a table in notebooks.

        Raises
        ------
        ValueError
            If an option is out of its range.

        Examples
        --------
        >>> from sklearn_xmixed import MixedLinearRegressor
        >>> from sklearn_xmixed.datasets import load_sleepstudy
        >>> X, y = load_sleepstudy(return_X_y=True)
        >>> model = MixedLinearRegressor("subject").fit(X, y)
        >>> print(model.summary(header=False, random_table=False, lr_test=False,
        ...                     cformat=".2f", confidence_level=0.9))
        ------------------------------------------------------------------------------
            reaction |      Coef.   Std. Err.      z    P>|z|     [90% Conf. Interval]
        -------------+----------------------------------------------------------------
                days |      10.47       0.80    13.06   0.000         9.15       11.79
               _cons |     251.41       9.51    26.45   0.000       235.77      267.04
        ------------------------------------------------------------------------------
        """
        from ..reporting import Summary

        results = self._results()
        return Summary(
            results,
            metric=metric,
            confidence_level=confidence_level,
            header=header,
            group_table=group_table,
            fixed_table=fixed_table,
            random_table=random_table,
            lr_test=lr_test,
            cformat=cformat,
            pformat=pformat,
            sformat=sformat,
            coef_legend=coef_legend,
            omitted=omitted,
            width=width,
            reference=self._fitted.reference(df),
        )

    def coef_table(
        self,
        confidence_level: float = 0.95,
        *,
        df: str | None = None,
        adjust: str | None = None,
    ) -> pd.DataFrame:
        """Fixed effects with standard errors, z tests and intervals.

        Parameters
        ----------
        confidence_level : float, default=0.95
            Of the intervals, between 0 and 1.
        df : str, default=None
            Degrees of freedom for small samples: a method as of ``df_method`` in the
            constructor, which is the default; "asymptotic" is the large sample.
        adjust : {None, "fdr", "holm", "bonferroni"}, default=None
            Of a fit to several responses: a further column, p_adjusted, with each
            coefficient's p-values adjusted for their number: Benjamini and Hochberg's
            false discovery rate, Holm's or Bonferroni's method.

        Returns
        -------
        DataFrame
            Index: ``fixed_names_``, then ``_cons``; columns: estimate, std_error, z,
            p_value, ci_lower, ci_upper.  With degrees of freedom for small samples t
            and df stand in place of z, and Kenward and Roger's standard errors are
            adjusted.  Of a fit to several responses the response is the first index level.

        Raises
        ------
        ValueError
            If the confidence level does not lie between 0 and 1, or there is no such
            method or it is not defined for this fit.

        Examples
        --------
        >>> from sklearn_xmixed import MixedLinearRegressor, RandomEffects
        >>> from sklearn_xmixed.datasets import load_sleepstudy
        >>> X, y = load_sleepstudy(return_X_y=True)
        >>> effects = RandomEffects("subject", ["days"], covariance="unstructured")
        >>> model = MixedLinearRegressor(effects, method="reml").fit(X, y)
        >>> model.coef_table(df="kenward-roger")[["std_error", "t", "df"]].round(2)
               std_error      t    df
        days        1.55   6.77  17.0
        _cons       6.82  36.84  17.0
        """
        check_is_fitted(self)
        level = check_level(confidence_level)
        return self._fitted.coef_table(level, df, adjust)

    def vcov(self) -> pd.DataFrame:
        """Covariance matrix of all estimates, variance parameters as log sd and atanh.

        Returns
        -------
        DataFrame
            Rows and columns: (response, coefficient), then (level, parameter).
        """
        return self._results().vcov
