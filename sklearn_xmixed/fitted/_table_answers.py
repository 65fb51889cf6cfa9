"""From a fitted model to a lazy table: predictions as a column that the engine forms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np

from ..design._offset import offset_name
from ..tables import Table, is_missing
from ._distant_level import DistantLevel
from ._fitted import FittedModel
from ._level_table import LevelTable
from ._table_errors import of_fixed_part, of_rows, stage_columns

__all__ = ["PREDICTION", "STD_ERROR", "predict_table", "score_table"]

Array = np.ndarray

#: names of the columns that are added
PREDICTION, STD_ERROR = "prediction", "std_error"


def predict_table(
    fitted: FittedModel,
    estimator: Any,
    table: Table,
    *,
    kind: str | None,
    level: str | None,
    return_std: bool,
    offset: Any = None,
) -> Any:
    """The table with predictions beside its columns, by no pass over the rows."""
    mean = _fixed_part(fitted, table, offset)
    frame = _predicted(
        fitted, estimator, table, mean, kind=kind, level=level, errors=return_std
    )
    names = [PREDICTION, STD_ERROR] if return_std else [PREDICTION]
    return frame.select(*table.columns, *names).to_native()


def score_table(
    fitted: FittedModel,
    estimator: Any,
    table: Table,
    y: Any,
    sample_weight: Any,
    offset: Any = None,
) -> float:
    """R^2 of the predictions, by two passes over the rows."""
    target = table.require(y, "the response y")
    mean = _fixed_part(fitted, table, offset, target)
    y = nw.col(target).cast(nw.Float64)
    weight = nw.lit(1.0)
    if sample_weight is not None:
        name = table.require(sample_weight, "sample_weight")
        weight = nw.col(name).cast(nw.Float64)
    frame = _predicted(fitted, estimator, table, mean).select(
        y.alias("y"), weight.alias("w"), PREDICTION
    )
    rows = Table(frame)
    lost = is_missing(rows, PREDICTION) | is_missing(rows, "y") | is_missing(rows, "w")
    counts = rows.one([lost.cast(nw.Int64).sum().alias("lost")])
    if counts["lost"] > 0:
        if estimator.missing != "drop" and estimator.unseen != "nan":
            raise ValueError(
                f"Input X contains NaN: {counts['lost']:.0f} rows have missing values. "
                "Fill them in, or set missing='drop' to leave these rows out."
            )
        rows = Table(frame.filter(~lost))
    w, y, yhat = (nw.col(name) for name in ("w", "y", PREDICTION))
    sums = rows.one([w.sum().alias("w"), (w * y).sum().alias("y")])
    left, off = y - yhat, y - sums["y"] / sums["w"]
    got = rows.one(
        [(w * left * left).sum().alias("rss"), (w * off * off).sum().alias("tss")]
    )
    if got["tss"] == 0.0:  # as scikit-learn has it
        return float(got["rss"] == 0.0)
    return 1.0 - got["rss"] / got["tss"]


def _predicted(
    fitted: FittedModel,
    estimator: Any,
    table: Table,
    mean: nw.Expr,
    *,
    kind: str | None = None,
    level: str | None = None,
    errors: bool = False,
) -> nw.LazyFrame:
    """The table with predictions, and columns that were needed for them.

    Parameters
    ----------
    mean : narwhals.Expr
        Fixed part of the predictions.
    """
    if kind not in (None, "blup", "fixed"):
        raise ValueError(f"kind must be 'blup', 'fixed' or None, got {kind!r}.")
    _check_names(table, [PREDICTION, STD_ERROR] if errors else [PREDICTION])
    last = fitted._last_level(level, kind)
    levels, there = _levels(fitted, table, kind)
    levels = [one for one in levels if one.level <= last]
    if errors and levels:
        levels = stage_columns(fitted, levels)
    frame = _with_raw(fitted, table, there, errors=errors)
    used: list[tuple[LevelTable, nw.Expr]] = []
    joined: list[LevelTable] = []
    for one in levels:
        lost = nw.lit(True)
        if set(one.keys) <= set(table.columns):
            frame, effect, lost = one.join(frame, table)
            mean = mean + effect
            joined.append(one)
        used.append((one, lost))
    if estimator.unseen == "raise":
        _check_known(table, frame, used)
    columns: dict[str, nw.Expr] = {PREDICTION: mean}
    if errors:
        if levels:
            frame, columns[STD_ERROR] = of_rows(fitted, frame, levels, joined)
        else:
            columns[STD_ERROR] = of_fixed_part(fitted)
    if estimator.unseen == "nan":
        for _, lost in used:
            columns = {
                name: nw.when(~lost).then(value).otherwise(nw.lit(float("nan")))
                for name, value in columns.items()
            }
    return frame.with_columns(*[v.alias(name) for name, v in columns.items()])


def _check_names(table: Table, added: Sequence[str]) -> None:
    """Refuse a table that has the columns already."""
    for name in added:
        if name in table.schema:
            raise ValueError(
                f"X has a column {name!r}, the name of a column that predict adds; "
                "rename it."
            )


def _fixed_part(
    fitted: FittedModel, table: Table, offset: Any, y: str | None = None
) -> nw.Expr:
    """x'beta and the offset: that of the fit, or the one that is passed.

    Parameters
    ----------
    y : str, optional
        Name of the response.
    """
    mean = nw.lit(fitted.intercept)
    said = fitted.results.specification
    own = None if said.offset_is_array else said.offset or None
    known = offset_name(own, table, offset, y)
    if known is not None:
        mean = mean + nw.col(known).cast(nw.Float64)
    if fitted.categories is not None:
        raise NotImplementedError(
            "The model codes the categories of its columns "
            f"{list(fitted.categories.known)}, and does not do that in a lazy table yet. "
            "Read the rows into memory to predict them, such as X.collect()."
        )
    for name, b in zip(fitted.fixed_names, fitted.coef, strict=True):
        table.require(name, "the column of the fixed part")
        mean = mean + nw.col(name).cast(nw.Float64) * float(b)
    return mean


def _levels(
    fitted: FittedModel, table: Table, kind: str | None
) -> tuple[list[LevelTable], list[LevelTable]]:
    """Levels and factors, none where there are no labels, and those with labels."""
    if kind == "fixed":
        return [], []
    kind_of_level = DistantLevel if fitted.posterior.elsewhere else LevelTable
    levels = list(kind_of_level.of(fitted))
    there = [one for one in levels if set(one.keys) <= set(table.columns)]
    if not any(one.keys for one in there) and any(e.factor for e in fitted.equations):
        there = []  # as in memory, where the level of all rows is no label
    if kind == "blup" and not there:
        wanted = list(dict.fromkeys(name for one in levels for name in one.keys))
        raise ValueError(
            f"kind='blup' needs labels for the levels {wanted}. {table.describe()}"
        )
    return (levels if there else []), there


def _with_raw(
    fitted: FittedModel, table: Table, levels: list[LevelTable], *, errors: bool
) -> nw.LazyFrame:
    """The table with the raw columns less their shift that random effects go with.

    And with those of the fixed part where its ``errors`` are wanted.
    """
    names = [n for n, k in zip(fitted.fixed_names, fitted.kept, strict=True) if k]
    names += fitted.extra_names
    asked = [one.columns for one in levels]
    asked += [fitted.pool.matrix[:, :-1]] if errors else []
    used = {int(j) for one in asked for j in np.flatnonzero(one[1:].any(axis=1))}
    made = []
    for j in sorted(used):
        table.require(names[j], "the random coefficient")
        raw = nw.col(names[j]).cast(nw.Float64) - float(fitted.pool.shift[j])
        made.append(raw.alias(f"__x{j}"))
    return table.frame.with_columns(*made) if made else table.frame


def _check_known(
    table: Table, frame: nw.LazyFrame, unknown: list[tuple[LevelTable, nw.Expr]]
) -> None:
    """Refuse labels that were not in the training data."""
    for level, lost in sorted(unknown, key=lambda pair: pair[0].level):
        asked = lost.cast(nw.Int64).alias("lost")
        count = table.one([nw.col("lost").sum()], frame.select(asked))["lost"]
        if count > 0:
            raise ValueError(
                f"{count:.0f} rows have labels of {level.title} that were not in "
                "the training data. Set unseen='zero' to predict their random effects "
                "as zero, or unseen='nan'."
            )
