"""Wald tests of hypotheses about the estimates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import chdtrc

from ._combination import coefficients_only
from ._dual import Dual
from ._expression import Equation, read_equations
from ._reference import Reference
from ._results import Results
from ._symbols import Symbols

__all__ = [
    "LinearHypothesis",
    "WaldFTest",
    "WaldTest",
    "linear_hypothesis",
    "wald_test",
]

Array = np.ndarray

#: a constraint of unit size that adds less than this to those before it is dropped
REDUNDANT = 1e-9


@dataclass(frozen=True)
class WaldTest:
    """A Wald test.

    Attributes
    ----------
    chi2 : float
    df : int
        Number of constraints that are not redundant.
    p_value : float
    constraints : tuple of str
        What was tested.
    dropped : tuple of int
        Constraints, counted from 1, that follow from others or bear on omitted
        coefficients alone.
    """

    chi2: float
    df: int
    p_value: float
    constraints: tuple[str, ...]
    dropped: tuple[int, ...] = ()

    def __str__(self) -> str:
        return "\n".join(
            [
                *_constraint_lines(self.constraints, self.dropped),
                "",
                f"           chi2({self.df:3d}) = {self.chi2:8.2f}",
                f"         Prob > chi2 = {self.p_value:9.4f}",
            ]
        )


@dataclass(frozen=True)
class WaldFTest:
    """A Wald test that refers to a small sample.

    Attributes
    ----------
    f_value : float
    df : int
        Number of constraints that are not redundant.
    df_denom : float
        Denominator degrees of freedom.
    p_value : float
    scale : float
        Factor by which the Wald statistic over ``df`` was multiplied.
    method : str
        How the degrees of freedom were found.
    constraints : tuple of str
        What was tested.
    dropped : tuple of int
        Constraints, counted from 1, that follow from others or bear on omitted
        coefficients alone.
    """

    f_value: float
    df: int
    df_denom: float
    p_value: float
    scale: float
    method: str
    constraints: tuple[str, ...]
    dropped: tuple[int, ...] = ()

    def __str__(self) -> str:
        name = f"F({self.df:3d},{self.df_denom:8.2f})"
        return "\n".join(
            [
                *_constraint_lines(self.constraints, self.dropped),
                "",
                f"{name:>22} = {self.f_value:8.2f}",
                f"{'Prob > F':>22} = {self.p_value:9.4f}",
            ]
        )


def _constraint_lines(constraints: Sequence[str], dropped: Sequence[int]) -> list[str]:
    lines = [f" ({k:2d})  {text}" for k, text in enumerate(constraints, 1)]
    return lines + [f"       Constraint {k} dropped" for k in dropped]


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
    return _referred(symbols, _constraints(symbols, hypothesis, value), reference)


def linear_hypothesis(results: Results, hypothesis: Any) -> LinearHypothesis:
    """A hypothesis as rows over the coefficients, redundant ones left out.

    Raises
    ------
    ValueError
        As ``wald_test``; if it is not linear, or is about more than coefficients.
    """
    symbols = Symbols(results)
    found = _constraints(symbols, hypothesis, None)
    test = _test(symbols, found.R, found.gaps, found.words, found.linear)
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


def _constraints(symbols: Symbols, hypothesis: Any, value: Any) -> Constraints:
    """Equations of any form."""
    if isinstance(hypothesis, str):
        hypothesis = [hypothesis]
    if isinstance(hypothesis, Sequence) and all(
        isinstance(text, str) for text in hypothesis
    ):
        if value is not None:
            raise ValueError(
                "value goes with a matrix; write the right-hand side into the equation: "
                "'x1 + x2 = 1'."
            )
        if not len(hypothesis):
            raise ValueError("There is no hypothesis to test.")
        equations = [e for text in hypothesis for e in read_equations(text, symbols)]
        duals = [_difference(equation, symbols) for equation in equations]
        words = [
            _in_words(dual, symbols) if dual.degree == 1 else equation.text
            for dual, equation in zip(duals, equations, strict=True)
        ]
        gaps = np.array([dual.value for dual in duals])
        R = np.array([dual.slope for dual in duals])
        linear = np.array([dual.degree < 2 for dual in duals])
        return Constraints(R, gaps, words, linear)
    R, right = _matrix(symbols, hypothesis, value)
    gaps = R @ _finite(symbols) - right
    words = [
        _in_words(Dual(gap, row, 1), symbols) for gap, row in zip(gaps, R, strict=True)
    ]
    all_linear = np.ones(len(R), dtype=bool)
    return Constraints(R, gaps, words, all_linear)


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


@dataclass(frozen=True, eq=False)
class Constraints:
    """Equations R theta = value, with the gaps R theta - value at the estimates."""

    R: Array
    gaps: Array
    words: list[str]
    linear: Array


def _referred(
    symbols: Symbols, constraints: Constraints, reference: Reference | None
) -> WaldTest | WaldFTest:
    test = _test(
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


def _difference(equation: Equation, symbols: Symbols) -> Dual:
    """Left minus right, refused where the null is a variance of zero."""
    left = equation.left.evaluate(symbols)
    right = Dual.constant(0.0, symbols.size)
    if equation.right is not None:
        right = equation.right.evaluate(symbols)
    for one, side, other in (
        (equation.left, left, right),
        (equation.right, right, left),
    ):
        number = None if one is None else one.single
        if number is None or other.degree or other.value != 0:
            continue
        symbol = symbols.symbols[number]
        parameter = _parameter(symbols, number)
        variance = parameter is not None and parameter.kind in ("sd", "residual")
        if variance and symbol.metric in ("sd", "variance") and side.degree:
            raise ValueError(
                f"{symbol.equation}: {symbol.name} = 0 lies on the boundary of what a "
                "variance can be, where the Wald statistic has no chi2 distribution. "
                "Fit the model without it and compare the two by lrtest."
            )
    dual = left - right
    if not dual.degree:
        raise ValueError(f"The equation {equation.text!r} has no estimate in it.")
    used = equation.left.used + ([] if equation.right is None else equation.right.used)
    lost = symbols.lost(used)
    if lost:
        raise ValueError(_no_error(symbols, [f"{s.equation}: {s.name}" for s in lost]))
    return dual


def _parameter(symbols: Symbols, number: int) -> Any:
    symbol = symbols.symbols[number]
    p = len(symbols.results.beta)
    return symbols.results.parameters[symbol.place - p] if symbol.metric else None


def _no_error(symbols: Symbols, names: list[str]) -> str:
    if not symbols.results.std_errors:
        why = "The fit was asked for none (std_errors=False or em_only=True)."
    elif symbols.results.boundary:
        why = "The estimate is on the boundary of its range."
    else:
        why = "The model is not identified; see results_.message."
    return f"{', '.join(names)} has no standard error, so there is no Wald test. {why}"


def _in_words(dual: Dual, symbols: Symbols) -> str:
    """A linear constraint as the manual prints it."""
    labels: dict[int, str] = {}
    for symbol in symbols.symbols:
        if symbol.metric in ("", "estimation"):
            labels.setdefault(symbol.place, symbol.label)
    text = ""
    for place in np.flatnonzero(dual.slope):
        factor = float(dual.slope[place])
        sign = (" - " if factor < 0 else " + ") if text else ("-" if factor < 0 else "")
        size = "" if abs(factor) == 1 else f"{abs(factor):g}*"
        text += f"{sign}{size}{labels[int(place)]}"
    estimates = _finite(symbols)
    right = float(dual.slope @ estimates - dual.value)
    scale = np.abs(dual.slope * estimates).sum() + abs(dual.value)
    right = 0.0 if abs(right) < 1e-12 * scale else right
    return f"{text or '0'} = {right:.10g}"


def _finite(symbols: Symbols) -> Array:
    """All estimates, zero for those that no constraint can be about."""
    estimates = symbols.results.params.to_numpy()
    return np.where(np.isfinite(estimates), estimates, 0.0)


def _matrix(symbols: Symbols, hypothesis: Any, value: Any) -> tuple[Array, Array]:
    """Rows of a matrix as constraints on all parameters."""
    results = symbols.results
    p, size = len(results.beta), symbols.size
    if isinstance(hypothesis, pd.DataFrame):
        given = np.asarray(hypothesis, dtype=float)
        rows = np.zeros((len(given), size))
        for j, name in enumerate(hypothesis.columns):
            equation, _, word = str(name).rpartition(":")
            number = symbols.find(str(name))
            if number is None and equation:
                number = symbols.find(word, equation)
            if number is None or symbols.symbols[number].metric in ("sd", "variance"):
                raise ValueError(
                    f"Column {name!r} of the matrix is no estimate. Its columns may be "
                    f"{list(results.fixed_names)}."
                )
            rows[:, symbols.symbols[number].place] += given[:, j]
    else:
        try:
            given = np.atleast_2d(np.array(hypothesis).astype(float, casting="safe"))
        except (TypeError, ValueError):
            raise TypeError(
                "A hypothesis is an equation such as 'x1 = x2', a list of these, or a "
                f"matrix of numbers with a row per constraint; got {hypothesis!r}."
            ) from None
        if given.ndim != 2 or given.shape[1] not in (p, size):
            raise ValueError(
                f"The matrix of a hypothesis needs one column per coefficient, {p} "
                f"({', '.join(results.fixed_names)}), or per parameter of vcov(), "
                f"{size}; got shape {np.shape(hypothesis)}."
            )
        rows = np.zeros((len(given), size))
        rows[:, : given.shape[1]] = given
    if not len(rows):
        raise ValueError("There is no hypothesis to test.")
    if not np.isfinite(rows).all():
        raise ValueError("The matrix of a hypothesis has values that are not finite.")
    right = np.zeros(len(rows)) if value is None else np.asarray(value, dtype=float)
    if right.ndim > 1 or right.size not in (1, len(rows)):
        raise ValueError(
            f"value needs one number, or one per row of the matrix ({len(rows)}); got "
            f"{value!r}."
        )
    lost = rows.any(axis=0) & np.isnan(np.diagonal(symbols.vcov))
    if lost.any():
        index = [": ".join(name) for name in results.params.index[lost]]
        raise ValueError(_no_error(symbols, index))
    return rows, np.broadcast_to(right, len(rows)).astype(float)


def _test(
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
