"""From what the user passes to ``fit`` to a frozen design."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from .._spec import RandomEffects
from ..tables import Progress, Table
from ._clusters import Clusters, make_clusters
from ._compiled import Compiled
from ._design import Design, Level, total_weights
from ._encoder import Encoder
from ._equations import Columns, lay_equations, levels_with_effects
from ._factors import check_factors, compile_factors, lay_terms
from ._levels import make_levels
from ._validation import equation_names, equations_of
from ._variables import Variables
from ._weights import check_zeros, group_sizes, weigh
from .residuals._structure_checks import check_residuals
from .residuals._within import compile_residuals
from .table._compile import compile_table

__all__ = ["Compiled", "compile_design"]

Array = np.ndarray


def compile_design(
    estimator: Any,
    X: Any,
    y: Any,
    sample_weight: Any,
    groups: Any,
    offset: Any = None,
    watch: Callable[[str], None] | None = None,
) -> Compiled:
    """Validate the input of ``fit`` and lay the specification over it.

    ``watch`` is told of every pass over a table that is not in memory.
    """
    table = Table.of(X)
    if table is not None:
        if estimator.verbose or watch is not None:
            progress = Progress(watch, aloud=bool(estimator.verbose))
            table = replace(table, progress=progress)
        return compile_table(estimator, table, y, sample_weight, groups, offset)
    return _compile_rows(estimator, X, y, sample_weight, groups, offset)


def _compile_rows(estimator: Any, X: Any, y: Any, *others: Any) -> Compiled:
    """The same of rows in memory; others are weights, groups and offset."""
    equations, names = _equations(estimator)
    everything = Variables.read(estimator, equations, X, y, *others)
    rows = everything.complete(estimator)
    check_zeros(everything.labels, everything.level_weights, equations)
    levels, encoders = make_levels(rows.labels, rows.n_rows)
    precision, rows = _precision(estimator, rows)
    weights, levels, clusters = _weigh(estimator, rows, levels, encoders, equations)
    residual = compile_residuals(
        estimator.residuals,
        rows.residual,
        levels[-1].codes if levels else np.arange(rows.n_rows),
        encoders,
        weighted=weights is not None,
    )
    factors, terms = compile_factors(equations, names, rows.factors, levels)
    columns = Columns.of(
        rows,
        equations,
        intercept=bool(estimator.fit_intercept),
        **_of_moments(weights, levels, precision),
    )
    laid = lay_equations(equations, names, columns, list(rows.labels), factors)
    terms = lay_terms(terms, laid.compiled)
    with_effects, compiled, numbers, row_weights = levels_with_effects(
        levels, laid.compiled, weights
    )
    design = Design(
        columns.X,
        columns.extra,
        rows.y,
        row_weights,
        bool(estimator.fit_intercept),
        with_effects,
        compiled,
        columns.moments,
        residual=residual,
        terms=terms,
        precision=precision,
        offset=rows.offset,
    ).sorted()
    return Compiled(
        design,
        tuple(encoders),
        numbers,
        tuple(rows.columns),
        tuple(rows.fixed_names),
        columns.kept,
        columns.extra_names,
        group_sizes(levels, weights, estimator.weight_type != "sampling"),
        laid.empty,
        _name_of(y),
        rows.dropped,
        clusters,
        columns.dependence,
        laid.factors,
        # weights that say how exact a row is do not count it
        columns.means if precision is None else rows.X.mean(axis=0),
        categories=rows.counted_categories(),
        offset_mean=None if rows.offset is None else float(rows.offset.mean()),
    )


def _name_of(y: Any) -> str:
    name = getattr(y, "name", None)
    return name if isinstance(name, str) else "y"


def _equations(estimator: Any) -> tuple[list[RandomEffects], list[str]]:
    """The equations, checked, and their names."""
    equations = equations_of(estimator.__dict__["random_effects"])
    names = equation_names(equations)
    if estimator.residuals is not None:
        check_residuals(estimator.residuals, equations)
    check_factors(estimator, equations)
    return equations, names


def _of_moments(
    weights: Array | None, levels: list[Level], precision: Array | None
) -> dict[str, Array | None]:
    """Weights of the rows, and those times their groups', that moments are taken with."""
    if precision is not None:
        return {"weights": precision, "totals": precision}
    return {"weights": weights, "totals": total_weights(weights, levels)}


def _precision(estimator: Any, rows: Variables) -> tuple[Array | None, Variables]:
    """Precision weights, which are no copies of rows; the rows without them."""
    if estimator.weight_type != "precision":
        return None, rows
    return rows.weights, replace(rows, weights=None)


def _weigh(
    estimator: Any,
    rows: Variables,
    levels: list[Level],
    encoders: list[Encoder],
    equations: list[RandomEffects],
) -> tuple[Array | None, list[Level], Clusters | None]:
    """Weights of rows, levels with theirs, and the clusters of robust errors."""
    weights, levels = weigh(
        estimator.weight_scaling,
        rows.weights,
        rows.level_weights,
        levels,
        encoders,
        equations,
    )
    clusters = make_clusters(
        estimator, rows.clusters, levels, encoders, rows.n_rows, weights
    )
    return weights, levels, clusters
