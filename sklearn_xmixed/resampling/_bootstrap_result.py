"""The result of a bootstrap: bias, covariance matrix and intervals."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import ndtr, ndtri

from ..inference import check_level
from ..reporting import PlainPage
from ._resampled import Resampled, of_known, sample_sd, stub_of

__all__ = ["BootstrapResult"]

Array = np.ndarray
INTERVALS = ("normal", "percentile", "basic", "bca")


@dataclass(frozen=True, eq=False, repr=False)
class BootstrapResult(Resampled):
    """What ``bootstrap`` returns.

    Attributes
    ----------
    estimate : Series
        Statistics of the data.
    replicates : DataFrame of shape (n_resamples, n_statistics)
        nan in the rows of replicates that failed.
    failures : Series
        Reason by number of the replicate.
    kind : {"cluster", "parametric", "residual"}
    interval_kind : {"normal", "percentile", "basic", "bca"}
        Intervals of the table.
    acceleration : Series or None
        Of the BCa intervals, from the jackknife.
    """

    kind: str
    interval_kind: str
    acceleration: pd.Series | None = None

    @property
    def bias(self) -> pd.Series:
        """Mean of the replicates minus the estimate."""
        return self._series(
            of_known(np.mean, self._numbers()) - self.estimate.to_numpy()
        )

    @property
    def std_error(self) -> pd.Series:
        """Standard deviation of the replicates, divisor one less than their number."""
        return self._series(of_known(sample_sd, self._numbers()))

    def covariance(self) -> pd.DataFrame:
        """Covariance matrix of the statistics, over complete replicates.

        Returns
        -------
        DataFrame
        """
        complete = self.replicates.dropna()
        names = self.estimate.index
        V = np.cov(complete.to_numpy(float), rowvar=False, ddof=1)
        return pd.DataFrame(np.atleast_2d(V), index=names, columns=names)

    def interval(
        self, kind: str | None = None, confidence_level: float | None = None
    ) -> pd.DataFrame:
        """Confidence intervals.

        Parameters
        ----------
        kind : {"normal", "percentile", "basic", "bca"}, default=None
            Normal: the estimate plus and minus standard errors.  Percentile: quantiles
            of the replicates.  Basic: these reflected at the estimate.  BCa: quantiles
            corrected for bias and acceleration (Efron 1987); needs
            ``bootstrap(..., interval="bca")``.  None takes that of the table.
        confidence_level : float, default=None
            None takes that of the call of ``bootstrap``.

        Returns
        -------
        DataFrame
            Columns ci_lower and ci_upper.
        """
        kind = self.interval_kind if kind is None else kind
        if kind not in INTERVALS:
            raise ValueError(f"kind must be one of {list(INTERVALS)}, got {kind!r}.")
        level = self.confidence_level if confidence_level is None else confidence_level
        tail = 0.5 * (1.0 - check_level(level))
        estimate, theta = self.estimate.to_numpy(), self._numbers()
        if kind == "normal":
            half = -float(ndtri(tail)) * self.std_error.to_numpy()
            low, high = estimate - half, estimate + half
        elif kind == "bca":
            if self.acceleration is None:
                raise ValueError(
                    "BCa intervals need the jackknife's acceleration, which was not "
                    "computed; call bootstrap(..., interval='bca')."
                )
            low, high = _bca(theta, estimate, self.acceleration.to_numpy(), tail)
        else:
            low, high = of_known(
                lambda x: np.quantile(x, [tail, 1.0 - tail]), theta, 2
            ).T
            if kind == "basic":
                low, high = 2.0 * estimate - high, 2.0 * estimate - low
        return pd.DataFrame(
            {"ci_lower": low, "ci_upper": high}, index=self.estimate.index
        )

    def to_frame(
        self, interval: str | None = None, confidence_level: float | None = None
    ) -> pd.DataFrame:
        """Estimate, bias, standard error, z test and interval of every statistic.

        Parameters
        ----------
        interval : {"normal", "percentile", "basic", "bca"}, default=None
            None takes that of the call of ``bootstrap``.
        confidence_level : float, default=None
            None takes that of the call of ``bootstrap``.

        Returns
        -------
        DataFrame
            Columns estimate, bias, std_error, z, p_value, ci_lower, ci_upper, and
            n_missing, the replicates without a value.
        """
        se = self.std_error.to_numpy()
        with np.errstate(divide="ignore", invalid="ignore"):
            z = np.where(self._tested(), self.estimate.to_numpy() / se, np.nan)
        ends = self.interval(interval, confidence_level)
        return pd.DataFrame(
            {
                "estimate": self.estimate,
                "bias": self.bias,
                "std_error": se,
                "z": z,
                "p_value": 2.0 * ndtr(-np.abs(z)),
                "ci_lower": ends["ci_lower"],
                "ci_upper": ends["ci_upper"],
                "n_missing": np.isnan(self._numbers()).sum(axis=0),
            },
            index=self.estimate.index,
        )

    def _page(self) -> PlainPage:
        words = {
            "normal": "Normal-based",
            "percentile": "Percentile",
            "basic": "Basic",
            "bca": "BCa",
        }
        facts = [("Number of obs", self.n_obs)]
        if self.kind == "cluster" and self.unit:
            facts.append((f"Groups of {self.unit}", self.n_units))
        facts.append(("Replications", len(self.replicates)))
        return PlainPage(
            title=f"Bootstrap results ({self.kind})",
            facts=tuple(facts),
            stub=stub_of(self.estimate.index),
            above=("Observed", "Bootstrap", "", "", words[self.interval_kind]),
            statistic="z",
            confidence_level=self.confidence_level,
            table=self.to_frame()[
                ["estimate", "std_error", "z", "p_value", "ci_lower", "ci_upper"]
            ],
            notes=tuple(self._failed_note()),
        )


def _bca(
    theta: Array, estimate: Array, acceleration: Array, tail: float
) -> tuple[Array, Array]:
    """Ends of the BCa intervals."""
    low, high = np.full(len(estimate), np.nan), np.full(len(estimate), np.nan)
    z = ndtri(np.array([tail, 1.0 - tail]))
    for j, column in enumerate(theta.T):
        x = column[~np.isnan(column)]
        if len(x) < 2:
            continue
        below = ((x < estimate[j]).mean() + (x <= estimate[j]).mean()) / 2.0
        with np.errstate(invalid="ignore"):
            z0 = ndtri(below)
            at = ndtr(z0 + (z0 + z) / (1.0 - acceleration[j] * (z0 + z)))
        if np.isfinite(at).all():
            low[j], high[j] = np.quantile(x, at)
    return low, high
