"""Linear hypotheses about the coefficients, redundant rows left out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .._results import Results
from ._combination import coefficients_only
from ._constraints import constraints_of
from ._symbols import Symbols
from ._wald import chi_square_test

__all__ = ["LinearHypothesis", "linear_hypothesis"]

Array = np.ndarray


def linear_hypothesis(results: Results, hypothesis: Any) -> LinearHypothesis:
    """A hypothesis as rows over the coefficients, redundant ones left out.

    Raises
    ------
    ValueError
        As ``wald_test``; if it is not linear, or is about more than coefficients.
    """
    symbols = Symbols(results)
    found = constraints_of(symbols, hypothesis, None)
    test = chi_square_test(symbols, found.R, found.gaps, found.words, found.linear)
    if not found.linear.all():
        word = found.words[int(np.argmin(found.linear))]
        raise ValueError(
            f"{word!r} is not linear in the coefficients. Write equations such as "
            "'x1 = x2' or 'x1 = 0.5'."
        )
    L = coefficients_only(results, found.R, found.words)
    kept = [k for k in range(len(L)) if k + 1 not in test.dropped]
    right = L @ np.nan_to_num(results.beta) - found.gaps
    return LinearHypothesis(L[kept], right[kept], test.constraints)


@dataclass(frozen=True, eq=False)
class LinearHypothesis:
    """L beta = value.

    Parameters
    ----------
    L : ndarray of shape (k, p)
        Over the coefficients in the order of ``coef_table``, linearly independent.
    value : ndarray of shape (k,)
    words : tuple of str
        The equations as they print.
    """

    L: Array
    value: Array
    words: tuple[str, ...]
