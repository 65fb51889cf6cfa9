"""Weights of a table's rows and groups: columns that the engine has or makes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import narwhals.stable.v2 as nw
import numpy as np

from ...tables import Summary, Table, is_missing
from .._design import Equation
from .._equations import levels_with_effects
from .._labels import Source
from .._levels import make_levels, read_labels
from .._weights import check_scaling, weights_of_groups
from ._products import Groups, TableProducts

__all__ = ["TableWeights", "positive_weights"]

Array = np.ndarray

#: columns that are made
ROWS, FACTOR, TOTAL = "__weight", "__factor", "__weights"


@dataclass(frozen=True, eq=False)
class TableWeights:
    """Which columns of a table hold its weights.

    Parameters
    ----------
    rows : str or None
        Of the rows, given their group.
    levels : dict of str to str
        Of the levels that have them.
    factor : str or None
        What a scaling multiplies the weights of the groups by.
    total : str or None
        Products of all of these; None where groups have none.
    """

    rows: str | None
    levels: dict[str, str]
    factor: str | None = None
    total: str | None = None

    @classmethod
    def of(
        cls,
        table: Table,
        names: Sequence[str],
        rows: str | None,
        levels: dict[str, str],
        scaling: str | None,
    ) -> tuple[Table, TableWeights]:
        """Those of complete rows, and the table with the columns that are made.

        Parameters
        ----------
        names : sequence of str
            Levels, top first.
        """
        out = cls(rows, levels)
        if scaling is not None:
            check_scaling(scaling, names)
            if rows is not None:  # all of one are left as they are
                table, out = _scaled(table, names[0], out, scaling)
        if not levels and out.factor is None:
            return table, out
        own = [out.rows, out.factor, *levels.values()]
        total = nw.lit(1.0)
        for name in own:
            if name is not None:
                total = total * nw.col(name).cast(nw.Float64)
        frame = table.frame.with_columns(total.alias(TOTAL))
        return replace(table, frame=frame), replace(out, total=TOTAL)

    def put(
        self,
        table: Table,
        equations: Sequence[Equation],
        groups: Groups,
        products: TableProducts,
    ) -> tuple[Groups, TableProducts]:
        """The same with the weights of the groups.

        Raises
        ------
        ValueError
            If a weight varies within its groups.
        """
        if self.total is None:
            return groups, products
        names = [level.group for level in groups.levels]
        levels = list(groups.levels)
        for k, name in enumerate(names):
            if name in self.levels or self.factor is not None:
                own = weights_of_level(
                    table, names[: k + 1], self.levels.get(name), self.factor
                )
                levels[k] = replace(levels[k], weights=own)
        *_, shares = levels_with_effects(levels, equations, None)
        return replace(groups, levels=levels), replace(products, shares=shares)


def positive_weights(
    table: Table,
    summary: Summary,
    rows: str | None,
    names: Sequence[str],
    levels: dict[str, str],
) -> list[nw.Expr]:
    """The conditions that weights are positive, where one is zero.

    Parameters
    ----------
    rows : str or None
        Weights of the rows.
    names : sequence of str
        Levels, top first.
    levels : dict of str to str
        Weights of the levels that have them.

    Raises
    ------
    ValueError
        If one is negative, all are zero, or those of a part of a group: these rows
        would be left out, and what is left would be in order.
    """
    asked = {} if rows is None else {f"The weights {rows!r}": rows}
    asked |= {f"The weights {w!r} of level {g!r}": w for g, w in levels.items()}
    keep = []
    for what, weight in asked.items():
        if summary.low[weight] < 0:
            raise ValueError(
                f"{what} must be finite and not negative; the smallest is "
                f"{summary.low[weight]:g}."
            )
        if not summary.high[weight] > 0:
            raise ValueError(f"{what} are zero in all rows: one must be positive.")
        if summary.low[weight] == 0:
            keep.append(nw.col(weight) > 0)
    for k, group in enumerate(names):
        own = levels.get(group)
        if own is not None and summary.low[own] == 0:
            path = names[: k + 1]
            known = [
                ~is_missing(table, name) for name in (own, *path) if name != "_all"
            ]
            left = replace(table, frame=table.frame.filter(*known))
            weights_of_level(left, path, own)
    return keep


def weights_of_level(
    table: Table, names: Sequence[str], weight: str | None, factor: str | None = None
) -> Array:
    """One weight for each group of the last level, in the order of their numbers.

    Parameters
    ----------
    names : sequence of str
        The level and those above it, top first.
    weight : str or None
        Name of its weight; None for ones.
    factor : str, optional
        Column of what they are multiplied by.

    Raises
    ------
    ValueError
        If a weight varies within its groups.
    """
    keys = [name for name in names if name != "_all"]
    made = [nw.col(name).alias(f"k{i}") for i, name in enumerate(keys)]
    for name, column in (("w", weight), ("f", factor)):
        value = nw.lit(1.0) if column is None else nw.col(column).cast(nw.Float64)
        made += [value.alias(name), value.alias(f"{name}_high")]
    by = [f"k{i}" for i in range(len(keys))]
    asked = [nw.col("w").min(), nw.col("w_high").max(), nw.col("f").min()]
    got = table.collect(
        table.frame.select(*made).group_by(*by).agg(*asked),
        f"weights of groups by {', '.join(keys)}",
    )
    labels = got[by]
    labels.columns = list(keys)
    low, high, scale = (np.asarray(got[name], float) for name in ("w", "w_high", "f"))
    levels, encoders = make_levels(
        read_labels(Source.of(labels), list(names)), len(low)
    )
    lowest = levels[-1]
    both = replace(lowest, codes=np.tile(lowest.codes, 2))
    out = weights_of_groups(np.append(low, high), both, encoders, str(weight))
    factors = np.empty(len(low))
    factors[lowest.codes] = scale
    return out * factors


def _scaled(
    table: Table, group: str, weights: TableWeights, scaling: str
) -> tuple[Table, TableWeights]:
    """The scalings of ``scale_weights``, by sums over the groups that are joined."""
    own = nw.col(str(weights.rows)).cast(nw.Float64)
    sums = (
        table.frame.select(
            nw.col(group).alias("__group"),
            own.alias("__sum"),
            (own * own).alias("__squares"),
        )
        .group_by("__group")
        .agg(nw.len().alias("__size"), nw.col("__sum").sum(), nw.col("__squares").sum())
    )
    size, total, squares = (
        nw.col(name).cast(nw.Float64) for name in ("__size", "__sum", "__squares")
    )
    factor = {
        "size": size / total,
        "effective": total / squares,
        "gk": total / size,
    }[scaling]
    sums = sums.select("__group", factor.alias(FACTOR))
    frame = table.frame.with_columns(nw.col(group).alias("__group"))
    frame = frame.join(sums, on="__group", how="left")
    if scaling == "gk":
        table = replace(table, frame=frame)
        return table, replace(weights, rows=None, factor=FACTOR)
    frame = frame.with_columns((own * nw.col(FACTOR)).alias(ROWS))
    return replace(table, frame=frame), replace(weights, rows=ROWS)
