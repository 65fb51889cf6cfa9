"""Nested levels over a table, whose sums by group are here or on the workers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..._spec import RandomEffects
from ...tables import TableSums
from .._equations import Equations, lay_equations
from .._validation import equation_names
from ._distributed import Distributed, DistributedProducts
from ._memory import check_memory, count_of
from ._products import (
    Groups,
    TableColumns,
    TableProducts,
    group_table,
    numbered_groups,
)

__all__ = ["nest_table"]

Array = np.ndarray


def nest_table(
    equations: list[RandomEffects],
    columns: TableColumns,
    sums: TableSums,
    names: Sequence[str],
    gram: Array,
    *,
    copies: bool,
    here: bool,
) -> tuple[Equations, Groups, TableProducts]:
    """Nested levels, and the sums by their lowest groups.

    Parameters
    ----------
    names : sequence of str
        Levels, top first.
    gram : ndarray of shape (k + 1, k + 1)
        Of the standard columns, all rows.
    copies : bool
        Whether weights are numbers of equal rows.
    here : bool
        Whether the sums by group are needed in this process, however many they are.
    """
    laid = lay_equations(equations, equation_names(equations), columns, list(names), {})
    n, none = sums.n_rows, np.zeros(0)
    places = {p for equation in laid.compiled for p in equation.positions}
    left = np.array(sorted({0, *places}), dtype=int)
    no_sums = np.zeros((len(left), len(gram), 0))
    no_weights = None if sums.weight is None else none
    if not names:
        products = TableProducts(n, sums, gram, left, no_sums, ())
        return laid, Groups([], [], none, no_weights), products
    there = None
    if not here:
        there = Distributed.of(sums, names, laid.compiled, left, copies=copies)
    if there is not None and there.stay:
        groups = Groups(there.levels, there.encoders, none, no_weights)
        return (
            laid,
            groups,
            DistributedProducts(n, sums, gram, left, no_sums, (), there=there),
        )
    if there is None:
        check_memory(sums, sums.keys, count_of(len(left), len(gram)))
        levels, encoders, got = group_table(sums, names, left, gram)
    else:
        levels, encoders, got = numbered_groups(there.collected(), names)
    products = TableProducts(n, sums, gram, left, got.sums, tuple(encoders))
    weights = None if sums.weight is None else got.sums[0, 0]
    return laid, Groups(levels, encoders, got.n, weights), products
