"""Constraints: names, equations and matrices as rows over the estimates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ._dual import Dual
from ._expression import Equation, read_equations
from ._symbols import Symbols

__all__ = ["Constraints", "constraints_of"]

Array = np.ndarray


def constraints_of(symbols: Symbols, hypothesis: Any, value: Any) -> Constraints:
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
class Constraints:
    """Equations R theta = value, with the gaps R theta - value at the estimates."""

    R: Array
    gaps: Array
    words: list[str]
    linear: Array


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
