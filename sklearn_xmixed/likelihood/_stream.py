"""The rows of a design in the pool's columns, in blocks that fit the cache."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from ..design._design import Design
from ._basis import Pool

__all__ = ["BLOCK_ROWS", "raw_blocks", "row_blocks"]

Array = np.ndarray

#: rows per block of the pass
BLOCK_ROWS = 8192


def row_blocks(
    design: Design, pool: Pool
) -> Iterator[tuple[int, int, Array, Array | slice]]:
    """Blocks of rows in group order: first and last position, W, row numbers.

    Rows with precision weights are divided by their standard deviations.
    """
    for start, stop, raw, rows in raw_blocks(design, pool):
        W = raw.T @ pool.matrix[1:]
        W += pool.matrix[0]
        if design.precision is not None:
            W *= np.sqrt(design.precision[rows])[:, None]
        yield start, stop, W, rows


def raw_blocks(
    design: Design, pool: Pool
) -> Iterator[tuple[int, int, Array, Array | slice]]:
    """The same with the raw columns less their shift, shape (k, rows), as they are."""
    n = design.n_rows
    columns = [*design.X.T, *design.extra.T, design.y]
    if design.starts is None:
        cuts = np.arange(0, n + BLOCK_ROWS, BLOCK_ROWS).clip(max=n)
    else:
        starts = design.starts
        at = np.searchsorted(starts, np.arange(BLOCK_ROWS, n, BLOCK_ROWS))
        cuts = np.concatenate([[0], starts[at], [n]])
    shift = pool.shift
    for start, stop in pairwise(cuts):
        if stop == start:
            continue
        rows = slice(start, stop) if design.order is None else design.order[start:stop]
        raw = np.empty((len(columns), stop - start))
        for j, column in enumerate(columns):
            np.subtract(column[rows], shift[j], out=raw[j])
        yield int(start), int(stop), raw, rows
