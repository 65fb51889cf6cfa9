"""Information criteria, of one fit or of several side by side."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from numbers import Real
from typing import Any

import pandas as pd

from ..exceptions import MixedModelWarning
from ._results import Results
from .likelihood_ratio._comparison import results_of

__all__ = ["compare_fits", "criteria_row", "information_criteria"]


def information_criteria(results: Results, n: Any = "observations") -> pd.Series:
    """AIC and BIC.

    See ``MixedLinearRegressor.information_criteria``.
    """
    size = _size(results, n)
    k = results.n_params
    return pd.Series(
        {
            "n": size,
            "log_likelihood": results.log_likelihood,
            "n_params": k,
            "aic": results.aic,
            "bic": -2.0 * results.log_likelihood + math.log(size) * k,
        },
        name="value",
    )


def _size(results: Results, n: Any) -> float:
    """N of BIC from what the user called it."""
    if isinstance(n, Real) and not isinstance(n, bool):
        if not 0 < float(n) < math.inf:
            raise ValueError(f"n must be positive, got {n!r}.")
        return float(n)
    if n == "observations":
        return float(results.n_obs)
    counts = {g.name: g.n_groups for g in results.groups}
    if n == "groups" and counts:
        return float(next(iter(counts.values())))
    if not isinstance(n, str) or n not in counts:
        raise ValueError(
            f"n must be 'observations', {'groups, ' if counts else ''}a level "
            f"({list(counts)}) or a number, got {n!r}."
        )
    return float(counts[n])


def criteria_row(results: Results, n: Any = "observations") -> dict[str, Any]:
    """A row of the tables that compare fits."""
    found = information_criteria(results, n)
    return {
        "n_obs": results.n_obs,
        "comparison_log_likelihood": results.comparison_log_likelihood,
        "log_likelihood": results.log_likelihood,
        "n_params": results.n_params,
        "aic": results.aic,
        "bic": float(found["bic"]),
        "converged": results.converged,
    }


def compare_fits(*models: Any, n: Any = "observations", **named: Any) -> pd.DataFrame:
    """Information criteria of several fits, the manual's ``estimates stats``.

    Parameters
    ----------
    *models : MixedLinearRegressor, Results or dict of these by name
        Fits without a name are numbered.
    n : {"observations", "groups"}, str or float, default="observations"
        N of BIC: observations, groups of the top level, groups of a level of this
        name, or a number.
    **named : MixedLinearRegressor or Results
        Fits by name.

    Returns
    -------
    DataFrame
        One row per fit in the order given: n_obs, comparison_log_likelihood
        (of linear regression with the same fixed part, where the manual's ll(null) is
        missing), log_likelihood, n_params (the manual's df), aic, bic, converged.

    Raises
    ------
    NotFittedError
        If an estimator is not fitted.
    ValueError
        If there are no fits, or two of one name.

    Warns
    -----
    MixedModelWarning
        If the criteria of these fits are not comparable: numbers of
        observations or responses differ, ML and REML are mixed, fixed parts differ under
        REML, or a likelihood is a pseudolikelihood.

    Notes
    -----
    AIC = -2 L + 2 k and BIC = -2 L + k log N with k parameters, fixed effects included
    under REML too.

    Examples
    --------
    >>> from sklearn_xmixed import MixedLinearRegressor, RandomEffects, compare_fits
    >>> from sklearn_xmixed.datasets import load_sleepstudy
    >>> X, y = load_sleepstudy(return_X_y=True)
    >>> a = MixedLinearRegressor("subject").fit(X, y)
    >>> b = MixedLinearRegressor(RandomEffects("subject", ["days"])).fit(X, y)
    >>> compare_fits(intercepts=a, slopes=b)[["n_obs", "n_params", "aic", "bic"]].round(1)
                n_obs  n_params     aic     bic
    intercepts    180         4  1802.1  1814.9
    slopes        180         5  1762.0  1778.0
    """
    fits: dict[str, Any] = {}
    unnamed = 0
    pairs: list[tuple[str, Any]] = []
    for model in models:
        if isinstance(model, Mapping):
            pairs += [(str(name), fit) for name, fit in model.items()]
            continue
        unnamed += 1
        pairs.append((str(unnamed), model))
    for name, model in [*pairs, *named.items()]:
        if name in fits:
            raise ValueError(f"Two fits are named {name!r}.")
        fits[name] = results_of(model, repr(name), "compare_fits")
    if not fits:
        raise ValueError("There are no fits to compare.")
    trouble = _not_comparable(fits)
    if trouble:
        warnings.warn(
            f"These criteria cannot be compared: {trouble}.",
            MixedModelWarning,
            stacklevel=2,
        )
    rows = [criteria_row(results, n) for results in fits.values()]
    return pd.DataFrame(rows, index=pd.Index(list(fits), dtype=object))


def _not_comparable(fits: Mapping[str, Results]) -> str:
    """Why criteria of some fits are not comparable; empty if they are."""

    def differ(of: Any) -> bool:
        return len({of(results) for results in fits.values()}) > 1

    def estimated(results: Results) -> frozenset[str]:
        return frozenset(results.fixed_names) - frozenset(results.omitted)

    if differ(lambda r: r.n_obs):
        counts = {name: results.n_obs for name, results in fits.items()}
        return f"the numbers of observations differ, {counts}"
    if differ(lambda r: r.target):
        names = sorted({results.target for results in fits.values()})
        return f"the responses are called {names}"
    if differ(lambda r: r.method):
        return "some fits are by ML and some by REML"
    if next(iter(fits.values())).method == "REML" and differ(estimated):
        return "restricted likelihoods of different fixed parts are of different data"
    pseudo = [name for name, results in fits.items() if results.pseudo]
    if pseudo and len(fits) > 1:
        return f"the likelihood of {', '.join(pseudo)} is a pseudolikelihood"
    return ""
