"""Scores by cluster where factors cross below the top level."""

from __future__ import annotations

import numpy as np

from ...design._design import Design
from .._basis import Pool
from .._pieces import Root
from .._scores import Effects, Scores, by_rows, less_taken, of_groups, summed
from .._stream import raw_blocks
from ._elimination import Elimination

__all__ = ["crossed_scores"]

Array = np.ndarray


def crossed_scores(
    design: Design,
    pool: Pool,
    sweep: Elimination,
    D: list[Array],
    root: Root,
    sigma2: float,
    clusters: Array,
) -> Scores:
    """The same where factors cross below the top level.

    Parameters
    ----------
    sweep : Elimination
        At D.
    """
    M = int(clusters.max()) + 1
    levels = design.levels[::-1]
    members = pool.members
    effects, nodes = [], []
    codes_of = [*(level.codes for level in levels), *(t.codes for t in design.terms)]
    owners = [of_groups(level.codes, clusters) for level in levels]
    owners += [
        of_groups(t.codes, clusters) if t.within is None else clusters[t.within]
        for t in design.terms
    ]
    taken = []
    for t, (codes, columns) in enumerate(zip(codes_of, members, strict=True)):
        e = sweep.E(t, root.v[:, None])[:, :, 0].T
        u = D[t] @ e
        if design.products is None:
            effects.append(Effects(codes, columns, u))
        else:
            taken.append((np.einsum("gqm,qg->mg", sweep.x.with_top(t), u), owners[t]))
        weight = sweep.T(t).transpose(1, 2, 0) - e[:, None] * (e / sigma2)[None]
        nodes.append(summed(weight, owners[t], M))
    if design.products is not None:
        parts = less_taken(design, pool, root.v, taken)
        return Scores(*parts, nodes, np.empty((M, 0)))
    stream = raw_blocks(design, pool)
    x, c, n = by_rows(
        design, stream, pool.matrix, root.v, effects, clusters, M, design.precision
    )
    return Scores(x, c, n, nodes, np.empty((M, 0)))
