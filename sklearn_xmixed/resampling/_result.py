"""Results of the bootstrap and the jackknife: replicates and what follows from them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import ndtr, ndtri, stdtr, stdtrit

from ..inference import check_level
from ..reporting import PlainPage

__all__ = ["BootstrapResult", "JackknifeResult"]

Array = np.ndarray

INTERVALS = ("normal", "percentile", "basic", "bca")


@dataclass(frozen=True, eq=False, repr=False)
class _Resampled:
    """What both have.

    Parameters
    ----------
    estimate : Series
        Statistics of the data.
    replicates : DataFrame
        One row per replicate; nan where it failed.
    failures : Series
        Reason by replicate, of those that failed.
    n_obs : float
    n_units : int
        Independent groups (or rows) that were drawn or left out.
    unit : str
        Their variable, empty for rows.
    confidence_level : float
    """

    estimate: pd.Series
    replicates: pd.DataFrame
    failures: pd.Series
    n_obs: float
    n_units: int
    unit: str
    confidence_level: float

    @property
    def n_failed(self) -> int:
        """Number of replicates without a result."""
        return len(self.failures)

    @property
    def failure_counts(self) -> dict[str, int]:
        """How often each reason for a failure occurred."""
        return dict(Counter(self.failures))

    def _numbers(self) -> Array:
        return self.replicates.to_numpy(float)

    def _series(self, values: Array) -> pd.Series:
        return pd.Series(values, index=self.estimate.index)

    @property
    def std_error(self) -> pd.Series:
        """Standard errors."""
        raise NotImplementedError

    def to_frame(self) -> pd.DataFrame:
        """The table."""
        raise NotImplementedError

    def _tested(self) -> Array:
        """Which statistics may be tested against zero: no variances, no correlations."""
        index = self.estimate.index
        if not isinstance(index, pd.MultiIndex):
            return np.ones(len(index), dtype=bool)
        first = index.get_level_values(0)
        return np.asarray(first == first[0])

    def _failed_note(self) -> list[str]:
        if not self.n_failed:
            return []
        told = "; ".join(f"{n} {reason}" for reason, n in self.failure_counts.items())
        return [
            f"{self.n_failed} of {len(self.replicates)} replicates failed and are not in "
            f"the table: {told}."
        ]

    def _page(self) -> PlainPage:
        raise NotImplementedError

    def summary(self) -> str:
        """The table as text."""
        return self._page().text()

    def __str__(self) -> str:
        return self.summary()

    def __repr__(self) -> str:
        return self.summary()

    def _repr_html_(self) -> str:
        return self._page().html()


@dataclass(frozen=True, eq=False, repr=False)
class BootstrapResult(_Resampled):
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
        return self._series(_nan(np.mean, self._numbers()) - self.estimate.to_numpy())

    @property
    def std_error(self) -> pd.Series:
        """Standard deviation of the replicates, divisor one less than their number."""
        return self._series(_nan(_sd, self._numbers()))

    def covariance(self) -> pd.DataFrame:
        """Covariance matrix of the statistics, over complete replicates."""
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
            low, high = _nan(lambda x: np.quantile(x, [tail, 1.0 - tail]), theta, 2).T
            if kind == "basic":
                low, high = 2.0 * estimate - high, 2.0 * estimate - low
        return pd.DataFrame(
            {"ci_lower": low, "ci_upper": high}, index=self.estimate.index
        )

    def to_frame(
        self, interval: str | None = None, confidence_level: float | None = None
    ) -> pd.DataFrame:
        """Estimate, bias, standard error, z test and interval of every statistic.

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
            stub=_stub(self.estimate.index),
            above=("Observed", "Bootstrap", "", "", words[self.interval_kind]),
            statistic="z",
            confidence_level=self.confidence_level,
            table=self.to_frame()[
                ["estimate", "std_error", "z", "p_value", "ci_lower", "ci_upper"]
            ],
            notes=tuple(self._failed_note()),
        )


@dataclass(frozen=True, eq=False, repr=False)
class JackknifeResult(_Resampled):
    """What ``jackknife`` returns.

    Attributes
    ----------
    estimate : Series
        Statistics of the data.
    replicates : DataFrame of shape (n_units, n_statistics)
        Statistics without the group in the index; nan where the fit failed.
    failures : Series
        Reason by group.
    """

    @property
    def _used(self) -> Array:
        return (~np.isnan(self._numbers())).sum(axis=0)

    @property
    def pseudovalues(self) -> pd.DataFrame:
        """G times the estimate minus G - 1 times the replicate."""
        G = self._used
        values = G * self.estimate.to_numpy() - (G - 1) * self._numbers()
        return pd.DataFrame(
            values, index=self.replicates.index, columns=self.replicates.columns
        )

    @property
    def bias(self) -> pd.Series:
        """(G - 1) (mean of the replicates - estimate)."""
        mean = _nan(np.mean, self._numbers())
        return self._series((self._used - 1) * (mean - self.estimate.to_numpy()))

    @property
    def std_error(self) -> pd.Series:
        """sqrt((G - 1) / G times the sum of squares about the replicates' mean)."""
        return self._series(
            _nan(lambda x: np.sqrt((len(x) - 1) * x.var()), self._numbers())
        )

    @property
    def acceleration(self) -> pd.Series:
        """The acceleration of BCa intervals."""
        return self._series(_nan(_acceleration, self._numbers()))

    def covariance(self) -> pd.DataFrame:
        """Covariance matrix of the statistics, over complete replicates."""
        x = self.replicates.dropna().to_numpy(float)
        G, names = len(x), self.estimate.index
        V = np.atleast_2d(np.cov(x, rowvar=False, ddof=0)) * (G - 1)
        return pd.DataFrame(V, index=names, columns=names)

    def to_frame(self, confidence_level: float | None = None) -> pd.DataFrame:
        """Estimate, bias, standard error, t test with G - 1 df and interval.

        Returns
        -------
        DataFrame
            Columns estimate, bias, std_error, t, p_value, ci_lower, ci_upper.
        """
        level = self.confidence_level if confidence_level is None else confidence_level
        level = check_level(level)
        estimate, se = self.estimate.to_numpy(), self.std_error.to_numpy()
        df = self._used - 1.0
        with np.errstate(divide="ignore", invalid="ignore"):
            t = np.where(self._tested(), estimate / se, np.nan)
        half = stdtrit(df, 0.5 + 0.5 * level) * se
        return pd.DataFrame(
            {
                "estimate": estimate,
                "bias": self.bias.to_numpy(),
                "std_error": se,
                "t": t,
                "p_value": 2.0 * stdtr(df, -np.abs(t)),
                "ci_lower": estimate - half,
                "ci_upper": estimate + half,
            },
            index=self.estimate.index,
        )

    def _page(self) -> PlainPage:
        facts: list[tuple[str, Any]] = [("Number of obs", self.n_obs)]
        if self.unit:
            facts.append((f"Groups of {self.unit}", self.n_units))
        facts.append(("Replications", len(self.replicates)))
        return PlainPage(
            title="Jackknife results",
            facts=tuple(facts),
            stub=_stub(self.estimate.index),
            above=("", "Jackknife", "", "", ""),
            statistic="t",
            confidence_level=self.confidence_level,
            table=self.to_frame().drop(columns="bias"),
            notes=tuple(self._failed_note()),
        )


def _stub(index: pd.Index) -> str:
    return str(index[0][0]) if isinstance(index, pd.MultiIndex) else ""


def _nan(function: Any, theta: Array, width: int = 1) -> Array:
    """A function of each column's values that are there; nan with fewer than two."""
    out = np.full((theta.shape[1], width), np.nan)
    for j, column in enumerate(theta.T):
        there = column[~np.isnan(column)]
        if len(there) > 1:
            out[j] = function(there)
    return out if width > 1 else out[:, 0]


def _sd(x: Array) -> float:
    return float(x.std(ddof=1))


def _acceleration(x: Array) -> float:
    """Sum d^3 / (6 (sum d^2)^(3/2)), d = mean - x."""
    d = x.mean() - x
    squares = float((d**2).sum())
    return float((d**3).sum() / (6.0 * squares**1.5)) if squares > 0 else 0.0


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
