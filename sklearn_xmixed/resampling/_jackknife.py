"""The jackknife: one independent group left out at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from ..inference import check_level
from ._jackknife_result import JackknifeResult
from ._refit import Weights, failures_of, replicate
from ._sample import METRICS, Sample, Statistic, values_of

__all__ = ["jackknife", "leave_one_out"]

Array = np.ndarray


def jackknife(
    estimator: Any,
    X: Any,
    y: Any = None,
    *,
    groups: Any = None,
    sample_weight: Any = None,
    statistic: Statistic | None = None,
    metric: str = "sd",
    confidence_level: float = 0.95,
    n_jobs: int | None = None,
) -> JackknifeResult:
    """Jackknife standard errors: each top-level group is left out once.

    With ``cluster=`` the clusters are left out, without random effects the rows.

    Parameters
    ----------
    estimator, X, y, groups, sample_weight, statistic, metric, confidence_level, n_jobs
        As for ``bootstrap``.

    Returns
    -------
    JackknifeResult
        Prints as a table; has ``estimate``, ``bias``, ``std_error``,
        ``pseudovalues``, ``replicates`` (by the group left out), ``covariance()``,
        ``to_frame()`` and ``failures``.

    Warns
    -----
    ResamplingWarning
        If fits without a group failed.

    Examples
    --------
    >>> from sklearn_xmixed import MixedLinearRegressor, jackknife
    >>> from sklearn_xmixed.datasets import load_sleepstudy
    >>> X, y = load_sleepstudy(return_X_y=True)
    >>> result = jackknife(MixedLinearRegressor("subject"), X, y)
    >>> print(f'{result.std_error[("reaction", "days")]:.3f}')
    1.546
    """
    if metric not in METRICS:
        raise ValueError(f"metric must be one of {list(METRICS)}, got {metric!r}.")
    level = check_level(confidence_level)
    sample = Sample.of(estimator, X, y, groups, sample_weight)
    codes, labels, unit = sample.units()
    observed = sample.fit(lr_test=False)
    estimate = values_of(observed, statistic, metric)
    replicates, failures = leave_one_out(
        Weights(sample, codes, len(labels), unit),
        labels,
        observed,
        estimate,
        statistic,
        metric,
        n_jobs,
    )
    n_obs = observed.results_.n_obs
    return JackknifeResult(
        estimate, replicates, failures, n_obs, len(labels), unit, level
    )


def leave_one_out(
    plan: Weights,
    labels: Any,
    observed: Any,
    estimate: pd.Series,
    statistic: Statistic | None,
    metric: str,
    n_jobs: int | None,
) -> tuple[pd.DataFrame, pd.Series]:
    """Statistics without each unit in turn, and reasons for those that failed."""
    G = len(labels)
    values, reasons = replicate(
        plan,
        [np.arange(G) != k for k in range(G)],
        observed,
        estimate.index,
        statistic=statistic,
        metric=metric,
        n_jobs=n_jobs,
        batched=True,
    )
    index = pd.Index(labels, name=plan.name or "row")
    return (
        pd.DataFrame(values, index=index, columns=estimate.index),
        failures_of(reasons, index),
    )
