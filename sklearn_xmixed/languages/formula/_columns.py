"""Columns that formulaic makes of data."""

from __future__ import annotations

import re
import warnings
from typing import Any

import numpy as np
import pandas as pd

from ...compat import variables_used
from ...design._labels import Source
from ._error import FormulaError
from ._parser import ParsedFormula
from ._safety import BARE, check_terms

__all__ = [
    "CONSTANT",
    "as_frame",
    "factors_of",
    "has_constant",
    "import_formulaic",
    "make_again",
    "make_columns",
    "without_constant",
]

Array = np.ndarray
#: the constant's column, as formulaic calls it
CONSTANT = "Intercept"


def as_frame(X: Any, groups: Any = None, residuals: Any = None) -> pd.DataFrame:
    """Data as a pandas frame with rows 0, 1, ...; times of residuals keep categories."""
    if isinstance(X, pd.DataFrame):
        frame = X.reset_index(drop=True)
        if groups is None:
            return frame.rename(columns=str)
        source = Source.of(X, groups)
    elif isinstance(X, dict):
        return as_frame(pd.DataFrame(X), groups, residuals)
    else:
        source = Source.of(X, groups)
        if not source.named:
            raise TypeError(
                "A formula needs data with names: a data frame or a dict of columns, got "
                f"{type(X).__name__}."
            )
    return pd.DataFrame(source.every(getattr(residuals, "labels", ())))


def import_formulaic() -> Any:
    """The package, or what to do without it."""
    try:
        import formulaic
    except ImportError as error:
        raise ImportError(
            "Formulas need the package formulaic: pip install "
            "'sklearn-xmixed[formula]'."
        ) from error
    return formulaic


def make_columns(
    terms: str,
    frame: pd.DataFrame,
    parsed: ParsedFormula,
    span: tuple[int, int] | None = None,
) -> tuple[pd.DataFrame, Any]:
    """Columns that terms make, and formulaic's record of how.

    Rows in which a variable is missing are nan throughout; the constant, where there is
    one, is the column "Intercept".
    """
    formulaic = import_formulaic()
    if span is None:
        text = terms.removeprefix("0 + ")
        at = parsed.text.find(text)
        span = (at, at + len(text)) if at >= 0 else None
    check_terms(terms, parsed, frame.columns)
    try:
        used = variables_used(formulaic.Formula(terms), terms, frame.columns)
        rows = _complete(frame, used)
        found = formulaic.model_matrix(
            terms, frame[rows], context=BARE | {**parsed.functions}, na_action="ignore"
        )
    except formulaic.errors.FormulaicError as error:
        raise FormulaError(
            _told(error), parsed.text, span, _columns_hint(error, frame)
        ) from error
    except (ValueError, TypeError) as error:
        raise FormulaError(str(error), parsed.text, span) from error
    return _filled(found, rows), found.model_spec


def make_again(spec: Any, frame: pd.DataFrame, parsed: ParsedFormula) -> pd.DataFrame:
    """The same columns of other data."""
    formulaic = import_formulaic()
    used = variables_used(spec, str(spec.formula), frame.columns)
    rows = _complete(frame, used)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", formulaic.errors.DataMismatchWarning)
            found = spec.get_model_matrix(
                frame[rows], context=BARE | {**parsed.functions}, na_action="ignore"
            )
    except formulaic.errors.DataMismatchWarning as error:
        seen = re.search(r"\{.*\}", str(error))
        raise FormulaError(
            f"The data have categories that were not there at fit: "
            f"{seen.group() if seen else error}.",
            parsed.text,
        ) from error
    except formulaic.errors.FormulaicError as error:
        raise FormulaError(
            _told(error), parsed.text, None, _columns_hint(error, frame)
        ) from error
    return _filled(found, rows)


def factors_of(spec: Any, frame: pd.DataFrame) -> set[str]:
    """Which variables are factors: texts, categories, truth values, and C(x)."""
    out = {
        str(c)
        for c in frame.columns
        if pd.api.types.is_bool_dtype(frame[c].dtype)
        or not pd.api.types.is_numeric_dtype(frame[c].dtype)
    }
    for factor, state in spec.factor_contrasts.items():
        for name in spec.factor_variables[factor]:
            # C(x > 3) has fewer levels than x has values: x is a covariate
            if str(name) in frame and frame[str(name)].nunique() == len(state.levels):
                out.add(str(name))
    return out


def _complete(frame: pd.DataFrame, used: list[str]) -> Array:
    if not used:
        return np.ones(len(frame), dtype=bool)
    return frame[used].notna().all(axis=1).to_numpy()


def _filled(found: Any, rows: Array) -> pd.DataFrame:
    table = np.full((len(rows), found.shape[1]), np.nan)
    table[rows] = np.asarray(found, dtype=float)
    return pd.DataFrame(table, columns=[str(c) for c in found.columns])


def _told(error: Exception) -> str:
    """formulaic's message without colours and the formula's repetition."""
    text = str(error).replace("⧛[1;31m", "").replace("⧚", "").replace("[0m", "")
    return text.strip().splitlines()[0]


def _columns_hint(error: Exception, frame: pd.DataFrame) -> str:
    if "not present" not in str(error) and "not defined" not in str(error):
        return ""
    return f"The columns of the data are {[str(c) for c in frame.columns]}."


def has_constant(table: pd.DataFrame) -> bool:
    """Whether there is a constant."""
    return CONSTANT in table.columns


def without_constant(table: pd.DataFrame) -> pd.DataFrame:
    """The other columns."""
    return table.drop(columns=CONSTANT, errors="ignore")
