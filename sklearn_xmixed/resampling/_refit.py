"""Replicates one by one or in batches, and what to do with those that fail."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from joblib import Parallel, delayed

from ..exceptions import MixedModelWarning
from ._batch import Batch, why_not
from ._draws import Simulator
from ._lost_columns import why_lost
from ._sample import Sample, Statistic, values_of

__all__ = [
    "Plan",
    "ResamplingWarning",
    "Responses",
    "Weights",
    "failures_of",
    "replicate",
]

Array = np.ndarray


class ResamplingWarning(MixedModelWarning):
    """Some replicates could not be used."""


@dataclass(frozen=True, eq=False)
class Plan:
    """How replicates are made."""

    sample: Sample

    def batches(self, batch: Batch) -> Callable[[Sequence[Any]], Any]:
        """Maker of ``Replicates`` from what defines some of them."""
        raise NotImplementedError

    def fit(self, what: Any) -> Any:
        """A single replicate's fit."""
        raise NotImplementedError


@dataclass(frozen=True, eq=False)
class Weights(Plan):
    """Units, the independent groups at the top, are drawn or left out.

    A replicate is defined by the counts of the units, shape (G,), or by the seed of
    the random numbers that draw them.

    Parameters
    ----------
    codes : ndarray of int, shape (n,)
        Unit of each row.
    n_units : int
    name : str
        Variable of the units; empty where they are the rows.
    """

    codes: Array
    n_units: int
    name: str

    def counts(self, what: Any) -> Array:
        """How often each unit counts."""
        if isinstance(what, np.random.SeedSequence):
            rng = np.random.default_rng(what)
            drawn = rng.integers(self.n_units, size=self.n_units)
            return np.bincount(drawn, minlength=self.n_units)
        return np.asarray(what)

    def batches(self, batch: Batch) -> Callable[[Sequence[Any]], Any]:
        """Counts become weights of the design's top-level groups."""
        maker = batch.reweighted()
        top = batch.compiled.design.levels[0]
        unit = np.empty(top.n_groups, dtype=np.intp)
        unit[top.codes] = self.codes

        def make(whats: Sequence[Any]) -> Any:
            counts = np.array([self.counts(w) for w in whats], dtype=float)
            return maker.replicates(counts.T[unit])

        return make

    def fit(self, what: Any) -> Any:
        """Rows of the units as often as they count, copies under labels of their own."""
        counts = self.counts(what)
        by_unit = np.argsort(self.codes, kind="stable")
        sizes = np.bincount(self.codes, minlength=self.n_units)
        starts = np.cumsum(sizes) - sizes
        drawn = np.repeat(np.arange(self.n_units), counts)
        size = sizes[drawn]
        copy = np.repeat(np.arange(len(drawn)), size)
        within = np.arange(size.sum()) - np.repeat(np.cumsum(size) - size, size)
        rows = by_unit[np.repeat(starts[drawn], size) + within]
        labels: dict[str, Array] = {}
        if self.name:
            labels[self.name] = copy
            top = next((e.group for e in self.sample.equations), self.name)
            if top not in (self.name, "_all"):
                old = pd.factorize(self.sample.frame[top])[0][rows]
                labels[top] = copy * (int(old.max(initial=0)) + 1) + old
        return self.sample.refit(rows, labels)


@dataclass(frozen=True, eq=False)
class Responses(Plan):
    """A response is drawn from the model; a replicate is a seed.

    Parameters
    ----------
    simulator : Simulator
    residual : bool
        Whether predicted effects and residuals are drawn instead of normal numbers.
    """

    simulator: Simulator
    residual: bool

    def response(self, what: np.random.SeedSequence) -> Array:
        """The response of one seed."""
        rng = np.random.default_rng(what)
        return (
            self.simulator.resample(rng) if self.residual else self.simulator.draw(rng)
        )

    def batches(self, batch: Batch) -> Callable[[Sequence[Any]], Any]:
        """Responses of several replicates side by side."""
        maker = batch.redrawn()

        def make(whats: Sequence[Any]) -> Any:
            return maker.replicates(np.column_stack([self.response(w) for w in whats]))

        return make

    def fit(self, what: Any) -> Any:
        """The model fitted to one drawn response."""
        return self.sample.refit_response(self.response(what))


def replicate(
    plan: Plan,
    whats: Sequence[Any],
    observed: Any,
    names: pd.Index,
    *,
    statistic: Statistic | None,
    metric: str,
    n_jobs: int | None,
    batched: bool,
) -> tuple[Array, list[str]]:
    """Statistics of every replicate, and why there are none of some.

    Parameters
    ----------
    observed : MixedLinearRegressor
        Fitted to all rows.
    names : Index
        Of the statistics.
    batched : bool
        Whether replicates may be fitted together.

    Returns
    -------
    values : ndarray of shape (B, k)
        nan where a replicate failed.
    reasons : list of str
        Empty where it did not.
    """
    values = np.full((len(whats), len(names)), np.nan)
    reasons = [""] * len(whats)
    alone = np.arange(len(whats))
    if batched and statistic is None and len(whats):
        compiled = plan.sample.compile(observed)
        fitted = observed._fitted
        batch = None if why_not(compiled, fitted) else Batch.of(compiled, fitted)
        if batch is not None and not batch.many_maxima:
            size = batch.chunk
            parts = [
                np.arange(a, min(a + size, len(whats)))
                for a in range(0, len(whats), size)
            ]
            make = plan.batches(batch)
            done = Parallel(n_jobs=n_jobs)(
                delayed(_together)(
                    batch, make, [whats[i] for i in part.tolist()], metric
                )
                for part in parts
            )
            theta = np.concatenate([t for t, _ in done])
            certain = np.concatenate([c for _, c in done])
            values[certain] = theta[certain]
            alone = np.flatnonzero(~certain)
    omitted = frozenset(observed.results_.omitted)
    one_by_one = Parallel(n_jobs=n_jobs)(
        delayed(_alone)(plan, whats[i], statistic, metric, omitted)
        for i in alone.tolist()
    )
    for i, (found, reason) in zip(alone, one_by_one, strict=True):
        if not reason and len(found) != len(names):
            reason = f"{len(found)} statistics instead of {len(names)}"
        if reason:
            reasons[i] = reason
        else:
            same = found.index.equals(names)
            values[i] = found.to_numpy() if same else found.reindex(names).to_numpy()
    return values, reasons


def _together(
    batch: Batch, make: Callable[[Sequence[Any]], Any], whats: list[Any], metric: str
) -> tuple[Array, Array]:
    return batch.fit(make(whats), metric)


def _alone(
    plan: Plan,
    what: Any,
    statistic: Statistic | None,
    metric: str,
    omitted: frozenset[str],
) -> tuple[pd.Series, str]:
    nothing = pd.Series(dtype=float)
    try:
        fitted = plan.fit(what)
    except (ValueError, np.linalg.LinAlgError) as error:
        return nothing, f"{type(error).__name__}: {str(error).splitlines()[0]}"
    results = fitted.results_
    if not results.converged:
        return nothing, "not converged"
    lost = set(results.omitted) - omitted
    if statistic is None and lost:
        return nothing, why_lost(fitted._fitted, lost)
    return values_of(fitted, statistic, metric), ""


def failures_of(reasons: list[str], index: pd.Index) -> pd.Series:
    """Reasons of the replicates that failed, with a warning if there are any."""
    failed = [k for k, reason in enumerate(reasons) if reason]
    if failed:
        warnings.warn(
            f"{len(failed)} of {len(reasons)} replicates failed, the first because: "
            f"{reasons[failed[0]]}. See failures of the result.",
            ResamplingWarning,
            stacklevel=3,
        )
    return pd.Series([reasons[k] for k in failed], index=index[failed], dtype=object)
