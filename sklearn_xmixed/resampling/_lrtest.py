"""Likelihood-ratio test of two fits."""

from __future__ import annotations

from dataclasses import replace
from numbers import Integral
from typing import Any

import numpy as np
import pandas as pd

from ..inference import (
    ASSUMED,
    Border,
    LikelihoodRatio,
    chi_bar_square,
    compare_likelihoods,
    in_order,
)
from ._bootstrap import check_choice, seeds_of
from ._exact import Spectrum, effect_columns
from ._likelihoods import bootstrap_statistics
from ._pair import Pair
from ._refit import failures_of

__all__ = ["lrtest"]

METHODS = ("asymptotic", "exact", "bootstrap")
#: draws where a draw is a few random numbers, and where it is two fits
MANY, SOME = 10_000, 1_000

GREVEN = (
    "Note: The finite-sample distribution is that of the model with the tested variance "
    "as its only one; the others count as known."
)


def lrtest(
    larger: Any,
    smaller: Any,
    X: Any = None,
    y: Any = None,
    *,
    method: str = "asymptotic",
    groups: Any = None,
    sample_weight: Any = None,
    n_resamples: int | None = None,
    random_state: Any = 0,
    n_jobs: int | None = None,
) -> LikelihoodRatio:
    """Likelihood-ratio test of a model against one nested in it.

    Parameters
    ----------
    larger, smaller : MixedLinearRegressor
        Two fitted estimators, or their ``results_``, of the same observations.  They
        may come in either order: the one with more parameters is the larger.
        That the other is nested in it is assumed, as far as it cannot be checked.
    X, y, groups, sample_weight : default=None
        Exactly what was passed to ``fit``; a fitted model keeps no rows.  Needed by
        "exact" and "bootstrap", and by "asymptotic" where several variances, or a
        variance and its covariances, are zero under the null hypothesis.  y may be left
        out where a formula or command names it.
    method : {"asymptotic", "exact", "bootstrap"}, default="asymptotic"
        Distribution of the statistic under the null hypothesis:

        - asymptotic: chi-square, or the mixture of chi-squares that holds where
          variances are zero (Self and Liang 1987);
        - exact: that of the sample at hand, where one variance (and, under ML, any
          coefficients) is zero, drawn from the spectrum of the design without a fit
          (Crainiceanu and Ruppert 2004);
        - bootstrap: both models fitted to responses that are drawn from the smaller.
    n_resamples : int, default=None
        Size of the simulation; None is 10000, with "bootstrap" 1000.
    random_state : int, numpy Generator or RandomState, default=0
        Draws it.
    n_jobs : int, default=None
        Processes for the bootstrap, as joblib has it.

    Returns
    -------
    LikelihoodRatio
        With ``chi2``, ``df``, ``p_value``, ``kind``, ``note``, ``weights`` and
        ``n_resamples``.

    Raises
    ------
    NotFittedError
        If an estimator is not fitted.
    TypeError
        If X is given with results instead of estimators.
    ValueError
        If the models have the same number of parameters, other observations or
        responses, other methods, under REML other fixed parts, if the smaller model
        has the larger likelihood, or if one has but a pseudolikelihood; if X and y are
        needed and missing or not those of the fit; if "exact" is not defined for
        this pair.

    Warns
    -----
    ResamplingWarning
        If fits of the bootstrap failed; they are left out.

    Notes
    -----
    Where the smaller model sets exactly one variance of the random effects to zero
    and is otherwise the same, the null hypothesis is on the boundary of
    the parameter space, and the statistic is an even mixture of chi2(0) and chi2(1):
    ``kind`` is "chibar2(01)" and the p-value half the tail of chi2(1).  This is
    more accurate than the chi2(1) of the manual's ``lrtest``, which leaves it to the
    user to find out.

    Where it sets more than that to zero, and X and y are given, ``kind`` is "chibar2":
    the statistic is the squared length of a normal vector's projection on the cone of
    the covariance matrices of these effects, in the metric of the expected information
    at the smaller model's estimates.  ``weights`` are those of chi2(0), chi2(1), ...
    One variance with k covariances has chi2(k) and chi2(k + 1) evenly.

    In all other cases ``kind`` is "chi2"; where the numbers of
    variances differ, ``note`` says that the test is conservative if variances are zero
    under the null hypothesis, and right if they are equal.  ``note`` also says if the
    smaller model names columns or groupings that the larger has not; whether it is nested
    in it all the same is for the user to know.

    "exact" is exact with one variance besides that of the residuals.  With others, which
    is possible under REML, they count as known (Greven, Crainiceanu, Kuechenhoff and
    Peters 2008), and ``note`` says so.  A simulated p-value is (1 + k) / (1 + n), k the
    number of simulated statistics that reach the observed one.

    Examples
    --------
    >>> from sklearn_xmixed import MixedLinearRegressor, RandomEffects, lrtest
    >>> from sklearn_xmixed.datasets import load_sleepstudy
    >>> X, y = load_sleepstudy(return_X_y=True)
    >>> intercepts = MixedLinearRegressor("subject").fit(X, y)
    >>> slopes = MixedLinearRegressor(RandomEffects("subject", ["days"])).fit(X, y)
    >>> print(lrtest(slopes, intercepts))
    LR chibar2(01) = 42.08   Prob >= chibar2 = 0.0000
    >>> linear = MixedLinearRegressor(fixed=["days"]).fit(X, y)
    >>> test = lrtest(slopes, linear, X, y)
    >>> test.kind, test.df, [round(w, 2) for w in test.weights]
    ('chibar2', 2, [0.37, 0.5, 0.13])
    """
    check_choice(method, METHODS, "method")
    if n_resamples is None:
        n_resamples = SOME if method == "bootstrap" else MANY
    if not isinstance(n_resamples, Integral) or n_resamples < 1:
        raise ValueError(
            f"n_resamples must be an integer that is at least 1, got {n_resamples!r}."
        )
    in_order(larger, smaller)
    if X is None and method != "asymptotic":
        raise ValueError(
            f"lrtest(method={method!r}) needs the data, X and y, and got none. Pass "
            "exactly what was passed to fit; a fitted model keeps no rows."
        )
    test = compare_likelihoods(larger, smaller)
    if X is None:
        return test
    pair = Pair.of(larger, smaller, X, y, groups, sample_weight)
    seeds = seeds_of(random_state, int(n_resamples) if method == "bootstrap" else 1)
    if method == "asymptotic":
        return _asymptotic(test, pair, int(n_resamples), seeds[0])
    if method == "exact":
        return _exact(test, pair, int(n_resamples), seeds[0])
    statistics, reasons = bootstrap_statistics(pair, seeds, n_jobs)
    failures_of(reasons, pd.RangeIndex(len(reasons)))
    return _simulated(test, statistics[~np.isnan(statistics)], "bootstrap")


def _asymptotic(
    test: LikelihoodRatio, pair: Pair, n_draws: int, seed: np.random.SeedSequence
) -> LikelihoodRatio:
    """With the weights of the mixture, where the names show what is zero."""
    border = None if test.kind != "chi2" else pair.border()
    if border is None or not border.new or pair.structured or pair.weighted:
        return test
    cone = pair.cone(border)
    p_value, weights = chi_bar_square(
        test.chi2, cone, border.n_free, n_draws, np.random.default_rng(seed)
    )
    return replace(
        test,
        p_value=p_value,
        kind="chibar2",
        note=_without(test.note, ASSUMED),
        weights=weights,
        n_resamples=n_draws if cone.dim > 1 else 0,
    )


def _exact(
    test: LikelihoodRatio, pair: Pair, n_draws: int, seed: np.random.SeedSequence
) -> LikelihoodRatio:
    """By the spectrum of the columns whose variance is tested."""
    border, reml = pair.border(), pair.larger._fitted.reml
    _check_exact(border, pair)
    assert border is not None
    tested = border.one_variance
    assert tested is not None
    design = pair.designs[0].design
    Z = effect_columns(design, design.equations[tested.equation], tested.which)
    statistics = Spectrum.of(design, Z).draw(
        n_draws,
        np.random.default_rng(seed),
        reml=reml,
        n_coefficients=border.n_coefficients,
    )
    found = _simulated(test, statistics, "exact")
    if pair.designs[1].design.equations:
        found = replace(found, note="\n".join(filter(None, [found.note, GREVEN])))
    return found


def _check_exact(border: Border | None, pair: Pair) -> None:
    """Raise where the finite-sample distribution is not known."""
    why = ""
    if pair.weighted:
        why = "rows or groups have weights"
    elif pair.structured:
        why = "the residuals have a structure"
    elif border is None or border.one_variance is None:
        why = "more than one variance, or something else than a variance, is tested"
    elif pair.designs[1].design.equations and not pair.larger._fitted.reml:
        why = "the smaller model has random effects and the method is ML"
    if why:
        raise ValueError(
            f"method='exact' is not defined here: {why}. It takes one variance that is "
            "zero in the smaller model, without weights and residual structure, and under "
            "ML no other random effects. Use method='bootstrap', or 'asymptotic'."
        )


def _simulated(test: LikelihoodRatio, draws: np.ndarray, kind: str) -> LikelihoodRatio:
    # a statistic of zero is reached by all, whatever rounding says
    reached = int((draws >= test.chi2 - 1e-8).sum())
    return replace(
        test,
        p_value=(1 + reached) / (1 + len(draws)),
        kind=kind,
        note=_without(test.note, ASSUMED),
        n_resamples=len(draws),
    )


def _without(note: str, part: str) -> str:
    return "\n".join(line for line in note.split("\n") if line != part)
