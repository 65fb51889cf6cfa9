"""EM iterations on the covariance matrices."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

import numpy as np

from ._state import Array, Iteration

__all__ = ["em"]


class MissingData(Protocol):
    """What EM needs to know about a model."""

    def em_step(self, D_blocks: list[Array]) -> tuple[float, list[Array]]:
        """Value at D and the next D."""
        ...


def em(
    problem: MissingData,
    D_blocks: list[Array],
    *,
    max_iter: int,
    tol: float,
    watch: Callable[[Iteration, list[Array]], bool] | None = None,
) -> tuple[list[Array], bool, list[Iteration]]:
    """Iterate until the value changes by less than ``tol`` relative to its size.

    Returns
    -------
    D_blocks : list of ndarray
        The last iterate.
    converged : bool
    log : list of Iteration
    """
    log: list[Iteration] = []
    last, converged = np.inf, False
    for number in range(max_iter):
        value, new = problem.em_step(D_blocks)
        change = abs(last - value) / (abs(value) + 1e-300) if np.isfinite(last) else 1.0
        line = Iteration("em", number, value, change)
        log.append(line)
        converged = change < tol
        if watch is not None and watch(line, D_blocks):
            log[-1] = replace(line, note="stopped")
            break
        if not np.isfinite(value):
            break
        last, D_blocks = value, new
        if converged:
            break
    return D_blocks, bool(converged), log
