"""Tests of terms: the table."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import chdtrc

from ...exceptions import MixedModelWarning
from .._reference import Reference
from .._results import Results
from ._hypotheses import Hypotheses
from ._terms import Coding

__all__ = ["anova", "named_columns"]

Array = np.ndarray
TYPES = {1: "I", 2: "II", 3: "III"}
#: an eigenvalue of the correlation matrix of hypotheses below this is none
RANK = 1e-10


def anova(
    results: Results,
    hypotheses: Hypotheses,
    kind: Any,
    reference: Reference | None,
) -> pd.DataFrame:
    """Tests of every term but the constant.

    See ``MixedLinearRegressor.anova``.
    """
    kind = check_type(kind)
    rows = {}
    for number, term in enumerate(hypotheses.terms):
        if number < hypotheses.first:
            continue
        L = hypotheses.matrix(number, kind)
        rows[term.name] = (
            _chi2(results, L) if reference is None else _f(results, L, reference)
        )
    columns = ["df", "f_value", "df_denom", "p_value"]
    if reference is None:
        columns = ["df", "chi2", "p_value"]
    index = pd.Index(list(rows), dtype=object, name="term")
    table = pd.DataFrame(list(rows.values()), index=index, columns=columns)
    table = table.astype(dict.fromkeys(columns[1:], float) | {"df": int})
    table.attrs["title"] = f"Type {TYPES[kind]} tests of terms"
    table.attrs["method"] = "chi2" if reference is None else reference.method
    note = _note(hypotheses, kind)
    if note:
        table.attrs["note"] = note
        warnings.warn(note, MixedModelWarning, stacklevel=3)
    return table


def check_type(kind: Any) -> int:
    """The type of hypotheses as a number.

    Raises
    ------
    ValueError
        If it is not 1, 2 or 3.
    """
    if isinstance(kind, bool) or kind not in (1, 2, 3):
        raise ValueError(
            f"type must be 1 (sequential), 2 (hierarchical) or 3, got {kind!r}. Types 2 "
            "and 3 differ where terms contain one another, as a:b contains a."
        )
    return int(kind)


def named_columns(terms: Any, names: Sequence[str]) -> tuple[Coding, ...]:
    """Terms that the user puts together of columns; the rest is not tested.

    Raises
    ------
    TypeError, ValueError
        If they are no dict, or name a column twice or one that there is not.
    """
    if not isinstance(terms, Mapping):
        raise TypeError(
            "terms must be a dict of names and lists of columns, such as "
            f"{{'visit': ['v2', 'v3']}}; got {terms!r}."
        )
    codings: list[Coding] = []
    seen: dict[str, Any] = {}
    for name, columns in terms.items():
        columns = [columns] if isinstance(columns, str) else list(columns)
        if not columns:
            raise ValueError(
                f"The term {name!r} of terms has no columns; give at least one of "
                f"{list(names)}."
            )
        for column in columns:
            if column not in names:
                raise ValueError(
                    f"The term {name!r} of terms names {column!r}, which is no column of "
                    f"the fixed part; its columns are {list(names)}."
                )
            if column in seen:
                raise ValueError(
                    f"The column {column!r} stands in the terms {seen[column]!r} and "
                    f"{name!r}; name it once."
                )
            seen[column] = name
        codings.append(Coding.of_columns(str(name), columns))
    if not codings:
        raise ValueError(
            "terms is empty; name at least one, such as {'visit': ['v2', 'v3']}."
        )
    return tuple(codings)


def _note(hypotheses: Hypotheses, kind: int) -> str:
    if hypotheses.by_columns and kind == 3:
        return (
            "The columns do not span all combinations of levels (no constant, or chosen "
            "levels): type III tests are joint tests of the columns of each term, and "
            "depend on the base levels."
        )
    if hypotheses.lost and kind == 3:
        return (
            f"In {', '.join(hypotheses.lost)} some combinations have no rows, or columns "
            "are collinear: type III hypotheses of these terms and of those they contain "
            "are averages over what is there, and depend on which cells are empty."
        )
    return ""


def _chi2(results: Results, L: Array) -> tuple[int, float, float]:
    """Wald test with what is redundant left out; df, chi2 and p."""
    b, V = L @ results.beta, L @ results.beta_vcov @ L.T
    size = np.sqrt(np.diagonal(V))
    if not len(b) or not np.isfinite(V).all() or not (size > 0).all():
        return len(b), np.nan, np.nan
    values, vectors = np.linalg.eigh(V / np.outer(size, size))
    used = values > RANK * values[-1]
    chi2 = float(np.sum((vectors.T @ (b / size))[used] ** 2 / values[used]))
    df = int(used.sum())
    return df, chi2, float(chdtrc(df, chi2))


def _f(
    results: Results, L: Array, reference: Reference
) -> tuple[int, float, float, float]:
    if not len(L):
        return 0, np.nan, np.nan, np.nan
    test = reference.test(L, L @ results.beta)
    return test.df, test.f_value, test.df_denom, test.p_value
