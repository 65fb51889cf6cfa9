"""From a lazy table to a frozen design over sums instead of rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np

from .._spec import RandomEffects
from ..tables import Summary, Table, TableSums, is_missing
from ._clusters import CORRECTED
from ._compiled import Compiled
from ._design import Design
from ._equations import Equations, levels_with_effects
from ._factors import check_factors, lay_terms
from ._fixed import NUMBERS, extra_names
from ._offset import offset_name, take_offset
from ._products import Products
from ._table_clusters import cluster_table
from ._table_columns import summed_columns
from ._table_crossing import cross_table
from ._table_nesting import nest_table
from ._table_patterns import check_patterns, pattern_table
from ._table_products import Groups, TableColumns, TableProducts
from ._table_weights import TableWeights, positive_weights
from ._validation import equations_of
from ._variables import variables_in_X
from ._weights import group_sizes, level_weight_names

__all__ = [
    "Roles",
    "compile_table",
    "complete_table",
    "find_roles",
    "log_weights",
    "name_columns",
    "needs_clusters",
    "over_sums",
    "precise",
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
    factors : tuple of str
    cluster : str or None
        Labels of the clusters of robust errors.
    offset : str or None
        What is taken from the response.
    level_weights : dict of str to str
        Weights of the levels that have them.
    within : tuple of str
        Variables of structured residuals.
    """

    columns: list[str]
    fixed: list[str]
    extra: list[str]
    levels: list[str]
    y: str
    weight: str | None
    factors: tuple[str, ...] = ()
    cluster: str | None = None
    offset: str | None = None
    level_weights: dict[str, str] = field(default_factory=dict)
    within: tuple[str, ...] = ()

    @property
    def raw(self) -> list[str]:
        """Columns of numbers, the response last."""
        return [*self.fixed, *self.extra, self.y]

    @property
    def numbers(self) -> list[str]:
        """The same with the weights and the offset."""
        beside = (self.weight, self.offset, *self.level_weights.values())
        return [*self.raw, *(name for name in beside if name is not None)]

    @property
    def keys(self) -> list[str]:
        """Columns of the levels' labels."""
        return [name for name in self.levels if name != "_all"]

    @property
    def labels(self) -> list[str]:
        """Columns of all labels."""
        cluster = [] if self.cluster is None else [self.cluster]
        own = [*self.keys, *self.factors, *cluster, *self.within]
        return [name for name in dict.fromkeys(own) if name not in self.numbers]


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
    _refuse_of_table(estimator, equations)
    if _structured(estimator):
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
    if _structured(estimator):
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


def _structured(estimator: Any) -> bool:
    """Whether residuals have a structure, which rows of whole groups are read for."""
    return estimator.residuals is not None and not estimator.residuals.white


def needs_clusters(estimator: Any) -> bool:
    """Whether scores by cluster are wanted, which need all groups in this process."""
    return estimator.vce != "oim" or estimator.weight_type == "sampling"


def precise(estimator: Any, weight: str | None) -> bool:
    """Whether there are weights that say how exact rows are."""
    return estimator.weight_type == "precision" and weight is not None


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


def refuse(
    estimator: Any,
    equations: Sequence[RandomEffects],
    groups: bool = False,
    *,
    where: str = "with a lazy table",
    way_out: str = READ,
    whole: bool = False,
) -> None:
    """What sums by group do not have.

    Parameters
    ----------
    whole : bool
        Whether rows can be read by whole groups, for structured residuals.
    """
    residuals = estimator.residuals
    structured = _structured(estimator) and not whole
    reasons = {
        "groups= is not supported with a lazy table: its labels are columns of the "
        "table. Join them to it.": groups,
        f"residuals={residuals!r} needs rows of whole groups, and is not supported "
        f"{where}, of which sums by group alone are kept. {way_out} fit takes a lazy "
        "table with them, which it reads by whole groups.": structured,
    }
    for reason, holds in reasons.items():
        if holds:
            raise NotImplementedError(reason)


def _refuse_of_table(estimator: Any, equations: Sequence[RandomEffects]) -> None:
    """What needs more of a table than sums by group and by cluster."""
    vce, sampling = estimator.vce, estimator.weight_type == "sampling"
    robust = vce != "oim" or sampling
    what = f"vce={vce!r}" if vce != "oim" else "weight_type='sampling'"
    factors = any(e.factor is not None for e in equations)
    precise = estimator.weight_type == "precision"
    reasons = {
        f"vce={vce!r} is not supported with a lazy table and weight_type='precision': a "
        "root of the covariance matrix of a cluster's rows is not the same after these "
        "were divided by their standard deviations, as they are in sums. Use vce='CR1' "
        f"or 'CR3'. {READ}": vce == "CR2" and precise,
        f"vce={vce!r} is not supported with a lazy table and factors (factor=): it corrects "
        "by matrices of all rows of a cluster. Use vce='robust' or 'cluster', for which "
        f"sums by cluster suffice. {READ}": factors and vce in CORRECTED,
        f"{what} without random effects makes every row a cluster, whose sums are the "
        "rows. Name a column of clusters, cluster=... (with vce='cluster' in place of "
        "'robust'); or read the table into memory.": robust
        and not equations
        and estimator.cluster is None,
    }
    for reason, holds in reasons.items():
        if holds:
            raise NotImplementedError(reason)


def find_roles(
    estimator: Any,
    table: Table,
    equations: list[RandomEffects],
    y: Any,
    sample_weight: Any,
    offset: Any = None,
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
    factors = tuple(dict.fromkeys(e.factor for e in equations if e.factor is not None))
    for name in factors:
        table.require(name, "the factor")
    known = offset_name(estimator.offset, table, offset, y)
    own = (y, weight, None if offset is None else known)
    columns = [c for c in table.columns if c not in own]
    fixed = _fixed_columns(estimator, table, equations, columns)
    extra = extra_names(equations, fixed)
    for name in extra:
        table.require(name, "the random coefficient")
    if "_cons" in [*fixed, *extra]:
        raise ValueError(
            "A column is named '_cons', which is the name of the constant in all "
            "results; rename the column."
        )
    cluster = None
    if estimator.vce == "cluster" or (
        estimator.vce in CORRECTED and estimator.cluster is not None
    ):
        cluster = table.require(estimator.cluster, "the cluster variable")
    within: tuple[str, ...] = ()
    if _structured(estimator):
        within = tuple(
            table.require(name, f"the {role} variable of residuals")
            for role, name in estimator.residuals.variables.items()
        )
    precision = estimator.weight_type == "precision"
    of_levels = level_weight_names(equations, precision=precision)
    for level, name in of_levels.items():
        table.require(name, f"the weight of level {level!r}")
    roles = Roles(
        columns,
        fixed,
        extra,
        levels,
        y,
        weight,
        factors,
        cluster,
        known,
        of_levels,
        within,
    )
    _check_kinds(table, roles, coded=estimator.categorical != "raise")
    return roles


def _fixed_columns(
    estimator: Any,
    table: Table,
    equations: Sequence[RandomEffects],
    columns: Sequence[str],
) -> list[str]:
    """Those of the fixed part: all that have no other role where none are named."""
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
    return fixed


def _check_kinds(table: Table, roles: Roles, *, coded: bool) -> None:
    """Numbers where numbers are wanted."""
    times = [name for name in roles.numbers if table.kind(name) == "times"]
    if times:
        raise ValueError(f"The columns {times} hold dates or times; {NUMBERS}")
    texts = [name for name in roles.numbers if table.kind(name) == "text"]
    if coded and set(texts) & set(roles.fixed):
        raise NotImplementedError(
            f"categorical='treatment' does not code columns of a lazy table yet, and "
            f"{texts} hold text. Let the engine make columns of zeros and ones, in SQL "
            "(color = 'red')::INT, or read the table into memory."
        )
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
