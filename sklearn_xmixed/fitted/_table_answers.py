"""From a fitted model to a lazy table: predictions as a column that the engine forms."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd

from ..design._levels import path_frame
from ..tables import Table, is_missing
from ._distributed import level_frame
from ._fitted import FittedModel

__all__ = ["PREDICTION", "predict_table", "score_table"]

Array = np.ndarray

#: name of the column that is added
PREDICTION = "prediction"


@dataclass(frozen=True, eq=False)
class LevelTable:
    """Random effects of one level, a row per group.

    Parameters
    ----------
    group : str
    keys : list of str
        Columns whose labels make the path of a group; empty for one group of all rows.
    number, floor : int
        Of the level among those asked for, and in the tree.
    columns : ndarray of shape (k + 1, q)
        Those of the pool that the effects go with, as combinations of [1, raw - shift]:
        there intercepts and slopes do not cancel.
    fitted : FittedModel
    """

    group: str
    keys: list[str]
    number: int
    floor: int
    columns: Array
    fitted: FittedModel

    @classmethod
    def of(cls, fitted: FittedModel) -> Iterator[LevelTable]:
        """Every level with random effects, top level first."""
        if any(e.factor is not None for e in fitted.equations):
            raise NotImplementedError(
                "Predictions of models with crossed factors (factor=) are not supported "
                "for a lazy table; read its rows into memory in parts and predict these."
            )
        names = [encoder.group for encoder in fitted.encoders]
        depth = len(fitted.level_numbers)
        for level, number in enumerate(fitted.level_numbers):
            floor = depth - 1 - level
            yield cls(
                names[number],
                [name for name in names[: number + 1] if name != "_all"],
                number,
                floor,
                fitted.pool.matrix[:, fitted.pool.levels[floor].members],
                fitted,
            )

    @property
    def effects(self) -> Array:
        """In the pool's columns, (G, q)."""
        n_groups = self.fitted.encoders[self.number].n_groups
        return _effects(self.fitted, self.floor, n_groups)

    def lent(self, table: Table, keys: list[str], names: list[str]) -> nw.LazyFrame:
        """Labels and effects as a table of the engine that is to join them."""
        fitted = self.fitted
        if not fitted.posterior.elsewhere:
            index = path_frame(fitted.encoders, self.number)
            labels = {
                key: _plain(table, name, index.get_level_values(name))
                for key, name in zip(keys, self.keys, strict=True)
            }
            effects = dict(zip(names, self.effects.T, strict=True))
            return table.lend(labels | effects)
        if not table.elementary:
            raise NotImplementedError(
                f"The groups of level {self.group!r} are on the workers of a Dask "
                "cluster, and only a frame of Dask can be joined with them. Pass one, or "
                "kind='fixed' for the fixed part."
            )
        frame = level_frame(fitted.posterior, self.floor, self.number, keys, names)
        for key, name in zip(keys, self.keys, strict=True):
            _check_kind(table, name, pd.api.types.is_numeric_dtype(frame.dtypes[key]))
        there = Table.of(frame)
        assert there is not None
        return there.frame


def _effects(fitted: FittedModel, floor: int, n_groups: int) -> Array:
    """Random effects of a floor's groups, what the posterior says of unit rows."""
    widths = [len(basis.members) for basis in fitted.pool.levels]
    codes = [np.full(n_groups, -1) for _ in widths]
    codes[floor] = np.arange(n_groups)
    out = []
    for a in range(widths[floor]):
        Z = [np.zeros((n_groups, q)) for q in widths]
        Z[floor][:, a] = 1.0
        out.append(fitted.posterior.linear(codes, Z))
    return np.column_stack(out)


def predict_table(
    fitted: FittedModel,
    estimator: Any,
    table: Table,
    *,
    kind: str | None,
    level: str | None,
    return_std: bool,
) -> Any:
    """The table with predictions beside its columns, by no pass over the rows."""
    if return_std:
        raise NotImplementedError(
            "Standard errors of predictions are not supported with a lazy table yet; "
            "read its rows into memory in parts and predict these."
        )
    frame = _predicted(fitted, estimator, table, kind, level)
    return frame.select(*table.columns, PREDICTION).to_native()


def score_table(
    fitted: FittedModel, estimator: Any, table: Table, y: Any, sample_weight: Any
) -> float:
    """R^2 of the predictions, by two passes over the rows."""
    y = nw.col(table.require(y, "the response y")).cast(nw.Float64)
    weight = nw.lit(1.0)
    if sample_weight is not None:
        name = table.require(sample_weight, "sample_weight")
        weight = nw.col(name).cast(nw.Float64)
    frame = _predicted(fitted, estimator, table, None, None).select(
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
    kind: str | None,
    level: str | None,
) -> nw.LazyFrame:
    """The table with predictions, and columns that were needed for them."""
    if kind not in (None, "blup", "fixed"):
        raise ValueError(f"kind must be 'blup', 'fixed' or None, got {kind!r}.")
    if PREDICTION in table.schema:
        raise ValueError(
            f"X has a column {PREDICTION!r}, the name of the column that predict adds; "
            "rename it."
        )
    last = fitted._last_level(level, kind)
    mean = nw.lit(fitted.intercept)
    said = fitted.results.specification
    if said.offset and not said.offset_is_array:
        name = table.require(said.offset, "the offset")
        mean = mean + nw.col(name).cast(nw.Float64)
    for name, b in zip(fitted.fixed_names, fitted.coef, strict=True):
        table.require(name, "the column of the fixed part")
        mean = mean + nw.col(name).cast(nw.Float64) * float(b)
    groups = [encoder.group for encoder in fitted.encoders]
    levels = [] if kind == "fixed" else list(LevelTable.of(fitted))
    there = [one for one in levels if set(one.keys) <= set(table.columns)]
    if kind == "blup" and not there:
        raise ValueError(
            f"kind='blup' needs labels for the levels {[one.group for one in levels]}. "
            f"{table.describe()}"
        )
    frame, unknown = _with_raw(fitted, table, there), []
    for number, one in enumerate(levels if there else []):
        if groups.index(one.group) > last:
            continue
        if one in there:
            frame, effect, lost = _joined(frame, table, one, number)
            mean = mean + effect
        else:
            lost = nw.lit(True)
        unknown.append((one, lost))
    if estimator.unseen == "raise":
        _check_known(table, frame, unknown)
    if estimator.unseen == "nan":
        for _, lost in unknown:
            mean = nw.when(~lost).then(mean).otherwise(nw.lit(float("nan")))
    return frame.with_columns(mean.alias(PREDICTION))


def _joined(
    frame: nw.LazyFrame, table: Table, level: LevelTable, number: int
) -> tuple[nw.LazyFrame, nw.Expr, nw.Expr]:
    """The effects of a level beside the rows, their sum, and where there are none."""
    names = [f"__u{number}_{j}" for j in range(level.columns.shape[1])]
    if not level.keys:
        only = [nw.lit(float(u[0])) for u in level.effects.T]
        return frame, _sum_of(level, only), nw.lit(False)
    keys = [f"__k{number}_{i}" for i in range(len(level.keys))]
    made = [_key(table, n).alias(k) for k, n in zip(keys, level.keys, strict=True)]
    frame = frame.with_columns(*made)
    types = frame.collect_schema()
    other = level.lent(table, keys, names)
    other = other.with_columns(*[nw.col(k).cast(types[k]) for k in keys])
    frame = frame.join(other, on=keys, how="left")
    known = [nw.col(name).fill_null(0.0) for name in names]
    return frame, _sum_of(level, known), nw.col(names[0]).is_null()


def _sum_of(level: LevelTable, u: list[nw.Expr]) -> nw.Expr:
    """z'u of the rows."""
    total = nw.lit(0.0)
    for column, effect in zip(level.columns.T, u, strict=True):
        z = nw.lit(float(column[0]))
        for j in column[1:].nonzero()[0]:
            z = z + nw.col(f"__x{j}") * float(column[1 + j])
        total = total + effect * z
    return total


def _with_raw(
    fitted: FittedModel, table: Table, levels: list[LevelTable]
) -> nw.LazyFrame:
    """The table with the raw columns less their shift that random effects go with."""
    names = [n for n, k in zip(fitted.fixed_names, fitted.kept, strict=True) if k]
    names += fitted.extra_names
    used = {
        int(j)
        for one in levels
        for j in np.flatnonzero(np.any(one.columns[1:], axis=1))
    }
    made = []
    for j in sorted(used):
        table.require(names[j], "the random coefficient")
        raw = nw.col(names[j]).cast(nw.Float64) - float(fitted.pool.shift[j])
        made.append(raw.alias(f"__x{j}"))
    return table.frame.with_columns(*made) if made else table.frame


def _key(table: Table, name: str) -> nw.Expr:
    """Labels to join by; of categories their text."""
    column = nw.col(name)
    if table.schema[name] in (nw.Categorical, nw.Enum):
        return column.cast(nw.String)
    return column


def _plain(table: Table, name: str, labels: pd.Index) -> Any:
    """Labels in a form that every engine takes.

    Raises
    ------
    TypeError
        If they are numbers there and text here.
    """
    numeric = pd.api.types.is_numeric_dtype(labels) or labels.dtype == bool
    _check_kind(table, name, numeric)
    return labels.to_numpy() if numeric else list(labels)


def _check_kind(table: Table, name: str, numeric: bool) -> None:
    """Labels of a level are numbers both in the table and in the training data."""
    if numeric != (table.kind(name) == "numbers"):
        here, there = ("text", "numbers") if numeric else ("numbers", "text")
        raise TypeError(
            f"The labels of level {name!r} are {here} here and were {there} in the "
            "training data. Convert them to the same type."
        )


def _check_known(
    table: Table, frame: nw.LazyFrame, unknown: list[tuple[LevelTable, nw.Expr]]
) -> None:
    """Refuse labels that were not in the training data."""
    for level, lost in unknown:
        asked = lost.cast(nw.Int64).alias("lost")
        count = table.one([nw.col("lost").sum()], frame.select(asked))["lost"]
        if count > 0:
            raise ValueError(
                f"{count:.0f} rows have labels of level {level.group!r} that were not in "
                "the training data. Set unseen='zero' to predict their random effects "
                "as zero, or unseen='nan'."
            )
