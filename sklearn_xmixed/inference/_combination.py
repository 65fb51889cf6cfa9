"""Linear and nonlinear combinations of estimates by the delta method."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import ndtr, ndtri

from ..exceptions import MixedModelWarning
from ._expression import read
from ._results import Results
from ._symbols import Symbols
from ._tests import check_level

__all__ = ["combine"]


def combine(
    results: Results, expressions: Any, confidence_level: float, *, linear: bool
) -> pd.DataFrame:
    """Estimates, standard errors, z tests and intervals of expressions.

    See ``MixedLinearRegressor.lincom`` and ``nlcom``.
    """
    zq = float(ndtri(0.5 + 0.5 * check_level(confidence_level)))
    named = _named(expressions)
    symbols = Symbols(results)
    rows = []
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
            se = np.nan
        else:
            used = np.flatnonzero(dual.slope)
            slope = dual.slope[used]
            V = symbols.vcov[np.ix_(used, used)]
            # a combination of omitted coefficients has no variance
            se = float(np.sqrt(max(0.0, slope @ V @ slope))) or np.nan
        z = dual.value / se
        rows.append(
            (
                dual.value,
                se,
                z,
                float(2.0 * ndtr(-abs(z))),
                dual.value - zq * se,
                dual.value + zq * se,
            )
        )
    columns = ["estimate", "std_error", "z", "p_value", "ci_lower", "ci_upper"]
    index = pd.Index(list(named), dtype=object, name="expression")
    return pd.DataFrame(rows, index=index, columns=columns)


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
