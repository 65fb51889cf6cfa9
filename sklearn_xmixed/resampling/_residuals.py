"""Several models of the same data side by side."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd
from sklearn.base import clone

from .._spec import Residuals
from ..exceptions import NotConvergedWarning
from ..inference import criteria_row

__all__ = ["compare_residuals"]


def compare_residuals(
    estimator: Any,
    candidates: Iterable[Residuals] | Mapping[str, Residuals],
    X: Any,
    y: Any,
    **fit_params: Any,
) -> pd.DataFrame:
    """Fit one model with several residual structures and tabulate AIC and BIC.

    Parameters
    ----------
    estimator : MixedLinearRegressor
        Is left as it is; its clones are fitted.
    candidates : iterable of Residuals, or dict of these by name
        Structures to fit in place of the estimator's; a list is named by the structures.
    X, y, **fit_params
        As for ``fit``.

    Returns
    -------
    DataFrame
        One row per structure, best AIC first: log_likelihood, n_params, aic, bic,
        converged.

    Examples
    --------
    >>> from sklearn_xmixed import MixedLinearRegressor, Residuals, compare_residuals
    >>> from sklearn_xmixed.datasets import load_sleepstudy
    >>> X, y = load_sleepstudy(return_X_y=True)
    >>> model = MixedLinearRegressor("subject", fixed=["days"])
    >>> table = compare_residuals(
    ...     model, [Residuals(), Residuals("ar", time="days"), Residuals("ma", time="days")],
    ...     X, y,
    ... )
    >>> table[["n_params", "aic"]].round(1)
                 n_params     aic
    AR(1)               5  1754.8
    MA(1)               5  1771.3
    Independent         4  1802.1
    """
    named: list[tuple[str | None, Residuals]]
    if isinstance(candidates, Mapping):
        named = list(candidates.items())
    else:
        named = [(None, spec) for spec in candidates]
    rows, names = [], []
    for name, spec in named:
        model = clone(estimator).set_params(residuals=clone(spec))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotConvergedWarning)  # it has a column
            model.fit(X, y, **fit_params)
        results = model.results_
        names.append(name or results.residual_label or "Independent")
        rows.append(criteria_row(results))
    columns = ["log_likelihood", "n_params", "aic", "bic", "converged"]
    table = pd.DataFrame(rows, index=pd.Index(names), columns=columns)
    return table.sort_values("aic")
