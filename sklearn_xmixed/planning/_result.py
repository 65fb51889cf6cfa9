"""What ``power`` returns."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy.special import betaincinv

from ..inference import check_level

if TYPE_CHECKING:
    from ..plotting import PowerCurveDisplay

__all__ = ["PowerResult"]

Array = np.ndarray


@dataclass(frozen=True, eq=False, repr=False)
class PowerResult:
    """Simulated power, of one design or several.

    ``power`` makes it; it prints as a table, and ``plot`` draws a curve.

    Parameters
    ----------
    p_values : ndarray of shape (n_designs, n_sims)
        nan where a fit failed.
    sizes : DataFrame
        Columns n_groups, n_rows and n_obs, a row for each design.
    effect : dict of str to float
        Coefficients under the alternative.
    hypothesis : tuple of str
        What was tested.
    method : str
        How.
    alpha : float
        Level of the test.
    confidence_level : float
        Of the intervals for what is due to simulation.

    Examples
    --------
    >>> from sklearn_xmixed import MixedLinearRegressor, power
    >>> from sklearn_xmixed.datasets import load_sleepstudy
    >>> X, y = load_sleepstudy(return_X_y=True)
    >>> pilot = MixedLinearRegressor("subject", method="reml").fit(X, y)
    >>> result = power(pilot, X, effect={"days": 2.0}, n_sims=200, random_state=0)
    >>> result.table.columns.tolist()[3:6]
    ['power', 'ci_lower', 'ci_upper']
    >>> bool(result.to_frame(alpha=0.01)["power"][0] <= result.power)
    True
    """

    p_values: Array
    sizes: pd.DataFrame
    effect: dict[str, float]
    hypothesis: tuple[str, ...]
    method: str
    alpha: float
    confidence_level: float

    @property
    def table(self) -> pd.DataFrame:
        """Power of each design.

        Columns n_groups (top level), n_rows (in a group of the lowest level, on
        average), n_obs, power, ci_lower and ci_upper (Clopper and Pearson), n_sims
        and n_failed, the fits that did not converge: they are left out.
        """
        return self.to_frame()

    def to_frame(
        self, alpha: float | None = None, confidence_level: float | None = None
    ) -> pd.DataFrame:
        """The table, also at another level of the test or of the intervals.

        Parameters
        ----------
        alpha, confidence_level : float, default=None
            None is that of the call.

        Returns
        -------
        DataFrame
        """
        alpha = check_level(self.alpha if alpha is None else alpha)
        level = self.confidence_level if confidence_level is None else confidence_level
        there = ~np.isnan(self.p_values)
        n = there.sum(axis=1)
        found = ((self.p_values <= alpha) & there).sum(axis=1)
        low, high = clopper_pearson(found, n, check_level(level))
        with np.errstate(invalid="ignore"):
            share = found / np.where(n > 0, n, np.nan)
        return self.sizes.assign(
            power=share,
            ci_lower=low,
            ci_upper=high,
            n_sims=self.p_values.shape[1],
            n_failed=self.p_values.shape[1] - n,
        )

    @property
    def power(self) -> float | Array:
        """Power: a number for one design, an array for several."""
        values = self.table["power"].to_numpy()
        return float(values[0]) if len(values) == 1 else values

    def plot(self, ax: Any = None, **options: Any) -> PowerCurveDisplay:
        """Draw power against the size of the study.

        Parameters
        ----------
        ax : Axes, default=None
            To draw into; None makes a new figure.
        **options : dict
            As of ``PowerCurveDisplay.plot``.

        Returns
        -------
        PowerCurveDisplay
        """
        from ..plotting import PowerCurveDisplay

        return PowerCurveDisplay(self.table, alpha=self.alpha).plot(ax, **options)

    @property
    def _head(self) -> list[str]:
        effect = ", ".join(f"{name} = {value:g}" for name, value in self.effect.items())
        what = ", ".join(self.hypothesis)
        return [
            f"Power to find {effect}",
            f"Test of {what} by {self.method!r} at level {self.alpha:g}",
        ]

    def _shown(self) -> dict[str, Any]:
        integers = {"n_groups": "{:.0f}", "n_obs": "{:.0f}", "n_rows": "{:.4g}"}
        shares = dict.fromkeys(["power", "ci_lower", "ci_upper"], "{:.3f}")
        return {k: f.format for k, f in {**integers, **shares}.items()}

    def __str__(self) -> str:
        text = self.table.to_string(index=False, formatters=self._shown())
        return "\n".join([*self._head, "", text])

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        head = "<br>".join(escape(line) for line in self._head)
        body = self.table.to_html(index=False, formatters=self._shown(), border=0)
        return f"<p>{head}</p>{body}"


def clopper_pearson(found: Array, n: Array, level: float) -> tuple[Array, Array]:
    """Exact interval of a binomial share."""
    tail = 0.5 * (1.0 - level)
    missed = n - found
    low = betaincinv(np.maximum(found, 1), missed + 1, tail)
    high = betaincinv(found + 1, np.maximum(missed, 1), 1.0 - tail)
    return np.where(found > 0, low, 0.0), np.where(missed > 0, high, 1.0)
