"""Likelihood-ratio statistics of responses drawn from the smaller of two models."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from joblib import Parallel, delayed

from ..design._compile import Compiled
from ._batch import Batch, why_not
from ._draws import Simulator
from ._pair import Pair
from ._refit import Responses, replicate

__all__ = ["bootstrap_statistics"]

Array = np.ndarray


def bootstrap_statistics(
    pair: Pair, seeds: list[np.random.SeedSequence], n_jobs: int | None
) -> tuple[Array, list[str]]:
    """Statistic of each seed's response; nan, with a reason, where a fit failed."""
    simulator = Simulator.of(pair.designs[1], pair.smaller._fitted)
    fits = [
        _Deviances(model, Responses(sample, simulator, False), design)
        for model, sample, design in zip(
            (pair.larger, pair.smaller), pair.samples, pair.designs, strict=True
        )
    ]
    (more, why), (fewer, why_too) = (fit.of(seeds, n_jobs) for fit in fits)
    # a fit that stops short of the smaller model's maximum is rounding
    return (fewer - more).clip(0.0), [a or b for a, b in zip(why, why_too, strict=True)]


@dataclass(frozen=True, eq=False)
class _Deviances:
    """-2 log likelihood of one of the models for other responses.

    Parameters
    ----------
    model : MixedLinearRegressor
        Fitted.
    plan : Responses
    design : Compiled
    """

    model: Any
    plan: Responses
    design: Compiled

    def of(
        self, seeds: list[np.random.SeedSequence], n_jobs: int | None
    ) -> tuple[Array, list[str]]:
        """All together as far as the design allows, the others one by one."""
        design, fitted = self.design.design, self.model._fitted
        if not design.equations and design.residual is None:
            return self._linear(seeds), [""] * len(seeds)
        value = np.full(len(seeds), np.nan)
        batch = None
        if not why_not(self.design, fitted):
            batch = Batch.of(self.design, fitted)
        if batch is not None and not batch.many_maxima:
            found, certain = self._together(batch, seeds, n_jobs)
            value[certain] = found[certain]
        alone = np.flatnonzero(np.isnan(value))
        reasons = [""] * len(seeds)
        if len(alone):
            values, why = replicate(
                self.plan,
                [seeds[i] for i in alone.tolist()],
                self.model,
                pd.Index(["log_likelihood"]),
                statistic=_log_likelihood,
                metric="sd",
                n_jobs=n_jobs,
                batched=False,
            )
            value[alone] = -2.0 * values[:, 0]
            for i, reason in zip(alone.tolist(), why, strict=True):
                reasons[i] = reason
        return value, reasons

    def _together(
        self, batch: Batch, seeds: list[np.random.SeedSequence], n_jobs: int | None
    ) -> tuple[Array, Array]:
        make = batch.redrawn().replicates
        parts = [seeds[a : a + batch.chunk] for a in range(0, len(seeds), batch.chunk)]
        done = Parallel(n_jobs=n_jobs)(
            delayed(_deviances)(batch, make, self.plan, part) for part in parts
        )
        value = np.concatenate([v for v, _ in done])
        certain = np.concatenate([c for _, c in done])
        # what the batch leaves out is the same for the response of the data
        own, known = batch.deviances(make(self.design.design.y[:, None]))
        if not known[0]:
            return value, np.zeros_like(certain)
        return value + (-2.0 * self.model.log_likelihood_ - own[0]), certain

    def _linear(self, seeds: list[np.random.SeedSequence]) -> Array:
        """Linear regression, where the residual sum of squares says it all."""
        design = self.design.design
        root = design.row_roots[:, None]
        offset = 0.0 if design.offset is None else design.offset[:, None]
        X = root * np.column_stack([np.ones(design.n_rows), design.X])
        Q, _ = np.linalg.qr(X[:, 1 - design.intercept :])
        nn = design.n_rows - (Q.shape[1] if self.model._fitted.reml else 0)

        def rss(Y: Array) -> Array:
            left = Y - Q @ (Q.T @ Y)
            return np.asarray((left**2).sum(axis=0))

        own = rss(root * design.y[:, None])[0]
        drawn = np.array(
            [rss(root * (self.plan.response(s)[:, None] - offset))[0] for s in seeds]
        )
        return -2.0 * self.model.log_likelihood_ + nn * np.log(drawn / own)


def _deviances(
    batch: Batch, make: Any, plan: Responses, seeds: list[np.random.SeedSequence]
) -> tuple[Array, Array]:
    return batch.deviances(make(np.column_stack([plan.response(s) for s in seeds])))


def _log_likelihood(fitted: Any) -> dict[str, float]:
    return {"log_likelihood": fitted.log_likelihood_}
