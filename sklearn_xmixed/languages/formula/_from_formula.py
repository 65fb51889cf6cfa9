"""From a formula and its data to a fitted estimator."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from ._columns import (
    as_frame,
    has_constant,
    import_formulaic,
    make_columns,
    without_constant,
)
from ._equations import arrange_groupings, equations_of_formula
from ._error import FormulaError
from ._estimator import FormulaRegressor, Recipe
from ._parser import ParsedFormula, parse_formula
from ._safety import check_formula, check_functions

__all__ = ["from_formula"]

Array = np.ndarray


def from_formula(
    formula: str,
    data: Any,
    *,
    functions: Mapping[str, Callable[..., Any]] | None = None,
    **parameters: Any,
) -> FormulaRegressor:
    """Fit the model of a formula in lme4's notation.

    Parameters
    ----------
    formula : str
        ``response ~ fixed + (effects | grouping) + ...``.  The fixed part is formulaic's:
        numbers and categories, ``x*z``, ``C(k)``, ``poly(x, 2)``, ``log(x)``.
        ``(x | g)`` is a random intercept and slope, correlated; ``(x || g)``
        without correlation; ``(0 + x | g)`` the slope alone; ``(1 | a/b)`` stands
        for ``(1 | a) + (1 | a:b)``.  Whether groupings nest or cross is seen in the data.
        ``residuals(ar, order=2, time=week, by=arm | id)`` is the structure of the
        residuals within the groups of ``id``: before the bar stands what ``Residuals``
        takes.  ``offset(log(n))`` is added with a coefficient of one; several add up.
    data : data frame
        With the variables of the formula.
    functions : dict of str to callable, default=None
        Functions of your own that the formula calls, by name; each takes columns and
        returns one value per row.  Besides these a formula may call formulaic's
        transforms and numpy's elementwise functions, and nothing else.
    **parameters : dict
        Of ``MixedLinearRegressor``, ``method="reml"`` say (lme4's default; here it is
        "ml").  ``sample_weight``, an array or the name of a column, is passed to
        ``fit``.

    Returns
    -------
    FormulaRegressor
        The fitted estimator; it takes data frames like ``data`` to predict.

    Raises
    ------
    FormulaError
        If the formula cannot be understood or does not fit to the data; the message
        marks the place.  Also if the residuals' structure is given by the formula and
        by ``residuals=``.
    ImportError
        If formulaic is not installed.

    Examples
    --------
    >>> from sklearn_xmixed import from_formula
    >>> from sklearn_xmixed.datasets import load_sleepstudy
    >>> sleep = load_sleepstudy().frame
    >>> fit = from_formula("reaction ~ days + (days | subject)", sleep, method="reml")
    >>> round(fit.log_likelihood_, 4)
    -871.8141
    >>> fit.predict(sleep.head(2)).round(1)
    array([253.7, 273.3])

    Residuals that follow an autoregression within subjects:

    >>> fit = from_formula(
    ...     "reaction ~ days + (1 | subject) + residuals(ar, time=days | subject)", sleep
    ... )
    >>> fit.residuals
    Residuals(structure='ar', time='days')
    """
    import_formulaic()
    for name in ("random_effects", "fixed", "fit_intercept", "recipe"):
        if name in parameters:
            raise TypeError(
                f"from_formula has no parameter {name!r}: the formula says it."
            )
    weight = parameters.pop("sample_weight", None)
    if isinstance(weight, str):
        weight = _weight(weight, data)
    parsed = replace(parse_formula(formula), functions=check_functions(functions))
    said = parameters.get("residuals")
    if parsed.residual is not None:
        said = parsed.residual.make()
    frame = as_frame(data, None, said)
    check_formula(parsed, frame.columns)
    parameters["residuals"] = _residuals(parsed, frame, parameters.get("residuals"))
    parameters["offset"] = _offset(parsed, parameters.get("offset"))
    arrangement = arrange_groupings(parsed, frame)
    equations = list(equations_of_formula(parsed, arrangement, frame))
    table, _ = make_columns(parsed.fixed, frame, parsed)
    estimator = FormulaRegressor(
        equations or None,
        recipe=Recipe(parsed, arrangement),
        fit_intercept=has_constant(table),
        **parameters,
    )
    columns = list(without_constant(table).columns)
    estimator.fixed = estimator._named_columns(columns)
    return estimator.fit(frame, sample_weight=weight)


def _residuals(parsed: ParsedFormula, frame: pd.DataFrame, given: Any) -> Any:
    """The structure of the residuals, by the formula or by the parameter."""
    said = parsed.residual
    if said is not None:
        if given is not None:
            raise FormulaError(
                "The structure of the residuals is said twice: here, and by "
                f"residuals={given!r}.",
                parsed.text,
                said.span,
                "Keep one of them.",
            )
        said.check_variables(parsed.text, frame.columns)
        return said.make()
    for term in parsed.random:
        if term.empty and given is None:
            raise FormulaError(
                "This random term has no effects.",
                parsed.text,
                term.span,
                "A grouping without effects says which rows belong together: say how "
                "their residuals are correlated by residuals(structure, time=variable | "
                "group), or by the parameter residuals=.",
            )
    return given


def _offset(parsed: ParsedFormula, given: Any) -> Any:
    """Name of the offset's column, by the formula or by the parameter."""
    if parsed.offsets and given is not None:
        raise FormulaError(
            f"The offset is said twice: here, and by offset={given!r}.",
            parsed.text,
            parsed.offsets[0].span,
            "Write the other one as offset(...) in the formula too; they add up.",
        )
    return given if given is not None else parsed.offset_name


def _weight(name: str, data: Any) -> Array:
    frame = as_frame(data)
    if name not in frame.columns:
        raise ValueError(
            f"sample_weight names {name!r}, which is no column of the data: "
            f"{[str(c) for c in frame.columns]}."
        )
    return frame[name].to_numpy(float)
