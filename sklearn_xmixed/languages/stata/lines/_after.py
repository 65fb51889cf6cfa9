"""Tests, combinations and ``estat`` as lines after a command."""

from __future__ import annotations

import re
from typing import Any

import pandas as pd

from ....exceptions import CommandError
from ..grammar import INFORMATION, METHODS, choose
from ._line import Line

__all__ = ["estat", "small_method", "test", "without_small"]

#: estat's word: method of the estimator
_ESTAT = {
    "ic": "information_criteria",
    "GRoup": "group_table",
    "ICC": "icc",
    "RECOVariance": "recovariance",
    "VCE": "vcov",
}


def small_method(estimator: Any, line: Line) -> str | None:
    """What ``df=`` is by the option small: the command's dfmethod(), else none."""
    if "small" not in line.options:
        return "asymptotic"
    if estimator.df_method is None:
        line.fail("The option 'small' needs dfmethod() in the command.")
    return None


def test(estimator: Any, text: Any) -> Any:
    """See ``CommandRegressor.test``."""
    line = Line.read(text, "test", "wald_test", {"small"})
    said = " ".join(line.terms)
    if not said:
        line.fail("There is nothing to test.")
    parts = re.findall(r"\(([^()]*)\)", said) if said.startswith("(") else [said]
    equations = [e for part in parts for e in ([part] if "=" in part else part.split())]
    return estimator.wald_test(equations, df=small_method(estimator, line))


def without_small(estimator: Any, expression: Any) -> Any:
    """An expression without the command's name and the option small."""
    if not isinstance(expression, str):
        return expression
    expression = expression.removeprefix("lincom ")
    head, comma, tail = expression.rpartition(",")
    if not comma or tail.strip() != "small":
        return expression
    if estimator.df_method is None:
        Line(expression, "lincom").fail("The option 'small' needs dfmethod().")
    return head


def estat(estimator: Any, text: Any) -> Any:
    """See ``CommandRegressor.estat``."""
    line = Line.read(text, "estat", "coef_table", {"method"})
    word = line.terms[0] if len(line.terms) == 1 else ""
    if word == "df":
        return _df(estimator, line)
    found = choose(word, _ESTAT) if word else None
    if found is None or line.options:
        known = ", ".join(["df", *(name.lower() for name in _ESTAT)])
        raise CommandError(
            "This estat is not understood.",
            line.text,
            None,
            f"There are {known}, and other methods of the estimator.",
        )
    name = next(m for s, m in _ESTAT.items() if s.lower() == found)
    return getattr(estimator, name)()


def _df(estimator: Any, line: Line) -> pd.Series:
    method = estimator.df_method
    if "method" in line.options:
        word, _, information = (
            x.strip() for x in line.options["method"].partition(",")
        )
        full = choose(word, METHODS)
        if full is None:
            line.fail(f"{word!r} is no method of degrees of freedom.")
        method = next(m for s, m in METHODS.items() if s.lower() == full)
        if information:
            known = information.upper() in INFORMATION and full == "kroger"
            if not known:
                line.fail(f"{information!r} is no information matrix of {full}.")
            method += INFORMATION[information.upper()]
    if method is None:
        line.fail("Without dfmethod() in the command estat df needs method().")
    return estimator.coef_table(df=method)["df"]
