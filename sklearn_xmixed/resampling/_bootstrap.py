"""The bootstrap of any fitted model."""

from __future__ import annotations

from numbers import Integral
from typing import Any

import numpy as np
import pandas as pd

from ..inference import check_level
from ._bootstrap_result import INTERVALS, BootstrapResult
from ._draws import Simulator
from ._jackknife import leave_one_out
from ._jackknife_result import JackknifeResult
from ._refit import Plan, Responses, Weights, failures_of, replicate
from ._sample import METRICS, Sample, Statistic, values_of

__all__ = ["bootstrap", "check_choice", "seeds_of"]

KINDS = ("cluster", "parametric", "residual")


def bootstrap(
    estimator: Any,
    X: Any,
    y: Any = None,
    *,
    groups: Any = None,
    sample_weight: Any = None,
    kind: str = "cluster",
    n_resamples: int = 500,
    statistic: Statistic | None = None,
    metric: str = "sd",
    interval: str = "normal",
    confidence_level: float = 0.95,
    random_state: Any = None,
    n_jobs: int | None = None,
) -> BootstrapResult:
    """Bootstrap standard errors and intervals.

    Parameters
    ----------
    estimator : MixedLinearRegressor
        Fitted or not; it is left as it is and its clones are fitted.
    X, y, groups, sample_weight
        As for ``fit``; y may be left out where a formula or command names it.
    kind : {"cluster", "parametric", "residual"}, default="cluster"
        - cluster: the groups of the top level are drawn with replacement, each copy
          as a group of its own (with ``cluster=`` the clusters are drawn; without
          random effects the rows);
        - parametric: new responses are drawn from the fitted model, random effects
          and residuals normal; as lme4's ``bootMer`` does;
        - residual: new responses from the predicted effects and residuals, centred,
          given the estimated covariance, and drawn with replacement (Carpenter,
          Goldstein and Rasbash 2003); nested levels and independent residuals.
    n_resamples : int, default=500
        How many replicates, at least 2.
    statistic : callable, default=None
        From a fitted estimator to a number, a sequence, a dict or a Series.  None stands
        for the coefficients and the parameters of the random effects and residuals.
    metric : {"sd", "variance"}, default="sd"
        Whether these are standard deviations and correlations or variances and
        covariances.
    interval : {"normal", "percentile", "basic", "bca"}, default="normal"
        Intervals of the table; "bca" takes a jackknife besides.
    confidence_level : float, default=0.95
        Of the intervals, between 0 and 1.
    random_state : int, numpy Generator or RandomState, default=None
        The same seed gives the same replicates, whatever ``n_jobs`` is.
    n_jobs : int, default=None
        Processes for the replicates, as joblib has it.

    Returns
    -------
    BootstrapResult
        Prints as a table; has ``estimate``, ``bias``, ``std_error``, ``interval()``,
        ``covariance()``, ``replicates``, ``to_frame()`` and ``failures``.

    Warns
    -----
    ResamplingWarning
        If replicates failed: no convergence, or a column that is collinear in the
        groups drawn, as where a category has no rows.  They are counted, listed in
        ``failures`` and left out.

    Notes
    -----
    With nested levels, independent residuals and the default statistic, replicates
    are fitted many at a time, since they share a design: see the page on resampling.

    Examples
    --------
    >>> from sklearn_xmixed import MixedLinearRegressor, RandomEffects, bootstrap
    >>> from sklearn_xmixed.datasets import load_sleepstudy
    >>> X, y = load_sleepstudy(return_X_y=True)
    >>> model = MixedLinearRegressor(
    ...     RandomEffects("subject", ["days"], covariance="unstructured")
    ... )
    >>> result = bootstrap(model, X, y, kind="parametric", random_state=1)
    >>> print(f'{result.std_error[("reaction", "days")]:.1f}')
    1.5
    """
    check_choice(kind, KINDS, "kind")
    check_choice(metric, METRICS, "metric")
    check_choice(interval, INTERVALS, "interval")
    level = check_level(confidence_level)
    if not isinstance(n_resamples, Integral) or n_resamples < 2:
        raise ValueError(
            f"n_resamples must be an integer that is at least 2, got {n_resamples!r}."
        )
    sample = Sample.of(estimator, X, y, groups, sample_weight)
    n_units, unit = sample.n_rows, ""
    if kind == "cluster" or interval == "bca":
        codes, labels, unit = sample.units()
        n_units = len(labels)
    observed = sample.fit(lr_test=False)
    estimate = values_of(observed, statistic, metric)
    plan: Plan
    if kind == "cluster":
        plan = Weights(sample, codes, n_units, unit)
    else:
        plan = _responses(sample, observed, residual=kind == "residual")
    values, reasons = replicate(
        plan,
        seeds_of(random_state, int(n_resamples)),
        observed,
        estimate.index,
        statistic=statistic,
        metric=metric,
        n_jobs=n_jobs,
        batched=True,
    )
    failures = failures_of(reasons, pd.RangeIndex(len(reasons)))
    acceleration = None
    if interval == "bca":
        left_out, why = leave_one_out(
            Weights(sample, codes, n_units, unit),
            labels,
            observed,
            estimate,
            statistic,
            metric,
            n_jobs,
        )
        acceleration = JackknifeResult(
            estimate, left_out, why, 0.0, n_units, unit, level
        ).acceleration
    return BootstrapResult(
        estimate,
        pd.DataFrame(values, columns=estimate.index),
        failures,
        observed.results_.n_obs,
        n_units,
        unit,
        level,
        kind,
        interval,
        acceleration,
    )


def _responses(sample: Sample, observed: Any, *, residual: bool) -> Responses:
    """Replicates by new responses of the model.

    Raises
    ------
    NotImplementedError
        Of predicted effects and residuals where they are not independent.
    """
    if residual and (
        sample.estimator.residuals is not None
        or any(e.factor is not None for e in sample.equations)
    ):
        raise NotImplementedError(
            "kind='residual' is defined for nested levels and independent "
            "residuals; use kind='parametric'."
        )
    simulator = Simulator.of(sample.compile(observed), observed._fitted)
    return Responses(sample, simulator, residual)


def check_choice(value: Any, choices: tuple[str, ...], name: str) -> None:
    if value not in choices:
        raise ValueError(f"{name} must be one of {list(choices)}, got {value!r}.")


def seeds_of(random_state: Any, n: int) -> list[np.random.SeedSequence]:
    """One seed per replicate."""
    if isinstance(random_state, np.random.RandomState):
        random_state = random_state.randint(0, 2**32, size=4, dtype=np.uint64).tolist()
    rng = np.random.default_rng(random_state)
    sequence = rng.bit_generator.seed_seq
    assert isinstance(sequence, np.random.SeedSequence)
    return sequence.spawn(n)
