"""From a lazy table to a frozen design over sums instead of rows."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np

from ..._spec import RandomEffects
from ...tables import Summary, Table, TableSums, is_missing
from .._compiled import Compiled
from .._design import Design
from .._equations import Equations, levels_with_effects
from .._factors import check_factors, lay_terms
from .._offset import take_offset
from .._products import Products
from .._validation import equations_of
from .._weights import group_sizes
from ._clusters import cluster_table
from ._columns import summed_columns
from ._crossing import cross_table
from ._nesting import nest_table
from ._pattern_table import check_patterns, pattern_table
from ._products import Groups, TableColumns, TableProducts
from ._refusals import (
    needs_clusters,
    precise,
    refuse,
    refuse_of_table,
    structured,
)
from ._roles import Roles, find_roles
from ._weights import TableWeights, positive_weights

__all__ = [
    "compile_table",
    "complete_table",
    "log_weights",
    "name_columns",
    "over_sums",
]

Array = np.ndarray


def compile_table(
    estimator: Any,
    table: Table,
    y: Any,
    sample_weight: Any,
    groups: Any,
    offset: Any = None,
) -> Compiled:
    """Look the specification's columns up in a table and sum their products."""
    equations = equations_of(estimator.__dict__["random_effects"])
    check_factors(estimator, equations)
    refuse(estimator, equations, groups is not None, whole=True)
    refuse_of_table(estimator, equations)
    if structured(estimator):
        check_patterns(estimator, equations, sample_weight)
    roles = find_roles(estimator, table, equations, y, sample_weight, offset)
    table, summary, n_lost = complete_table(estimator, table, roles)
    table, weights = TableWeights.of(
        table, roles.levels, roles.weight, roles.level_weights, estimator.weight_scaling
    )
    sums = _sums_of(table, roles, summary, weights)
    columns, sums, gram = summed_columns(
        estimator, sums, summary, equations, len(roles.fixed)
    )
    name_columns(estimator, roles)
    laid, groups, products = _lay(estimator, roles, equations, columns, sums, gram)
    groups, products = weights.put(table, laid.compiled, groups, products)
    groups, products = cluster_table(
        estimator, roles.cluster, roles.levels, groups, products
    )
    if precise(estimator, roles.weight):
        groups = replace(groups, weights=None)
        products = replace(products, precision=log_weights(table, summary, roles))
    compiled = over_sums(estimator, roles, columns, laid, groups, products, n_lost)
    if roles.offset is not None:
        compiled = replace(compiled, offset_mean=summary.mean[roles.offset])
    return products.counted(compiled)


def _sums_of(
    table: Table, roles: Roles, summary: Summary, weights: TableWeights
) -> TableSums:
    """Sums of products of all numbers of complete rows, in units of their ranges."""
    raw = roles.raw
    centre, low, high = (
        np.array([each[name] for name in raw])
        for each in (summary.mean, summary.low, summary.high)
    )
    unit = np.maximum(high - centre, centre - low)
    unit = np.where(unit > 0, unit, 1.0)
    return TableSums(
        table,
        tuple(raw),
        tuple(roles.keys),
        weights.rows,
        centre,
        unit,
        summary.n,
        weights.total,
    )


def _lay(
    estimator: Any,
    roles: Roles,
    equations: list[RandomEffects],
    columns: TableColumns,
    sums: TableSums,
    gram: Array,
) -> tuple[Equations, Groups, TableProducts]:
    """The equations, the groups and the sums by group."""
    if roles.factors:
        return cross_table(equations, columns, sums, roles.levels, gram)
    if structured(estimator):
        return pattern_table(estimator, equations, columns, sums, *roles.levels)
    return nest_table(
        equations,
        columns,
        sums,
        roles.levels,
        gram,
        copies=estimator.weight_type == "frequency",
        here=needs_clusters(estimator) or sums.total_weight is not None,
    )


def log_weights(table: Table, summary: Summary, roles: Roles) -> tuple[float, float]:
    """Mean of the weights, and the sum of their logarithms."""
    assert roles.weight is not None
    log = nw.col(roles.weight).cast(nw.Float64).log().alias("log")
    total = table.one([nw.col("log").sum()], table.frame.select(log))
    return summary.mean[roles.weight], total["log"]


def name_columns(estimator: Any, roles: Roles) -> None:
    """Say what ``fit`` saw, as scikit-learn does."""
    estimator.feature_names_in_ = np.array(roles.columns, dtype=object)
    estimator.n_features_in_ = len(roles.columns)


def over_sums(
    estimator: Any,
    roles: Roles,
    columns: TableColumns,
    laid: Equations,
    groups: Groups,
    products: Products,
    n_lost: int,
) -> Compiled:
    """A design over sums of products, and the names that belong to it."""
    with_effects, compiled, numbers, weights = levels_with_effects(
        groups.levels, laid.compiled, groups.weights
    )
    design = Design(
        columns.X,
        columns.extra,
        np.empty(0),
        weights,
        bool(estimator.fit_intercept),
        with_effects,
        compiled,
        columns.moments,
        terms=lay_terms(groups.terms, laid.compiled),
        products=products,
    ).sorted()
    return Compiled(
        design,
        tuple(groups.encoders),
        numbers,
        tuple(roles.columns),
        tuple(roles.fixed),
        columns.kept,
        columns.extra_names,
        group_sizes(*groups.counted(estimator.weight_type), True),
        laid.empty,
        roles.y,
        np.zeros(0, dtype=np.intp),
        groups.clusters,
        columns.dependence,
        laid.factors,
        columns.means,
        n_lost,
    )


def complete_table(
    estimator: Any, table: Table, roles: Roles
) -> tuple[Table, Summary, int]:
    """The rows without missing values and of positive weight, and how many are left out.

    An offset has been taken from their response.

    Raises
    ------
    ValueError
        On missing values that are not allowed, infinite ones, negative weights, and
        where no rows are left.
    """
    summary = Summary.of(table, roles.numbers, roles.labels)
    infinite = [name for name, count in summary.infinite.items() if count]
    if infinite:
        raise ValueError(
            f"Input X contains infinity: the columns {infinite} have infinite values."
        )
    missing = {name: count for name, count in summary.missing.items() if count}
    if missing and estimator.missing != "drop":
        raise ValueError(
            f"Input X contains NaN: missing values by column are {missing}. Fill them in, "
            "or set missing='drop' to leave these rows out."
        )
    if not summary.n:
        raise ValueError(
            "Found array with 0 sample(s): the table has no rows, and a minimum of 1 is "
            "required."
        )
    keep = [~is_missing(table, name) for name in missing]
    keep += positive_weights(
        table, summary, roles.weight, roles.levels, roles.level_weights
    )
    if not keep:
        return *take_offset(table, summary, roles.y, roles.offset), 0
    kept = replace(table, frame=table.frame.filter(*keep))
    left = Summary.of(kept, roles.numbers, [])
    if not left.n:
        raise ValueError(
            "No rows are left after dropping those with missing values or weights of "
            "zero."
        )
    n_lost = summary.n - left.n
    return *take_offset(kept, left, roles.y, roles.offset), n_lost
