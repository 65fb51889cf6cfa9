"""Methods of a fitted model that judge it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sklearn.utils.validation import check_is_fitted

from ._base import FittedMethods

if TYPE_CHECKING:
    from ..diagnostics import Diagnosis, Influence

__all__ = ["DiagnosticMethods"]


class DiagnosticMethods(FittedMethods):
    """Influence, and what may be wrong."""

    def influence(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        groups: Any = None,
        level: str | None = None,
    ) -> Influence:
        """Leverage, Cook's distance and estimates without each group or row.

        From this one fit: coefficients are exact at its variance parameters, variance
        parameters take one Newton step.

        Parameters
        ----------
        X, y, sample_weight, groups
            Exactly what was passed to ``fit``; a fitted model keeps no rows.
        level : str, default=None
            Level whose groups are taken away, or the variable of a crossed factor; None
            is the top level.

        Returns
        -------
        Influence
            Its tables ``group_table``, ``rows``, ``coef``, ``dfbetas``,
            ``variance_components`` and so on are computed when asked for.

        Raises
        ------
        ValueError
            On an unknown level, and if the data are not those of the fit.

        Examples
        --------
        >>> from sklearn_xmixed import MixedLinearRegressor
        >>> from sklearn_xmixed.datasets import load_orthodont
        >>> X, y = load_orthodont(return_X_y=True)
        >>> model = MixedLinearRegressor("subject", fixed=["age"]).fit(X, y)
        >>> model.influence(X, y).group_table["cooks_distance"].idxmax()
        'M13'
        """
        from ..diagnostics import Influence

        check_is_fitted(self)
        return Influence.of(self, X, y, sample_weight, groups, level)

    def diagnose(
        self,
        X: Any = None,
        y: Any = None,
        sample_weight: Any = None,
        *,
        groups: Any = None,
    ) -> Diagnosis:
        """Say in plain words what is wrong or fragile, and propose a simpler model.

        Parameters
        ----------
        X, y, sample_weight, groups : default=None
            What was passed to ``fit``, for the checks that need the rows: sizes of
            groups, columns that are constant within groups, influence, outliers.

        Returns
        -------
        Diagnosis
            Prints as text and as HTML; has ``findings``, ``to_frame()``, and the
            simplified model as ``model`` and as ``code``.

        Examples
        --------
        >>> from sklearn_xmixed import MixedLinearRegressor, RandomEffects
        >>> from sklearn_xmixed.datasets import load_orthodont
        >>> X, y = load_orthodont(return_X_y=True)
        >>> model = MixedLinearRegressor(
        ...     RandomEffects("subject", ["age"]), fixed=["age"], method="reml"
        ... ).fit(X, y)
        >>> print(model.diagnose().findings)
        ()
        """
        from ..diagnostics import diagnose

        check_is_fitted(self)
        return diagnose(self, X, y, sample_weight, groups=groups)
