"""The result of a jackknife: pseudovalues and what follows from them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ..inference import check_level, t_p_value, t_quantile
from ..reporting import PlainPage
from ._resampled import Resampled, of_known, stub_of

__all__ = ["JackknifeResult"]

Array = np.ndarray


@dataclass(frozen=True, eq=False, repr=False)
class JackknifeResult(Resampled):
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
        mean = of_known(np.mean, self._numbers())
        return self._series((self._used - 1) * (mean - self.estimate.to_numpy()))

    @property
    def std_error(self) -> pd.Series:
        """sqrt((G - 1) / G times the sum of squares about the replicates' mean)."""
        return self._series(
            of_known(lambda x: np.sqrt((len(x) - 1) * x.var()), self._numbers())
        )

    @property
    def acceleration(self) -> pd.Series:
        """The acceleration of BCa intervals."""
        return self._series(of_known(_acceleration, self._numbers()))

    def covariance(self) -> pd.DataFrame:
        """Covariance matrix of the statistics, over complete replicates.

        Returns
        -------
        DataFrame
        """
        x = self.replicates.dropna().to_numpy(float)
        G, names = len(x), self.estimate.index
        V = np.atleast_2d(np.cov(x, rowvar=False, ddof=0)) * (G - 1)
        return pd.DataFrame(V, index=names, columns=names)

    def to_frame(self, confidence_level: float | None = None) -> pd.DataFrame:
        """Estimate, bias, standard error, t test with G - 1 df and interval.

        Parameters
        ----------
        confidence_level : float, default=None
            None takes that of the call of ``jackknife``.

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
        half = t_quantile(level, df) * se
        return pd.DataFrame(
            {
                "estimate": estimate,
                "bias": self.bias.to_numpy(),
                "std_error": se,
                "t": t,
                "p_value": t_p_value(t, df),
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
            stub=stub_of(self.estimate.index),
            above=("", "Jackknife", "", "", ""),
            statistic="t",
            confidence_level=self.confidence_level,
            table=self.to_frame().drop(columns="bias"),
            notes=tuple(self._failed_note()),
        )


def _acceleration(x: Array) -> float:
    """Sum d^3 / (6 (sum d^2)^(3/2)), d = mean - x."""
    d = x.mean() - x
    squares = float((d**2).sum())
    return float((d**3).sum() / (6.0 * squares**1.5)) if squares > 0 else 0.0
