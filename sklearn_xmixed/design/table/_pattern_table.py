"""Structured residuals of a table: its groups by pattern, read batch by batch."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from ..._spec import RandomEffects
from ...tables import TableSums, WholeGroups
from .._design import Level
from .._encoder import Encoder
from .._equations import Equations, lay_equations
from .._validation import equation_names
from ..residuals._structure_checks import check_residuals
from ._batch_reader import BatchReader
from ._pattern_products import PatternBasis, PatternProducts
from ._patterns import Pattern, PatternLimitError, PatternSums
from ._products import Groups, TableColumns

__all__ = ["check_patterns", "pattern_table"]

Array = np.ndarray

WAY_OUT = (
    "Read whole groups into memory, all or a sample of them, and fit to these: that is a "
    "data set of the same model."
)


def check_patterns(
    estimator: Any, equations: Sequence[RandomEffects], weight: str | None
) -> None:
    """Refuse what patterns of one level do not have."""
    residuals = estimator.residuals
    check_residuals(residuals, equations)
    levels = list(dict.fromkeys(e.group for e in equations))
    what = f"residuals={residuals!r} of a lazy table"
    one = (
        "Rows are read by whole groups of one level, which is that of the residuals "
        f"and of all random effects. {WAY_OUT}"
    )
    vce = "robust" if estimator.weight_type == "sampling" else estimator.vce
    reasons = {
        f"{what} without groups is not supported: every row would be read. Name "
        "groups without random effects, RandomEffects(group, intercept=False); or read "
        "the table into memory.": not levels,
        f"{what} with the levels {levels} is not supported. {one}": len(levels) > 1,
        f"{what} with the level '_all' is not supported: its one group has all "
        f"rows. {one}": levels == ["_all"],
        f"{what} with weights (sample_weight={weight!r}) is not supported. "
        f"{WAY_OUT}": weight is not None,
        f"{what} with weights of groups (weight= of an equation) is not supported. "
        f"{WAY_OUT}": any(e.weight is not None for e in equations),
        f"{what} with vce={vce!r} is not supported: the score of a cluster needs its "
        f"rows, of which sums by pattern alone are kept. Use vce='oim'. "
        f"{WAY_OUT}": vce != "oim",
    }
    for reason, holds in reasons.items():
        if holds:
            raise NotImplementedError(reason)


def pattern_table(
    estimator: Any,
    equations: list[RandomEffects],
    columns: TableColumns,
    sums: TableSums,
    level: str,
) -> tuple[Equations, Groups, PatternProducts]:
    """The equations, stand-ins for the groups, and their sums of products.

    Parameters
    ----------
    level : str
        Of the groups, which is the only one.
    """
    laid = lay_equations(equations, equation_names(equations), columns, [level], {})
    places = {p - 1 for equation in laid.compiled for p in equation.positions if p}
    basis = PatternBasis.of(
        columns.moments,
        int(columns.kept.sum()),
        intercept=bool(estimator.fit_intercept),
    )
    groups = WholeGroups.of(sums.table, level)
    reader = BatchReader(
        estimator.residuals, sums.names, basis, np.array(sorted(places), dtype=int)
    )
    found, labels = PatternSums(), []
    try:
        for batch in reader.batches(groups):
            found.add(batch)
            labels.append(np.asarray(batch.labels))
    except PatternLimitError as limit:
        reader.within(found.patterns, level)  # what is wrong with the times comes first
        raise NotImplementedError(
            f"residuals={estimator.residuals!r} of a lazy table takes groups that share "
            f"{reader.shared}, and the table has {limit}. {WAY_OUT} Fewer patterns, by "
            "rounded times say, would do as well."
        ) from None
    within = reader.within(found.patterns, level)
    rows, code = _repeated(within.codes, found.patterns)
    n = int(code.max()) + 1
    levels = [Level(level, code, n, np.zeros(n, dtype=np.intp))]
    encoder = Encoder(level, np.concatenate(labels), np.arange(groups.n_groups))
    products = PatternProducts(
        sums.n_rows,
        sums,
        np.zeros((0, 0)),
        np.zeros(0, dtype=int),
        np.zeros((0, 0, 0)),
        (),
        found=found,
        read=partial(reader.batches, groups),
        basis=basis,
        own=reader.own,
        within=within.take(rows, code),
        shown=(level, groups.sizes, groups.copies),
    )
    return laid, Groups(levels, [encoder], np.ones(len(code)), None), products


def _repeated(code: Array, patterns: Sequence[Pattern]) -> tuple[Array, Array]:
    """Rows of one group of each pattern, once for every stand-in, and whose they are."""
    rows, codes, first = [], [], 0
    starts = np.searchsorted(code, np.arange(len(patterns)))
    for start, pattern in zip(starts, patterns, strict=True):
        g, s = pattern.n_stand_ins, pattern.size
        rows.append(np.tile(start + np.arange(s), g))
        codes.append(first + np.repeat(np.arange(g), s))
        first += g
    return np.concatenate(rows), np.concatenate(codes)
