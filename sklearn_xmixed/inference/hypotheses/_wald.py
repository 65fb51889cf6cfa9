"""Wald tests of hypotheses about the estimates."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import chdtrc

from .._reference import Reference
from .._results import Results
from ._combination import coefficients_only
from ._constraints import Constraints, constraints_of
from ._symbols import Symbols
from ._wald_tests import WaldFTest, WaldTest

__all__ = ["chi_square_test", "wald_test"]

Array = np.ndarray
#: a constraint of unit size that adds less than this to those before it is dropped
REDUNDANT = 1e-9


def wald_test(
    results: Results,
    hypothesis: Any,
    value: Any = None,
    reference: Reference | None = None,
) -> WaldTest | WaldFTest:
    """Test equations between estimates.

    See ``MixedLinearRegressor.wald_test``.
    """
    symbols = Symbols(results)
    return _referred(symbols, constraints_of(symbols, hypothesis, value), reference)


def _referred(
    symbols: Symbols, constraints: Constraints, reference: Reference | None
) -> WaldTest | WaldFTest:
    test = chi_square_test(
        symbols,
        constraints.R,
        constraints.gaps,
        constraints.words,
        constraints.linear,
    )
    if reference is None:
        return test
    if not constraints.linear.all():
        word = constraints.words[int(np.argmin(constraints.linear))]
        raise ValueError(
            f"{word!r} is not linear in the coefficients, and degrees of freedom for "
            "small samples are those of linear hypotheses. Use df='asymptotic' for it."
        )
    L = coefficients_only(symbols.results, constraints.R, constraints.words)
    kept = [k for k in range(len(L)) if k + 1 not in test.dropped]
    found = reference.test(L[kept], constraints.gaps[kept])
    return WaldFTest(
        found.f_value,
        found.df,
        found.df_denom,
        found.p_value,
        found.scale,
        reference.method,
        test.constraints,
        test.dropped,
    )


def chi_square_test(
    symbols: Symbols, R: Array, gaps: Array, words: list[str], linear: Array
) -> WaldTest:
    """The statistic, with redundant constraints left out."""
    used = np.flatnonzero(R.any(axis=0))
    V = symbols.vcov[np.ix_(used, used)]
    values, vectors = np.linalg.eigh(V)
    half = R[:, used] @ (vectors * np.sqrt(values.clip(0.0)))
    sizes = np.abs(R[:, used]) @ np.sqrt(np.diagonal(V))
    basis: list[Array] = []  # orthonormal rows
    z: list[float] = []  # the gaps in this basis
    dropped = []
    for k, row in enumerate(half):
        left, gap = row.copy(), float(gaps[k])
        for b, g in zip(basis, z, strict=True):
            along = left @ b
            left, gap = left - along * b, gap - along * g
        size = float(np.sqrt(left @ left))
        if size > REDUNDANT * max(sizes[k], np.finfo(float).tiny):
            # once more, for orthogonality to rounding
            for b, g in zip(basis, z, strict=True):
                along = left @ b
                left, gap = left - along * b, gap - along * g
            size = float(np.sqrt(left @ left))
            basis.append(left / size)
            z.append(gap / size)
            continue
        dropped.append(k + 1)
        scale = abs(gaps[k]) + sum(abs(g) for g in z) * max(sizes[k], 1e-300)
        if linear[k] and abs(gap) > 1e-7 * max(scale, np.finfo(float).tiny):
            raise ValueError(
                f"Constraint {k + 1}, {words[k]}, contradicts the others or the "
                "omission of a collinear column."
            )
    if not basis:
        gone = [n for n in symbols.results.omitted if any(n in word for word in words)]
        why = f" {', '.join(gone)} was omitted because of collinearity." if gone else ""
        raise ValueError(f"Nothing is left to test: {'; '.join(words)}.{why}")
    chi2 = float(np.sum(np.square(z)))
    df = len(basis)
    return WaldTest(chi2, df, float(chdtrc(df, chi2)), tuple(words), tuple(dropped))
