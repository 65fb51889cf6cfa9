"""Methods of a fitted model that say how far its estimates may be off."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from ..inference import check_level, coefficient_table
from ._base import FittedMethods

__all__ = ["IntervalMethods"]

METHODS = ("wald", "profile", "bootstrap")


class IntervalMethods(FittedMethods):
    """Confidence intervals of coefficients and variance parameters."""

    def confint(
        self,
        parm: Any = None,
        method: str = "wald",
        confidence_level: float = 0.95,
        *,
        X: Any = None,
        y: Any = None,
        sample_weight: Any = None,
        groups: Any = None,
        n_resamples: int = 500,
        random_state: Any = 0,
        n_jobs: int | None = None,
    ) -> pd.DataFrame:
        """Confidence intervals of coefficients, standard deviations and correlations.

        Parameters
        ----------
        parm : str, (equation, term) or list of these, default=None
            Coefficients by their names, ``"_cons"`` the constant; other parameters as in
            ``results_.variance_frame("sd")``, such as ``("subject", "sd(days)")``.  None
            takes all.
        method : {"wald", "profile", "bootstrap"}, default="wald"
            From standard errors, those of variances on the log scale; from the profile
            of the likelihood; or percentiles of the parametric bootstrap.
        confidence_level : float, default=0.95
            Of the intervals, between 0 and 1.
        X, y, sample_weight, groups : default=None
            Exactly what was passed to ``fit``, for "profile" and "bootstrap"; a fitted
            model keeps no rows.
        n_resamples : int, default=500
            Of the bootstrap.
        random_state : int, numpy Generator or RandomState, default=0
            Of the bootstrap.
        n_jobs : int, default=None
            Processes for the bootstrap, as joblib has it.

        Returns
        -------
        DataFrame
            Index (equation, term): (response, coefficient), then (level, parameter);
            columns ci_lower and ci_upper.

        Raises
        ------
        ValueError
            On an unknown method or parameter, without the data where they are needed,
            and for profiles of coefficients under REML.
        NotImplementedError
            Where there is no profile of a parameter: see ``diagnostics.profile``.

        See Also
        --------
        bootstrap : Other kinds of the bootstrap and of its intervals.

        Notes
        -----
        Wald intervals of coefficients have the degrees of freedom of ``df_method``.  A
        profile interval ends at zero where a variance may be zero; Wald intervals of
        variances never do.

        Examples
        --------
        >>> from sklearn_xmixed import MixedLinearRegressor
        >>> from sklearn_xmixed.datasets import load_sleepstudy
        >>> X, y = load_sleepstudy(return_X_y=True)
        >>> model = MixedLinearRegressor("subject").fit(X, y)
        >>> sd = ("subject", "sd(_cons)")
        >>> model.confint(["days", sd]).round(2).to_numpy().tolist()
        [[8.9, 12.04], [25.36, 51.14]]
        >>> model.confint(["days", sd], "profile", X=X, y=y).round(2).to_numpy().tolist()
        [[8.89, 12.05], [26.01, 52.94]]
        """
        results, level = self._results(), check_level(confidence_level)
        if method not in METHODS:
            raise ValueError(f"method must be one of {list(METHODS)}, got {method!r}.")
        if method != "wald" and X is None:
            raise ValueError(
                f"confint(method={method!r}) needs the data, X and y, and got none. Pass "
                "exactly what was passed to fit; a fitted model keeps no rows."
            )
        table = results.to_frame("sd", level)[["ci_lower", "ci_upper"]]
        asked = self._asked(parm, table.index)
        if method == "wald":
            fixed = coefficient_table(results, self._fitted.reference(None), level)
            ends = fixed[["ci_lower", "ci_upper"]].to_numpy()
            table.iloc[: len(ends)] = ends
            return table.loc[asked]
        if method == "bootstrap":
            from ..resampling import bootstrap

            drawn = bootstrap(
                self,
                X,
                y,
                groups=groups,
                sample_weight=sample_weight,
                kind="parametric",
                n_resamples=n_resamples,
                random_state=random_state,
                n_jobs=n_jobs,
            )
            return drawn.interval("percentile", level).loc[asked]
        from ..diagnostics import profile

        omitted = [(results.target, name) for name in results.omitted]
        rows = []
        for number, key in zip(table.index.get_indexer(asked), asked, strict=True):
            if key in omitted:
                rows.append((np.nan, np.nan))
                continue
            name = key[1] if number < len(results.beta) else key
            found = profile(self, X, y, name, sample_weight, groups=groups)
            rows.append(found.interval(level))
        return pd.DataFrame(rows, index=asked, columns=table.columns)

    def _asked(self, parm: Any, index: pd.Index) -> pd.MultiIndex:
        """Rows of the table, in the order asked for."""
        if parm is None:
            return pd.MultiIndex.from_tuples(list(index), names=index.names)
        single = isinstance(parm, str) or (
            isinstance(parm, tuple) and parm in list(index)
        )
        wanted: Sequence[Any] = [parm] if single else list(parm)
        target, known = index[0][0] if len(index) else "", list(index)
        found = [(target, p) if isinstance(p, str) else tuple(p) for p in wanted]
        unknown = [p for p, key in zip(wanted, found, strict=True) if key not in known]
        if unknown or not found:
            n = len(self._results().beta)
            raise ValueError(
                f"parm must name coefficients, {[t for _, t in known[:n]]}, or other "
                f"parameters, {known[n:]}; got {unknown[0] if unknown else parm!r}."
            )
        return pd.MultiIndex.from_tuples(found, names=index.names)
