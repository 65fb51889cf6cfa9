"""Correlation within groups by lag: observed, and as the model has it.

Marginal residuals are divided by the standard deviations that the model gives them, and
products of pairs of rows of a group are averaged by their distance in time.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from .samples import Sample, sample_of

__all__ = ["within_correlation"]

Array = np.ndarray

#: more distinct lags than this are put into bins
LAGS = 15


def within_correlation(
    estimator: Any,
    X: Any,
    y: Any,
    *,
    groups: Any = None,
    level: str | None = None,
    time: str | None = None,
    n_bins: int = 12,
) -> pd.DataFrame:
    """Observed and implied correlation of the response within groups, by lag.

    Parameters
    ----------
    estimator : MixedLinearRegressor
        Fitted.
    X, y, groups
        Exactly what was passed to ``fit``.
    level : str, default=None
        Level within whose groups pairs are formed; None is the lowest.
    time : str, default=None
        Variable that lags are measured in, occasions with names by their order; None is
        that of the residual structure, or else the place of a row within its group.
    n_bins : int, default=12
        With more than 15 distinct lags, bins with equal numbers of pairs.

    Returns
    -------
    DataFrame
        One row per lag: ``lag`` (mean), ``n_pairs``, ``observed``, ``std_error``
        (groups independent of one another), ``implied``.

    Raises
    ------
    ValueError
        On unknown names, without groups, and where no group has two rows.

    Notes
    -----
    With z the marginal residuals over their model-implied standard deviations,
    ``observed`` is the mean of z_i z_j over the pairs of a lag divided by that of
    (z_i^2 + z_j^2) / 2, ``implied`` the mean of V_ij / (V_ii V_jj)^1/2.
    """
    sample = sample_of(estimator, X, y, None, groups)
    sample.fitted.posterior.require("lags")
    names = sample.level_names
    if not names:
        raise ValueError("The model has no groups to look within.")
    level = names[-1] if level is None else level
    if level not in names:
        raise ValueError(f"level must be one of {names}, got {level!r}.")
    codes = sample.codes[names.index(level)]
    t = _times(sample, estimator, X, groups, codes, time)
    order = np.lexsort((t, codes))
    codes, t = codes[order], t[order]
    sd = sample.standard_deviations()[order]
    z = sample.W[order, -1] / (sd * np.sqrt(sample.fitted.sigma2))
    lags, first, second = [], [], []
    longest = int(np.bincount(codes).max())
    for k in range(1, longest):  # pairs k places apart, in all groups at once
        i = np.flatnonzero(codes[k:] == codes[:-k])
        first.append(i)
        second.append(i + k)
    if not first or not sum(map(len, first)):
        raise ValueError(f"No group of {level!r} has two observations.")
    i, j = np.concatenate(first), np.concatenate(second)
    lags = np.round(t[j] - t[i], 12)
    bins, number = _bins(lags, n_bins)
    product, square = z[i] * z[j], 0.5 * (z[i] ** 2 + z[j] ** 2)
    implied = sample.covariances(order[i], order[j]) / (sd[i] * sd[j])
    count = np.bincount(bins, minlength=number)

    def mean(values: Array) -> Array:
        return np.bincount(bins, values, minlength=number) / count

    scale = mean(square)
    observed = mean(product) / scale
    # variance of a ratio of groups' sums
    n_groups = int(codes.max()) + 1
    left = (product - observed[bins] * square) / scale[bins]
    cells = np.bincount(bins * n_groups + codes[i], left, minlength=number * n_groups)
    sums = cells.reshape(number, n_groups)
    some = np.bincount(bins * n_groups + codes[i], minlength=number * n_groups)
    used = (some.reshape(number, n_groups) > 0).sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        small = np.where(used > 1, used / (used - 1.0), np.nan)
        std_error = np.sqrt(small * (sums**2).sum(axis=1)) / count
    return pd.DataFrame(
        {
            "lag": mean(lags),
            "n_pairs": count,
            "observed": observed,
            "std_error": std_error,
            "implied": mean(implied),
        }
    )


def _times(
    sample: Sample, estimator: Any, X: Any, groups: Any, codes: Array, time: str | None
) -> Array:
    own = sample.times
    spec = estimator.results_.specification
    if own is not None and time in (None, spec.residual_time):
        return own
    if time is None:
        start = np.searchsorted(codes, np.arange(codes.max() + 1))
        # rows in the order in which they were passed
        by = np.lexsort((sample.order, codes))
        place = np.empty(len(codes))
        place[by] = np.arange(len(codes)) - start[codes[by]]
        return place
    source = estimator._named(X, groups)
    values = source.column(time)
    if values is None:
        raise ValueError(f"time names no column: {time!r}. {source.describe()}")
    try:
        return np.asarray(values, dtype=float)[sample.order]
    except (TypeError, ValueError):
        raise ValueError(
            f"Lags are differences of numbers, and time={time!r} holds "
            f"{np.asarray(values, dtype=object)[0]!r} in row 0. Number these times."
        ) from None


def _bins(lags: Array, n_bins: int) -> tuple[Array, int]:
    distinct, bins = np.unique(lags, return_inverse=True)
    if len(distinct) <= LAGS:
        return bins, len(distinct)
    cuts = np.unique(np.quantile(lags, np.linspace(0.0, 1.0, n_bins + 1))[1:-1])
    bins = np.searchsorted(cuts, lags, side="left")
    _, bins = np.unique(bins, return_inverse=True)
    return bins, int(bins.max()) + 1
