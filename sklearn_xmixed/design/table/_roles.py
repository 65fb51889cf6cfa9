"""Which column of a table is what."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ..._spec import RandomEffects
from ...tables import Table
from .._clusters import CORRECTED
from .._fixed import NUMBERS, extra_names
from .._offset import offset_name
from .._variables import variables_in_X
from .._weights import level_weight_names
from ._refusals import structured

__all__ = ["Roles", "find_roles"]


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
    if structured(estimator):
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
