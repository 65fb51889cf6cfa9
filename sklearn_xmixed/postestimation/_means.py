"""Methods of a fitted model about means of its fixed part."""

from __future__ import annotations

from typing import Any

from ..inference import Reference, check_level
from ..means import (
    Asymptotic,
    FixedPart,
    MarginalMeans,
    marginal_means,
    marginal_trends,
)
from ._base import FittedMethods

__all__ = ["MeansMethods"]


class MeansMethods(FittedMethods):
    """Marginal means and trends."""

    def _reference(self, df: str | None) -> Reference:
        """What tests are referred to: a method's t and F, or the normal distribution."""
        results = self._results()
        return self._fitted.reference(df) or Asymptotic(results.beta_vcov)

    def _fixed_part(self, df: str | None) -> FixedPart:
        results = self._results()
        return FixedPart(
            tuple(results.fixed_names),
            results.beta,
            self._reference(df),
            self._fitted.relations,
            self._response_text(),
            self._fitted.offset_mean,
        )

    def marginal_means(
        self,
        specs: Any,
        by: Any = None,
        at: Any = None,
        weights: str = "equal",
        df: str | None = None,
        confidence_level: float = 0.95,
    ) -> MarginalMeans:
        """Means of the fixed part by levels of factors (least-squares means).

        The reference grid has all combinations of the factors' levels, covariates at
        their means; a marginal mean is an average of the fixed part's predictions on
        it.

        Parameters
        ----------
        specs : str or list of str
            Variables whose levels the means are of.  A covariate has the values in
            ``at``, or its mean.  An empty list gives the mean of all.
        by : str or list of str, default=None
            Variables within whose levels means are shown and compared.
        at : dict or DataFrame, default=None
            Values of covariates and levels of factors, one or a list, such as
            ``{"age": [20, 30]}``; with several values of a variable that is in neither
            ``specs`` nor ``by`` means are averaged over them.  Or a frame with the rows
            of a reference grid: means average over its rows.
        weights : {"equal", "proportional", "outer", "cells", "observed"}, default="equal"
            How factors are averaged over: all combinations alike; in proportion to their
            frequencies in the data ("outer": to the product of the frequencies of each
            factor alone); in proportion to the frequencies of the cells that are
            averaged.  "observed" averages over the observed rows, every variable
            but ``specs``, ``by`` and ``at`` as it was observed (what is elsewhere
            called predictive margins); over those of a frame in ``at``.
        df : str, default=None
            Method of the degrees of freedom, such as "kenward-roger"; None takes
            ``df_method``, and without it the normal distribution.
        confidence_level : float, default=0.95
            Of the intervals, between 0 and 1.

        Returns
        -------
        MarginalMeans
            With ``table``, ``L``, ``vcov``, ``contrasts``, ``pairs``, ``letters``,
            ``back_transform`` and ``plot``.

        Raises
        ------
        ValueError
            On variables, levels, weights and methods that are none.

        Notes
        -----
        Models that were written as a formula or a command know their factors, and so do
        those with ``categorical="treatment"``.  All other columns are covariates: give
        values in ``at``; columns that are products of others need a frame.  Frequencies
        are sums of ``sample_weight``, but for precision weights, which count nothing.  An
        offset is held at its mean.

        Where a combination of levels did not occur, or columns are collinear, some means
        cannot be estimated: they are nan, and the output says which.  Where every level
        of one factor occurs within a single level of another, the grid has the
        combinations that exist, and means over the inner factor are taken within the
        outer one first.

        Examples
        --------
        >>> from sklearn_xmixed import from_formula
        >>> from sklearn_xmixed.datasets import load_orthodont
        >>> data = load_orthodont().frame
        >>> model = from_formula("distance ~ sex * age + (1 | subject)", data)
        >>> means = model.marginal_means("sex", at={"age": [8, 14]}, by="age")
        >>> means.table[["estimate", "std_error"]].round(2)
                    estimate  std_error
        age sex
        8   Female     21.21       0.63
            Male       22.62       0.52
        14  Female     24.09       0.63
            Male       27.32       0.52
        >>> means.pairs().table["estimate"].round(2).tolist()
        [-1.41, -3.24]
        """
        part = self._fixed_part(df)
        return marginal_means(
            part,
            self._fixed_variables(),
            self._fixed_rows,
            specs,
            by,
            (at, weights),
            check_level(confidence_level),
        )

    def marginal_trends(
        self,
        specs: Any,
        var: str,
        by: Any = None,
        at: Any = None,
        weights: str = "equal",
        df: str | None = None,
        confidence_level: float = 0.95,
    ) -> MarginalMeans:
        """Slopes of a covariate by levels of factors.

        Parameters
        ----------
        specs : str or list of str
            Variables whose levels the slopes are of; an empty list gives one slope.
        var : str
            The covariate.  With powers, splines and other functions of it the slope is
            that at its mean, or at its values in ``at``.
        by, at, weights, df, confidence_level
            As of ``marginal_means``.

        Returns
        -------
        MarginalMeans
            Of slopes: ``contrasts`` compare them.

        Raises
        ------
        ValueError
            If ``var`` is no covariate, and as by ``marginal_means``.

        Examples
        --------
        >>> from sklearn_xmixed import from_formula
        >>> from sklearn_xmixed.datasets import load_orthodont
        >>> data = load_orthodont().frame
        >>> model = from_formula("distance ~ sex * age + (age | subject)", data)
        >>> trends = model.marginal_trends("sex", "age")
        >>> trends.table["estimate"].round(3).to_dict()
        {'Female': 0.48, 'Male': 0.784}
        >>> trends.pairs().table[["estimate", "p_value"]].round(3)
                       estimate  p_value
        contrast
        Female - Male    -0.305    0.019
        """
        part = self._fixed_part(df)
        return marginal_trends(
            part,
            self._fixed_variables(),
            self._fixed_rows,
            (specs, by),
            var,
            (at, weights),
            check_level(confidence_level),
        )
