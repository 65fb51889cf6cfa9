"""Adjustment of p-values and intervals for the number of comparisons.

A family is a set of contrasts that are looked at together; statistics may have different
degrees of freedom.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.special import fdtrc, fdtri

from ...inference import (
    bonferroni,
    false_discovery_rate,
    holm,
    t_p_value,
    t_quantile,
)
from ._multivariate_t import LargestT
from ._studentized_range import studentized_range_quantile, studentized_range_tail

__all__ = ["ADJUSTMENTS", "TITLES", "Family"]

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class Family:
    """Statistics that are looked at together.

    Parameters
    ----------
    t, df : ndarray of shape (m,)
        nan where a contrast is not estimable.
    vcov : ndarray of shape (m, m)
        Of the contrasts.
    n_means : int
        How many means are compared.
    """

    t: Array
    df: Array
    vcov: Array
    n_means: int

    @cached_property
    def used(self) -> Array:
        """Which contrasts are tested."""
        return np.isfinite(self.t) & (self.df > 0)

    @cached_property
    def size(self) -> int:
        """How many these are."""
        return int(self.used.sum())

    @property
    def asked(self) -> int:
        """How many were asked for; what turned out not to be estimable counts.

        It is so in emmeans.  The multivariate t distribution is that of the contrasts
        that there are.
        """
        return len(self.t)

    @cached_property
    def _correlation(self) -> Array:
        V = self.vcov[np.ix_(self.used, self.used)]
        scale = np.sqrt(np.diagonal(V))
        return V / np.outer(scale, scale)

    @cached_property
    def rank(self) -> int:
        """How many of the contrasts asked for are linearly independent."""
        scale = np.sqrt(np.diagonal(self.vcov))
        there = scale > 0
        R = self.vcov[np.ix_(there, there)] / np.outer(scale[there], scale[there])
        return int(np.linalg.matrix_rank(R, 1e-8, hermitian=True)) if len(R) else 0

    @cached_property
    def largest(self) -> LargestT:
        """Distribution of the largest of them."""
        return LargestT(self._correlation)

    def p_values(self, adjust: str) -> Array:
        """Adjusted p-values, nan where a contrast is not tested."""
        out = np.full(len(self.t), np.nan)
        if self.size:
            out[self.used] = _P[adjust](self, self.t[self.used], self.df[self.used])
        return np.clip(out, 0.0, 1.0)

    def critical_values(self, adjust: str, level: float) -> Array:
        """How many standard errors simultaneous intervals reach to either side."""
        out = np.full(len(self.t), np.nan)
        if self.size:
            out[self.used] = _CRITICAL[adjust](self, level, self.df[self.used])
        return out


def _each(function: Callable[[float], float], df: Array) -> Array:
    """A slow function of the degrees of freedom, once for each that differs."""
    values, places = np.unique(df, return_inverse=True)
    return np.array([function(float(v)) for v in values])[places]


def _tukey_p(family: Family, t: Array, df: Array) -> Array:
    return studentized_range_tail(np.sqrt(2.0) * np.abs(t), family.n_means, df)


def _mvt_p(family: Family, t: Array, df: Array) -> Array:
    pairs = zip(np.abs(t), df, strict=True)
    return np.array([family.largest.tail(float(a), float(v)) for a, v in pairs])


def _holm_p(family: Family, t: Array, df: Array) -> Array:
    return holm(t_p_value(t, df), family.asked)


def _fdr_p(family: Family, t: Array, df: Array) -> Array:
    return false_discovery_rate(t_p_value(t, df), family.asked)


def _bonferroni_p(family: Family, t: Array, df: Array) -> Array:
    return bonferroni(t_p_value(t, df), family.asked)


def _sidak_p(family: Family, t: Array, df: Array) -> Array:
    return -np.expm1(
        family.asked * np.log1p(-np.minimum(t_p_value(t, df), 1.0 - 1e-16))
    )


def _scheffe_p(family: Family, t: Array, df: Array) -> Array:
    r = family.rank
    finite = fdtrc(r, np.where(np.isinf(df), 1e10, df), t**2 / r)
    return np.asarray(finite)


_P: dict[str, Callable[[Family, Array, Array], Array]] = {
    "none": lambda family, t, df: t_p_value(t, df),
    "tukey": _tukey_p,
    "mvt": _mvt_p,
    "bonferroni": _bonferroni_p,
    "holm": _holm_p,
    "sidak": _sidak_p,
    "scheffe": _scheffe_p,
    "fdr": _fdr_p,
}


def _bonferroni_critical(family: Family, level: float, df: Array) -> Array:
    return t_quantile(1.0 - (1.0 - level) / family.asked, df)


def _scheffe_critical(family: Family, level: float, df: Array) -> Array:
    r = family.rank
    return np.sqrt(r * fdtri(r, np.where(np.isinf(df), 1e10, df), level))


def _tukey_critical(family: Family, level: float, df: Array) -> Array:
    k = family.n_means
    return _each(lambda v: studentized_range_quantile(level, k, v), df) / np.sqrt(2.0)


#: step-wise methods have no intervals of their own; Bonferroni's hold for them
_CRITICAL: dict[str, Callable[[Family, float, Array], Array]] = {
    "none": lambda family, level, df: t_quantile(level, df),
    "tukey": _tukey_critical,
    "mvt": lambda family, level, df: _each(
        lambda v: family.largest.quantile(level, v), df
    ),
    "bonferroni": _bonferroni_critical,
    "holm": _bonferroni_critical,
    "sidak": lambda family, level, df: t_quantile(level ** (1.0 / family.asked), df),
    "scheffe": _scheffe_critical,
    "fdr": _bonferroni_critical,
}

ADJUSTMENTS = tuple(_P)

TITLES = {
    "none": "not adjusted",
    "tukey": "Tukey's method",
    "mvt": "the multivariate t distribution",
    "bonferroni": "Bonferroni's method",
    "holm": "Holm's method (intervals: Bonferroni's)",
    "sidak": "Sidak's method",
    "scheffe": "Scheffe's method",
    "fdr": "the false discovery rate (intervals: Bonferroni's method)",
}
