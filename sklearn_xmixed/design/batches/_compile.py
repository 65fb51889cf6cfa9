"""From rows that come batch by batch, in memory or not, to a design over their sums."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from sklearn.utils.validation import validate_data

from ..._spec import RandomEffects
from ...tables import Table, TableSums
from .._categories import Categories, read_categories
from .._compiled import Compiled
from .._equations import check_squares, columns_beside, dependence_of, lay_equations
from .._labels import Source
from .._validation import equation_names, equations_of
from .._variables import Variables, variables_in_X
from ..table._compile import complete_table, log_weights, name_columns, over_sums
from ..table._products import Grouped, Groups, TableColumns, kept_by_sums, labels_of
from ..table._refusals import needs_clusters, precise, refuse
from ..table._roles import Roles, find_roles
from ._row_sums import RowSums
from ._running_clusters import running_clusters
from ._running_sums import Arrived, RunningSums

__all__ = ["add_batch", "adds_up", "compile_sums"]

Array = np.ndarray

FIT = "Call fit with all rows for it."


def adds_up(estimator: Any) -> bool:
    """Whether an estimator has ``partial_fit``.

    Raises
    ------
    NotImplementedError
        If sums by group do not suffice for the model.
    ValueError
        After ``fit``, which keeps none.
    """
    equations = equations_of(estimator.__dict__["random_effects"])
    refuse(estimator, equations, where="by partial_fit", way_out=FIT)
    reasons = {
        "Weights of groups (weight= of an equation) are not supported by partial_fit "
        f"yet. {FIT}": any(e.weight is not None for e in equations),
        f"Crossed factors (factor=) are not supported by partial_fit yet. {FIT}": any(
            e.factor is not None for e in equations
        ),
        f"{_what(estimator)} without random effects makes every row a cluster, whose sums "
        "are the rows. Name a column of clusters, cluster=... (with vce='cluster' in place "
        f"of 'robust'). {FIT}": needs_clusters(estimator)
        and not equations
        and estimator.cluster is None,
        "vce='CR2' is not supported by partial_fit with weight_type='precision': it needs "
        "rows that were not divided by their standard deviations. Use vce='CR1' or 'CR3'. "
        f"{FIT}": estimator.vce == "CR2" and estimator.weight_type == "precision",
        f"weight_scaling={estimator.weight_scaling!r} is not supported by partial_fit yet: "
        "the size and the weights of a group may grow with every call. "
        f"{FIT}": estimator.weight_scaling is not None,
    }
    for reason, holds in reasons.items():
        if holds:
            raise NotImplementedError(reason)
    if "_fitted" in estimator.__dict__ and "_batches" not in estimator.__dict__:
        raise ValueError(
            "This estimator was fitted by fit, which keeps no sums of its rows that "
            "further rows could be added to. Call partial_fit from the first rows on, "
            "or fit with all rows."
        )
    batches = estimator.__dict__.get("_batches")
    lost = batches is not None and batches.sums.clusters is None
    if lost and needs_clusters(estimator):
        raise ValueError(
            f"{_what(estimator)} needs sums by cluster, which were not kept of the "
            "rows so far. Set it before the first call of partial_fit, or call fit with "
            "all rows."
        )
    return True


def _what(estimator: Any) -> str:
    """Who asks for robust errors."""
    vce = estimator.vce
    return "weight_type='sampling'" if vce == "oim" else f"vce={vce!r}"


def add_batch(
    estimator: Any,
    so_far: RunningSums | None,
    X: Any,
    y: Any,
    sample_weight: Any,
    groups: Any,
) -> RunningSums:
    """The sums of all rows so far and those of a call of ``partial_fit``."""
    equations = equations_of(estimator.__dict__["random_effects"])
    table = Table.of(X)
    if table is None:
        if so_far is not None:
            validate_data(estimator, X, skip_check_array=True, reset=False)
        coding = _categories(estimator, equations, so_far, X, groups)
        arrived = _rows(estimator, X, y, sample_weight, groups, coding)
    else:
        refuse(estimator, equations, groups is not None)
        arrived = _table(estimator, equations, table, y, sample_weight)
    if so_far is not None:
        return so_far.plus(arrived)
    random = [name for equation in equations for name in equation.columns]
    return RunningSums.of(arrived, random, robust=needs_clusters(estimator))


def compile_sums(estimator: Any, sums: RunningSums) -> Compiled:
    """Lay the specification over all rows so far."""
    equations = equations_of(estimator.__dict__["random_effects"])
    names = sums.names
    roles = Roles(
        list(names.columns),
        list(names.fixed),
        list(names.extra),
        list(names.levels),
        names.target,
        "sample_weight" if sums.weighted else None,
    )
    raw, k = roles.raw, len(roles.fixed)
    every = sums.of_columns(range(len(raw)))
    with np.errstate(all="ignore"):
        moments = every.moments
        check_squares(raw[:-1], moments, lambda j: float(sums.largest[j]))
    intercept = bool(estimator.fit_intercept)
    kept = kept_by_sums(every, moments, np.arange(k), constant=intercept)
    left = [*np.flatnonzero(kept).tolist(), *columns_beside(raw[:-1], kept, equations)]
    exact = precise(estimator, roles.weight)
    products = sums.of_columns([*left, len(raw) - 1])
    products = products.precise() if exact else products
    columns = TableColumns(
        np.empty((0, int(kept.sum()))),
        np.empty((0, len(left) - int(kept.sum()))),
        moments.take([*left, len(raw) - 1]),
        kept,
        tuple(raw[j] for j in left),
        None,
        dependence_of(moments, kept, constant=intercept),
        # weights that say how exact a row is do not count it
        sums.mean[:k] if exact else moments.mean[:k],
        products,
    )
    laid = lay_equations(
        equations, equation_names(equations), columns, roles.levels, {}
    )
    groups = sums.groups
    weights = groups.sums[0, 0] if sums.weighted and not exact else None
    clusters, owner = running_clusters(estimator, sums)
    products = replace(products, owner=owner)
    compiled = over_sums(
        estimator,
        roles,
        columns,
        laid,
        Groups(groups.levels, groups.encoders, groups.n, weights, clusters=clusters),
        products,
        sums.n_dropped,
    )
    known = sums.offset_mean if names.offset else None
    return replace(compiled, categories=names.categories, offset_mean=known)


def _categories(
    estimator: Any,
    equations: list[RandomEffects],
    so_far: RunningSums | None,
    X: Any,
    groups: Any,
) -> Categories | None:
    """Those of the first rows, for all that follow."""
    if so_far is not None:
        known = so_far.names.categories
        return None if known is None else known.uncounted()
    if estimator.categorical == "raise":
        return None
    special = variables_in_X(estimator, equations)
    source = Source.of(X, groups)
    return read_categories(estimator, equations, source, special, declared=True)


def _rows(
    estimator: Any,
    X: Any,
    y: Any,
    sample_weight: Any,
    groups: Any,
    coding: Categories | None,
) -> Arrived:
    """Rows in memory."""
    equations = equations_of(estimator.__dict__["random_effects"])
    rows = Variables.read(
        estimator, equations, X, y, sample_weight, groups, categories=coding
    )
    rows = rows.complete(estimator)
    raw = [*rows.X.T, *rows.extra.T, rows.y]
    name = getattr(y, "name", None)
    cluster = () if rows.clusters is None else (estimator.cluster,)
    low, high, mean = (
        np.array([of(column) for column in raw]) for of in (np.min, np.max, np.mean)
    )
    return Arrived(
        tuple(rows.columns),
        tuple(rows.fixed_names),
        tuple(rows.extra_names),
        tuple(rows.labels),
        name if isinstance(name, str) else "y",
        rows.n_rows,
        len(rows.dropped),
        rows.weights is not None,
        low,
        high,
        mean,
        RowSums(raw, rows.labels, rows.weights, dict.fromkeys(cluster, rows.clusters)),
        rows.counted_categories(),
        *_offset(estimator, None if rows.offset is None else rows.offset.mean()),
        _log_weights(estimator, rows.weights),
        cluster,
    )


def _log_weights(estimator: Any, weights: Array | None) -> float:
    """Sum of the logarithms of precision weights."""
    if weights is None or estimator.weight_type != "precision":
        return 0.0
    return float(np.log(weights).sum())


def _offset(estimator: Any, mean: Any) -> tuple[tuple[str, ...], float]:
    """Name and mean of what was taken from the response."""
    return ((), 0.0) if mean is None else ((estimator.offset,), float(mean))


def _table(
    estimator: Any,
    equations: list[RandomEffects],
    table: Table,
    y: Any,
    sample_weight: Any,
) -> Arrived:
    """Rows that an engine holds."""
    roles = find_roles(estimator, table, equations, y, sample_weight)
    table, summary, n_lost = complete_table(estimator, table, roles)
    low, high, mean = (
        np.array([of[name] for name in roles.raw])
        for of in (summary.low, summary.high, summary.mean)
    )
    name_columns(estimator, roles)
    one = np.ones(len(mean))
    sums = TableSums(
        table,
        tuple(roles.raw),
        tuple(roles.labels),
        roles.weight,
        mean,
        one,
        summary.n,
    )
    return Arrived(
        tuple(roles.columns),
        tuple(roles.fixed),
        tuple(roles.extra),
        tuple(roles.levels),
        roles.y,
        summary.n,
        n_lost,
        roles.weight is not None,
        low,
        high,
        mean,
        LabelledSums(sums, roles.levels),
        None,
        *_offset(estimator, roles.offset and summary.mean[roles.offset]),
        log_weights(table, summary, roles)[1]
        if precise(estimator, roles.weight)
        else 0.0,
        () if roles.cluster is None else (roles.cluster,),
    )


@dataclass(frozen=True, eq=False)
class LabelledSums:
    """Sums of a table with the labels of its levels.

    Parameters
    ----------
    sums : TableSums
    levels : list of str
    """

    sums: TableSums
    levels: list[str]

    def total(self, shift: Array, matrix: Array) -> Array:
        """Sums of products of ``[1, raw - shift] @ matrix`` over all rows."""
        return self.sums.total(shift, matrix)

    def by_group(self, shift: Array, matrix: Array, left: Sequence[int]) -> Grouped:
        """The same by lowest group."""
        got = self.sums.by_group(shift, matrix, left)
        return Grouped(labels_of(got, self.levels), got.n, got.sums)

    def by_names(self, names: Sequence[str], shift: Array, matrix: Array) -> Grouped:
        """The same by the labels of some columns, of all columns."""
        keys = tuple(name for name in names if name != "_all")
        own = LabelledSums(replace(self.sums, keys=keys), list(names))
        return own.by_group(shift, matrix, range(matrix.shape[1]))
