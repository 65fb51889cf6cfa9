"""Intraclass correlations of every level with intervals."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.special import expit, logit, ndtri

from ._dual import Dual
from ._results import Results
from ._symbols import Symbols

__all__ = ["icc"]

Array = np.ndarray


def icc(results: Results, confidence_level: float) -> pd.DataFrame:
    """Correlations of two observations that share a group.

    See ``MixedLinearRegressor.icc``.
    """
    _check(results)
    symbols = Symbols(results)
    zero = Dual.constant(0.0, symbols.size)
    own: list[
        tuple[str, str, Dual, Dual]
    ] = []  # group, factor, own and common variance
    for number, equation in enumerate(e for e in results.equations if e.effects):
        variance, common = zero, zero
        for place, parameter in enumerate(results.parameters):
            if parameter.equation != number:
                continue
            if parameter.kind == "sd" and (
                equation.factor or "_cons" in parameter.effects
            ):
                variance = symbols.parameter(place, "variance")
            elif equation.factor and parameter.kind == "corr":
                common = symbols.parameter(place, "variance")
        own.append((equation.group, equation.factor, variance, common))
    residual = symbols.parameter(len(results.parameters) - 1, "variance")
    total = residual
    for _, _, variance, _ in own:
        total = total + variance
    if not total.value > 0:
        raise ValueError("The variances are all zero, so there is no correlation.")
    z = float(ndtri(0.5 + 0.5 * confidence_level))
    groups = list(dict.fromkeys(group for group, *_ in own))
    rows: dict[str, tuple[float, float, float, float]] = {}
    above = zero  # of all levels so far
    for group in groups:
        here = [(factor, v, c) for at, factor, v, c in own if at == group]
        shared = [c if factor else v for factor, v, c in here]
        for part in shared:
            above = above + part
        if any(part.degree for part in shared):
            rows[group] = _row(above / total, symbols, z)
        for factor, variance, common in here:
            if factor:
                label = f"R.{factor}" if group == "_all" else f"{group}: R.{factor}"
                rows[label] = _row((above + variance - common) / total, symbols, z)
    index = pd.Index(list(rows), dtype=object, name="level")
    columns = ["icc", "std_error", "ci_lower", "ci_upper"]
    return pd.DataFrame(list(rows.values()), index=index, columns=columns)


def _check(results: Results) -> None:
    if not any(e.effects for e in results.equations):
        raise ValueError(
            "A model without random effects has no intraclass correlation."
        )
    if results.residual_label:
        raise ValueError(
            f"With {results.residual_label} residuals two observations of a group have "
            "no single correlation. Look at marginal_covariance(X, group=..., "
            "correlation=True)."
        )
    effects = {e for equation in results.equations for e in equation.effects}
    if "_cons" not in effects and not any(e.factor for e in results.equations):
        raise ValueError(
            f"No equation has a random intercept (the effects are {sorted(effects)}), and "
            "intraclass correlations are those where random coefficients' columns are "
            "zero. Look at marginal_covariance(X, group=..., correlation=True)."
        )


def _row(share: Dual, symbols: Symbols, z: float) -> tuple[float, float, float, float]:
    """A share with its standard error, and the interval on the logit scale."""
    used = np.flatnonzero(share.slope)
    slope, V = share.slope[used], symbols.vcov[np.ix_(used, used)]
    rho = share.value
    se = float(np.sqrt(slope @ V @ slope)) if len(used) else np.nan
    # a variance of zero has no slope in its logarithm: it counts as known
    if not 0 < rho < 1 or np.isnan(se):
        return rho, se, np.nan, np.nan
    half = z * se / (rho * (1.0 - rho))
    return rho, se, float(expit(logit(rho) - half)), float(expit(logit(rho) + half))
