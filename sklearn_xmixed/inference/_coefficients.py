"""The table of coefficients, referred to a large or a small sample."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ._confidence_level import check_level
from ._reference import FTest, Reference
from ._results import Results
from ._student_t import t_p_value, t_quantile

__all__ = ["coefficient_table", "overall_test"]

Array = np.ndarray


def coefficient_table(
    results: Results, reference: Reference | None, confidence_level: float
) -> pd.DataFrame:
    """Estimates, standard errors, tests and intervals of all coefficients.

    Returns
    -------
    DataFrame
        Columns estimate, std_error, z, p_value, ci_lower, ci_upper; with a reference
        t and df in place of z.

    Raises
    ------
    ValueError
        If the confidence level does not lie between 0 and 1.
    """
    if reference is None:
        return results.fixed_table(confidence_level)
    level = check_level(confidence_level)
    gone = np.isin(results.fixed_names, results.omitted)
    p = len(results.beta)
    df = np.full(p, np.nan)
    df[~gone] = reference.df(np.eye(p)[~gone])
    se = np.where(gone, np.nan, np.sqrt(np.diagonal(reference.vcov)))
    with np.errstate(divide="ignore", invalid="ignore"):
        t = results.beta / se
        half = t_quantile(level, df) * se
    return pd.DataFrame(
        {
            "estimate": results.beta,
            "std_error": se,
            "t": t,
            "df": df,
            "p_value": t_p_value(t, df),
            "ci_lower": results.beta - half,
            "ci_upper": results.beta + half,
        },
        index=pd.Index(results.fixed_names, dtype=object),
    )


def overall_test(results: Results, reference: Reference) -> FTest | None:
    """Joint test of all coefficients but the constant; None where there are none."""
    names = results.fixed_names
    tested = [
        k
        for k, name in enumerate(names)
        if name not in results.omitted and (name, k) != ("_cons", len(names) - 1)
    ]
    if not tested:
        return None
    return reference.test(np.eye(len(names))[tested], results.beta[tested])
