"""Standard errors of predictions of a lazy table: rows led through the elimination.

What the posterior does with rows in memory, as expressions of columns that are joined by
group: the floors one after another, the lowest first, each taking from what a row has on
the floors above and on X.
"""

from __future__ import annotations

from collections.abc import Sequence

import narwhals.stable.v2 as nw
import numpy as np

from ._fitted import FittedModel
from ._level_table import LevelTable, combined

__all__ = ["of_fixed_part", "of_rows", "stage_columns"]

Array = np.ndarray


def stage_columns(
    fitted: FittedModel, levels: Sequence[LevelTable]
) -> list[LevelTable]:
    """The levels with what the elimination keeps of their groups."""
    posterior = fitted.posterior
    stages = None if posterior.elsewhere else posterior.stages()
    return [
        level.with_stage(None if stages is None else stages[level.term])
        for level in levels
    ]


def of_rows(
    fitted: FittedModel,
    frame: nw.LazyFrame,
    levels: Sequence[LevelTable],
    joined: Sequence[LevelTable],
) -> tuple[nw.LazyFrame, nw.Expr]:
    """Standard errors of x'beta + sum z'u about its prediction.

    Parameters
    ----------
    levels : sequence of LevelTable
        Whose effects are in the prediction, top first.
    joined : sequence of LevelTable
        Those that were joined.

    Returns
    -------
    frame : narwhals.LazyFrame
        With columns that are needed for them.
    std_error : narwhals.Expr
    """
    pool = fitted.pool
    start = [
        combined(column).alias(f"__q{i}")
        for i, column in enumerate(pool.matrix[:, -pool.p - 1 : -1].T)
    ]
    start += [
        combined(column).alias(f"__z{level.term}_{a}")
        for level in levels
        for a, column in enumerate(level.columns.T)
    ]
    frame = frame.with_columns(*start) if start else frame
    variance = nw.lit(0.0)
    for level in sorted(levels, key=lambda one: one.term):
        k, q = level.term, level.columns.shape[1]
        known = level in joined
        D = fitted.posterior.D[k]
        for a in range(q):
            for b in range(a + 1):
                own = nw.lit(float(D[a, b]))
                if known:  # of a group that is not, the variance is the prior one
                    own = nw.col(f"__v{k}_{a}_{b}").fill_null(float(D[a, b]))
                both = nw.col(f"__z{k}_{a}") * nw.col(f"__z{k}_{b}")
                variance = variance + own * both * (1.0 if a == b else 2.0)
        if known:
            frame = frame.with_columns(*_taken(level, levels, pool.p))
    return frame, _root(fitted, variance + _of_coefficients(fitted))


def _taken(level: LevelTable, levels: Sequence[LevelTable], p: int) -> list[nw.Expr]:
    """What is left of rows on the floors above and on X after a floor."""
    k, q = level.term, level.columns.shape[1]

    def less(name: str, beside: str) -> nw.Expr:
        left = nw.col(name)
        for a in range(q):
            taken = nw.col(beside.format(a)).fill_null(0.0)
            left = left - nw.col(f"__z{k}_{a}") * taken
        return left.alias(name)

    out = [
        less(f"__z{other.term}_{b}", f"__a{k}_{other.term - k - 1}_{{}}_{b}")
        for other in levels
        if other.term > k
        for b in range(other.columns.shape[1])
    ]
    return out + [less(f"__q{i}", f"__b{k}_{{}}_{i}") for i in range(p)]


def _of_coefficients(fitted: FittedModel) -> nw.Expr:
    """The variance of what is left of rows on X, over sigma^2."""
    out = nw.lit(0.0)
    for column in fitted.posterior.pieces.root.F.T:
        half = nw.lit(0.0)
        for i in column.nonzero()[0]:
            half = half + nw.col(f"__q{i}") * float(column[i])
        out = out + half * half
    return out


def of_fixed_part(fitted: FittedModel) -> nw.Expr:
    """Standard errors of x'beta."""
    pool = fitted.pool
    if fitted.results.vce == "oim":
        variance = nw.lit(0.0)
        for column in (
            pool.matrix[:, -pool.p - 1 : -1] @ fitted.posterior.pieces.root.F
        ).T:
            half = combined(column)
            variance = variance + half * half
        return _root(fitted, variance)
    x = [nw.col(name).cast(nw.Float64) for name in fitted.fixed_names]
    x += [nw.lit(1.0)] * (len(fitted.results.beta) - len(x))
    variance = nw.lit(0.0)
    for row, left in zip(fitted.results.beta_vcov, x, strict=True):
        across = nw.lit(0.0)
        for share, right in zip(row, x, strict=True):
            across = across + right * float(share)
        variance = variance + left * across
    return _positive(variance) ** 0.5


def _root(fitted: FittedModel, variance: nw.Expr) -> nw.Expr:
    return (_positive(variance) * float(fitted.sigma2)) ** 0.5


def _positive(variance: nw.Expr) -> nw.Expr:
    """Rounding may leave less than nothing; a missing value stays one."""
    return (variance + variance.abs()) * 0.5
