"""Linear and nonlinear combinations of estimates by the delta method."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from ...exceptions import MixedModelWarning
from .._confidence_level import check_level
from .._reference import Reference
from .._results import Results
from .._student_t import t_p_value, t_quantile
from ._expression import read
from ._symbols import Symbols

__all__ = ["coefficients_only", "combine"]

Array = np.ndarray


def combine(
    results: Results,
    expressions: Any,
    confidence_level: float,
    *,
    linear: bool,
    reference: Reference | None = None,
) -> pd.DataFrame:
    """Estimates, standard errors, tests and intervals of expressions.

    See ``MixedLinearRegressor.lincom`` and ``nlcom``.
    """
    level = check_level(confidence_level)
    named = _named(expressions)
    symbols = Symbols(results)
    values, slopes, lost_any = [], [], []
    for text in named.values():
        expression = read(text, symbols)
        dual = expression.evaluate(symbols)
        if not dual.degree:
            raise ValueError(f"The expression {text!r} has no estimate in it.")
        if linear and dual.degree > 1:
            raise ValueError(
                f"The expression {text!r} is not linear in the estimates; use nlcom. "
                "(Standard deviations, variances and correlations are nonlinear in the "
                "metric of estimation.)"
            )
        lost = symbols.lost(expression.used)
        if lost:
            warnings.warn(
                f"{', '.join(f'{s.equation}: {s.name}' for s in lost)} has no standard "
                f"error, and so {text!r} has none: the estimate is on the boundary of "
                "its range, or standard errors were not asked for.",
                MixedModelWarning,
                stacklevel=4,
            )
        values.append(dual.value)
        slopes.append(dual.slope)
        lost_any.append(bool(lost))
    L = np.array(slopes)
    value, hidden = np.array(values), np.array(lost_any)
    if reference is None:
        variance = np.full(len(value), np.nan)
        for k in np.flatnonzero(~hidden):
            used = np.flatnonzero(L[k])
            variance[k] = L[k, used] @ symbols.vcov[np.ix_(used, used)] @ L[k, used]
        df = np.full(len(value), np.inf)
    else:
        L = coefficients_only(results, L, list(named.values()))
        variance = np.einsum("ka,ab,kb->k", L, reference.vcov, L)
        df = reference.df(L)
    # a combination of omitted coefficients has no variance
    se = np.sqrt(np.where(variance > 0, variance, np.nan))
    test = value / se
    half = t_quantile(level, df) * se
    columns = {
        "estimate": value,
        "std_error": se,
        "z" if reference is None else "t": test,
        "df": df,
        "p_value": t_p_value(test, df),
        "ci_lower": value - half,
        "ci_upper": value + half,
    }
    if reference is None:
        del columns["df"]
    index = pd.Index(list(named), dtype=object, name="expression")
    return pd.DataFrame(columns, index=index)


def coefficients_only(results: Results, L: Array, texts: Sequence[str]) -> Array:
    """Rows about the fixed effects.

    Raises
    ------
    ValueError
        If one is about parameters of the random part.
    """
    p = len(results.beta)
    for row, text in zip(L, texts, strict=True):
        if row[p:].any():
            raise ValueError(
                f"{text!r} is about parameters of the random part, which have no "
                "degrees of freedom for small samples. Use df='asymptotic' for it."
            )
    return L[:, :p]


def _named(expressions: Any) -> dict[str, str]:
    """Expressions by name; by themselves where they have none."""
    if isinstance(expressions, str):
        expressions = [expressions]
    if isinstance(expressions, Mapping):
        named = {str(name): text for name, text in expressions.items()}
    elif isinstance(expressions, Sequence):
        named = {str(text).strip(): text for text in expressions}
    else:
        named = {"": expressions}
    wrong = [text for text in named.values() if not isinstance(text, str)]
    if wrong:
        raise TypeError(
            "An expression is text such as 'x1 + 2*x2', or give a list or a dict of "
            f"these; got {wrong[0]!r}."
        )
    if not named:
        raise ValueError("There is no expression to evaluate.")
    return named
