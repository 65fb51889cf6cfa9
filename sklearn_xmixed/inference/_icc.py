"""Intraclass correlations of every level with intervals."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import expit, logit, ndtri

from ._parts import EquationSummary
from ._results import Results
from .hypotheses._dual import Dual
from .hypotheses._symbols import Symbols

__all__ = ["icc"]

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class _Share:
    """What an equation adds to the covariance of two observations.

    Parameters
    ----------
    level : str
        Level in whose groups its effects are.
    factor : str
        Variable whose levels carry them, empty without.
    variance : Dual
        For two that share the effect.
    common : Dual
        For two that share the group, but not the level of the factor.
    """

    level: str
    factor: str
    variance: Dual
    common: Dual

    @classmethod
    def of(cls, number: int, equation: EquationSummary, symbols: Symbols) -> _Share:
        """Of the equation that the parameters call ``number``."""
        zero = Dual.constant(0.0, symbols.size)
        variance, common = zero, zero
        bare = _is_bare_factor(equation)
        for place, parameter in enumerate(symbols.results.parameters):
            if parameter.equation != number:
                continue
            if parameter.kind == "sd" and (bare or "_cons" in parameter.effects):
                variance = symbols.parameter(place, "variance")
            elif bare and parameter.kind == "corr":
                common = symbols.parameter(place, "variance")
        level, tail = equation.group, f"R.{equation.factor}"
        if equation.factor and level.endswith(tail):  # with slopes: "school R.pupil"
            level = level.removesuffix(tail).rstrip() or "_all"
        if not equation.factor:
            common = variance
        return cls(level, equation.factor, variance, common)


def icc(results: Results, confidence_level: float) -> pd.DataFrame:
    """Correlations of two observations that share a group.

    See ``MixedLinearRegressor.icc``.
    """
    _check(results)
    symbols = Symbols(results)
    used = [e for e in results.equations if e.effects]
    shares = [_Share.of(k, equation, symbols) for k, equation in enumerate(used)]
    total = symbols.parameter(len(results.parameters) - 1, "variance")
    for share in shares:
        total = total + share.variance
    if not total.value > 0:
        raise ValueError("The variances are all zero, so there is no correlation.")
    z = float(ndtri(0.5 + 0.5 * confidence_level))
    rows: dict[str, tuple[float, float, float, float]] = {}
    shared = Dual.constant(0.0, symbols.size)  # by two of a group of this level
    for level in dict.fromkeys(share.level for share in shares):
        here = [share for share in shares if share.level == level]
        for share in here:
            shared = shared + share.common
        if any(share.common.degree for share in here):
            rows[level] = _row(shared / total, symbols, z)
        for share in here:
            if share.factor and share.variance.degree:
                name = f"R.{share.factor}"
                both = shared + share.variance - share.common
                label = name if level == "_all" else f"{level}: {name}"
                rows[label] = _row(both / total, symbols, z)
    index = pd.Index(list(rows), dtype=object, name="level")
    columns = ["icc", "std_error", "ci_lower", "ci_upper"]
    return pd.DataFrame(list(rows.values()), index=index, columns=columns)


def _is_bare_factor(equation: EquationSummary) -> bool:
    """Whether every level of a factor has one effect, ``R.x``."""
    return bool(equation.factor) and equation.effects == (f"R.{equation.factor}",)


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
    if not any("_cons" in e.effects or _is_bare_factor(e) for e in results.equations):
        effects = sorted({e for q in results.equations for e in q.effects})
        raise ValueError(
            f"No equation has a random intercept (the effects are {effects}), and "
            "intraclass correlations are those where random coefficients' columns are "
            "zero. Look at marginal_covariance(X, group=..., correlation=True)."
        )


def _row(share: Dual, symbols: Symbols, z: float) -> tuple[float, float, float, float]:
    """A share with its standard error, and the interval on the logit scale."""
    # a variance of zero has no slope in its logarithm: it counts as known
    used = np.flatnonzero(share.slope)
    slope, V = share.slope[used], symbols.vcov[np.ix_(used, used)]
    rho = share.value
    se = float(np.sqrt(slope @ V @ slope)) if len(used) else np.nan
    if not 0 < rho < 1 or np.isnan(se):
        return rho, se, np.nan, np.nan
    half = z * se / (rho * (1.0 - rho))
    return rho, se, float(expit(logit(rho) - half)), float(expit(logit(rho) + half))
