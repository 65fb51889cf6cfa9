"""From a lazy table to a frozen design over sums instead of rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np

from .._spec import RandomEffects, Residuals
from ..tables import GroupSums, Summary, Table, TableSums, is_missing
from ._compiled import Compiled
from ._design import Design, Level
from ._distributed import Distributed, DistributedProducts
from ._equations import (
    Equations,
    check_squares,
    columns_beside,
    dependence_of,
    lay_equations,
    levels_with_effects,
)
from ._fixed import NUMBERS, extra_names
from ._labels import Encoder
from ._moments import Moments
from ._products import Products
from ._table_products import (
    TableColumns,
    TableProducts,
    kept_by_sums,
    numbered_groups,
)
from ._validation import equation_names, equations_of
from ._variables import variables_in_X
from ._weights import group_sizes

__all__ = [
    "Groups",
    "Roles",
    "compile_table",
    "complete_table",
    "find_roles",
    "name_columns",
    "over_sums",
    "refuse",
]

Array = np.ndarray

READ = "Read the table into memory for it, or leave it out."


@dataclass(frozen=True, eq=False)
class Roles:
    """Which column of a table is what.

    Parameters
    ----------
    columns : list of str
        All but the response and the weight.
    fixed, extra : list of str
        Columns of the fixed part, and those with random coefficients besides.
    levels : list of str
        Top first; ``_all`` is no column.
    y : str
    weight : str or None
    """

    columns: list[str]
    fixed: list[str]
    extra: list[str]
    levels: list[str]
    y: str
    weight: str | None

    @property
    def raw(self) -> list[str]:
        """Columns of numbers, the response last."""
        return [*self.fixed, *self.extra, self.y]

    @property
    def numbers(self) -> list[str]:
        """The same with the weight."""
        return [*self.raw, *([] if self.weight is None else [self.weight])]

    @property
    def labels(self) -> list[str]:
        """Columns of labels."""
        return [name for name in self.levels if name != "_all"]


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
    refuse(estimator, equations, groups is not None)
    refuse_known_parts(estimator, offset)
    roles = find_roles(estimator, table, equations, y, sample_weight)
    table, summary, n_lost = complete_table(estimator, table, roles)
    columns, sums, gram = _columns(estimator, table, roles, summary, equations)
    laid = lay_equations(
        equations, equation_names(equations), columns, roles.levels, {}
    )
    name_columns(estimator, roles)
    places = {p for equation in laid.compiled for p in equation.positions}
    left = np.array(sorted({0, *places}), dtype=int)
    sent = (estimator, roles, columns, laid)
    got: GroupSums | None = None
    if roles.levels:
        there = Distributed.of(sums, roles.levels, laid.compiled, left, summary.n)
        if there is not None and there.stay:
            none = np.zeros((len(left), len(gram), 0))
            on_workers = DistributedProducts(
                summary.n, sums, gram, left, none, (), there.parts, there.reader
            )
            groups = Groups(there.levels, there.encoders, np.zeros(0))
            return there.counted(over_sums(*sent, groups, on_workers, n_lost))
        ordered = [int(a) for a in left]
        got = (
            sums.by_group(sums.centre, sums.standard, ordered)
            if there is None
            else there.collected()
        )
    groups, products = _in_memory(got, roles, len(left), len(gram))
    in_memory = TableProducts(
        summary.n, sums, gram, left, products, tuple(groups.encoders)
    )
    return over_sums(*sent, groups, in_memory, n_lost)


def _in_memory(
    got: GroupSums | None, roles: Roles, a: int, w: int
) -> tuple[Groups, Array]:
    """Groups with their sums, in the order of their numbers."""
    if got is None:
        return Groups([], [], np.zeros(0)), np.zeros((a, w, 0))
    levels, encoders, got = numbered_groups(got, roles.levels)
    sizes = got.n if roles.weight is None else got.sums[0, 0]
    return Groups(levels, encoders, sizes), got.sums


@dataclass(frozen=True, eq=False)
class Groups:
    """Levels over the lowest groups.

    Parameters
    ----------
    levels : list of Level
    encoders : list of Encoder
    sizes : ndarray of shape (G,)
        Of the lowest groups: rows, or sums of their weights.
    """

    levels: list[Level]
    encoders: list[Encoder]
    sizes: Array


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
    with_effects, compiled, numbers, _ = levels_with_effects(
        groups.levels, laid.compiled, None
    )
    design = Design(
        columns.X,
        columns.extra,
        np.empty(0),
        None if roles.weight is None else groups.sizes,
        bool(estimator.fit_intercept),
        with_effects,
        compiled,
        columns.moments,
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
        group_sizes(groups.levels, groups.sizes, True),
        laid.empty,
        roles.y,
        np.zeros(0, dtype=np.intp),
        None,
        columns.dependence,
        laid.factors,
        columns.means,
        n_lost,
    )


def refuse(
    estimator: Any,
    equations: Sequence[RandomEffects],
    groups: bool = False,
    *,
    where: str = "with a lazy table",
    way_out: str = READ,
) -> None:
    """What sums by group do not have."""
    residuals = estimator.residuals
    plain = Residuals().get_params()
    structured = residuals is not None and residuals.get_params() != plain
    crossed = any(e.factor is not None for e in equations)
    weighted = any(e.weight is not None for e in equations)
    reasons = {
        "groups= is not supported with a lazy table: its labels are columns of the "
        "table. Join them to it.": groups,
        f"residuals={residuals!r} needs rows, and is not supported {where}, of which "
        f"sums alone are kept. {way_out}": structured,
        f"Crossed factors (factor=) are not supported {where} yet. {way_out}": crossed,
        "Weights of groups (weight= of an equation) are not supported "
        f"{where} yet. {way_out}": weighted,
        f"vce={estimator.vce!r} is not supported {where} yet: a sandwich needs sums by "
        f"cluster that are not asked for. {way_out}": estimator.vce != "oim",
        f"weight_type='sampling' is not supported {where} yet: it implies robust "
        f"standard errors. {way_out}": estimator.weight_type == "sampling",
    }
    for reason, holds in reasons.items():
        if holds:
            raise NotImplementedError(reason)


def refuse_known_parts(
    estimator: Any,
    offset: Any = None,
    where: str = "with a lazy table yet",
    way_out: str = READ,
) -> None:
    """Precision weights and offsets, which belong to single rows."""
    if estimator.weight_type == "precision":
        raise NotImplementedError(
            f"weight_type='precision' is not supported {where}: its weights are no numbers "
            f"of copies, which the sums by group are made for. {way_out}"
        )
    if offset is not None or estimator.offset is not None:
        raise NotImplementedError(
            f"An offset is not supported {where}. Pass the response less the offset as y; "
            "predictions are then without it."
        )


def find_roles(
    estimator: Any,
    table: Table,
    equations: list[RandomEffects],
    y: Any,
    sample_weight: Any,
) -> Roles:
    """Look all names up."""
    y = table.require(y, "the response y")
    weight = None
    if sample_weight is not None:
        weight = table.require(sample_weight, "sample_weight")
    levels = list(dict.fromkeys(e.group for e in equations))
    for name in levels:
        if name != "_all":
            table.require(name, "the level")
    columns = [c for c in table.columns if c not in (y, weight)]
    special = variables_in_X(estimator, equations)
    fixed = estimator.fixed
    if isinstance(fixed, str):
        raise TypeError(
            f"fixed must be a list of column names or None, got the string {fixed!r}; "
            f"write fixed=[{fixed!r}]."
        )
    if fixed is None:
        fixed = [c for c in columns if c not in special]
    fixed = [table.require(name, "the column of fixed") for name in fixed]
    if len(set(fixed)) != len(fixed):
        raise ValueError(f"fixed names a column twice: {fixed}.")
    extra = extra_names(equations, fixed)
    for name in extra:
        table.require(name, "the random coefficient")
    if "_cons" in [*fixed, *extra]:
        raise ValueError(
            "A column is named '_cons', which is the name of the constant in all "
            "results; rename the column."
        )
    roles = Roles(columns, fixed, extra, levels, y, weight)
    _check_kinds(table, roles)
    return roles


def _check_kinds(table: Table, roles: Roles) -> None:
    """Numbers where numbers are wanted."""
    times = [name for name in roles.numbers if table.kind(name) == "times"]
    if times:
        raise ValueError(f"The columns {times} hold dates or times; {NUMBERS}")
    texts = [name for name in roles.numbers if table.kind(name) == "text"]
    if texts:
        raise ValueError(
            f"The columns {texts} hold text and no numbers. Columns that are no "
            "covariates are left out by fixed=[...], which names those that are; code a "
            "category as columns of zeros and ones."
        )


def complete_table(
    estimator: Any, table: Table, roles: Roles
) -> tuple[Table, Summary, int]:
    """The rows without missing values and of positive weight, and how many are left out.

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
    keep = [~is_missing(table, name) for name in missing]
    if roles.weight is not None:
        keep += _positive(summary, roles.weight)
    if not summary.n:
        raise ValueError(
            "Found array with 0 sample(s): the table has no rows, and a minimum of 1 is "
            "required."
        )
    if not keep:
        return table, summary, 0
    kept = replace(table, frame=table.frame.filter(*keep))
    left = Summary.of(kept, roles.numbers, [])
    if not left.n:
        raise ValueError(
            "No rows are left after dropping those with missing values or weights of "
            "zero."
        )
    return kept, left, summary.n - left.n


def _positive(summary: Summary, weight: str) -> list[nw.Expr]:
    """The condition that weights are positive, where one is zero."""
    if summary.low[weight] < 0:
        raise ValueError(
            f"The weights {weight!r} must be finite and not negative; the smallest is "
            f"{summary.low[weight]:g}."
        )
    if not summary.high[weight] > 0:
        raise ValueError(
            f"The weights {weight!r} are zero in all rows: one must be positive."
        )
    return [nw.col(weight) > 0] if summary.low[weight] == 0 else []


def _columns(
    estimator: Any,
    table: Table,
    roles: Roles,
    summary: Summary,
    equations: Sequence[RandomEffects],
) -> tuple[TableColumns, TableSums, Array]:
    """Raw columns without the collinear ones of the fixed part, and their sums."""
    raw, k, e = roles.raw, len(roles.fixed), len(roles.extra)
    centre = np.array([summary.mean[name] for name in raw])
    low, high = (
        np.array([each[n] for n in raw]) for each in (summary.low, summary.high)
    )
    unit = np.maximum(high - centre, centre - low)
    unit = np.where(unit > 0, unit, 1.0)
    sums = TableSums(table, tuple(raw), tuple(roles.labels), roles.weight, centre, unit)
    gram = sums.total(centre, sums.standard)
    with np.errstate(all="ignore"):
        moments = moments_of(gram, sums)
        largest = np.maximum(np.abs(low), np.abs(high))
        check_squares(raw[:-1], moments, lambda j: float(largest[j]))
    intercept = bool(estimator.fit_intercept)
    kept = kept_by_sums(sums, moments, np.arange(k), constant=intercept)
    dependence = dependence_of(moments, kept, constant=intercept)
    beside = columns_beside(raw[:-1], kept, equations)
    left = [*np.flatnonzero(kept).tolist(), *beside, k + e]
    at = np.array([0, *(1 + j for j in left)], dtype=int)
    sums = replace(
        sums, names=tuple(raw[j] for j in left), centre=centre[left], unit=unit[left]
    )
    columns = TableColumns(
        np.empty((0, int(kept.sum()))),
        np.empty((0, len(beside))),
        moments.take(left),
        kept,
        sums.names[:-1],
        None,
        dependence,
        moments.mean[:k],
        sums,
    )
    return columns, sums, gram[np.ix_(at, at)]


def moments_of(gram: Array, sums: TableSums) -> Moments:
    """Moments in the user's units."""
    standard = Moments.of_gram(gram, np.zeros(len(sums.unit)))
    return Moments(
        standard.n,
        sums.centre + sums.unit * standard.mean,
        standard.centred * np.outer(sums.unit, sums.unit),
    )
