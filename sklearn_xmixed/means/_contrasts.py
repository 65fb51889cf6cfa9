"""Contrasts among marginal means, adjusted for how many there are."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ._asymptotic import p_value
from ._estimates import LinearEstimates
from ._page import EstimatesPage
from ._shown import BackTransformed, Shown, transformed_table
from ._transformation import transformation_of
from .multiplicity import TITLES, Family

if TYPE_CHECKING:
    from ..plotting import MarginalMeansDisplay

__all__ = ["Contrasts"]

Array = np.ndarray


@dataclass(frozen=True, eq=False, repr=False)
class Contrasts(Shown, LinearEstimates):
    """Contrasts, as from ``MarginalMeans.contrasts``.

    Attributes
    ----------
    table : DataFrame
        Index: by-levels and the contrast; columns estimate, std_error, df, t, p_value,
        ci_lower, ci_upper, p-values and intervals adjusted within each by-level.
    L, vcov : DataFrame
        The linear combinations of the coefficients, and the covariance matrix of the
        contrasts.
    coefficients : DataFrame
        Those of the means; columns as the index of the means' table.
    adjust : str
    by : tuple of str
    """

    coefficients: pd.DataFrame
    families: Array
    n_means: Array
    adjust: str
    by: tuple[str, ...]
    of: str
    of_offset: Array | None = None

    @property
    def shift(self) -> Array:
        """The offset's share, zero where coefficients of means sum to zero."""
        return np.zeros(len(self.rows)) if self.of_offset is None else self.of_offset

    @cached_property
    def t(self) -> Array:
        """Estimates over their standard errors."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(self.std_error > 0, self.estimate / self.std_error, np.nan)

    def _family(self, number: int) -> tuple[Array, Family]:
        at = np.flatnonzero(self.families == number)
        V = self.covariance[np.ix_(at, at)]
        return at, Family(self.t[at], self.df[at], V, int(self.n_means[number]))

    @cached_property
    def _families(self) -> list[tuple[Array, Family]]:
        return [self._family(k) for k in range(len(self.n_means))]

    @cached_property
    def _reach(self) -> Array:
        """Half of each interval, in standard errors."""
        out = np.full(len(self.rows), np.nan)
        for at, family in self._families:
            out[at] = family.critical_values(self.adjust, self.confidence_level)
        return out

    @cached_property
    def _table(self) -> pd.DataFrame:
        p = np.full(len(self.rows), np.nan)
        for at, family in self._families:
            p[at] = family.p_values(self.adjust)
        half = self._reach * self.std_error
        return pd.DataFrame(
            {
                "estimate": self.estimate,
                "std_error": self.std_error,
                "df": self.df,
                "t": self.t,
                "p_value": p,
                "ci_lower": self.estimate - half,
                "ci_upper": self.estimate + half,
            },
            index=self.index,
        )

    @property
    def table(self) -> pd.DataFrame:
        """Estimates with tests and simultaneous intervals."""
        return self._table.copy()

    def joint_test(self) -> pd.DataFrame:
        """Test that all contrasts of a by-level are zero.

        Returns
        -------
        DataFrame
            One row per by-level: df, f_value, df_denom, p_value; with ``df_denom`` inf
            the p-value is that of chi-squared.

        Examples
        --------
        >>> from sklearn_xmixed import from_formula
        >>> from sklearn_xmixed.datasets import load_penicillin
        >>> data = load_penicillin().frame
        >>> model = from_formula("diameter ~ sample + (1 | plate)", data)
        >>> model.marginal_means("sample").pairs().joint_test()["df"].tolist()
        [5]
        """
        index = pd.Index(["all contrasts"], name="test")
        number = np.zeros(len(self.rows), dtype=int)
        if self.by:
            levels = self.index.to_frame(index=False)[list(self.by)]
            number = levels.groupby(list(self.by), sort=False).ngroup().to_numpy()
            named = pd.MultiIndex.from_frame(levels.drop_duplicates())
            index = named.get_level_values(0) if len(self.by) == 1 else named
        tests = [
            self._joint(np.flatnonzero(number == k)) for k in range(number.max() + 1)
        ]
        return pd.DataFrame(
            {
                "df": [t.df for t in tests],
                "f_value": [t.f_value for t in tests],
                "df_denom": [t.df_denom for t in tests],
                "p_value": [p_value(t) for t in tests],
            },
            index=index,
        )

    def back_transform(self, inverse: Any = None) -> BackTransformed:
        """Differences of logarithms as ratios.

        Parameters
        ----------
        inverse : callable, default=None
            ``numpy.exp`` where the response does not say that it is a logarithm.

        Returns
        -------
        BackTransformed
            With ``table``; t and p_value stay those of the differences.

        Raises
        ------
        ValueError
            If the response is no logarithm: differences of other transformations have no
            way back; compare the means themselves.
        """
        way = transformation_of(self.part.response, inverse)
        if not way.ratio:
            raise ValueError(
                f"Differences of {self.part.response!r} have no way back: only those of "
                "logarithms are something afterwards, ratios. Transform the means back "
                "instead: marginal_means(...).back_transform()."
            )
        return BackTransformed(
            transformed_table(self._table, way),
            f"Ratios of {way.response}: {way.inverse} of differences of "
            f"{self.part.response}",
            self.by,
            self.confidence_level,
            self._notes(),
        )

    def _notes(self) -> tuple[str, ...]:
        notes = []
        sizes = [family.size for _, family in self._families]
        title = TITLES[self.adjust]
        if self.adjust != "none" and max(sizes, default=0) > 1:
            told = " or ".join(map(str, sorted(set(sizes))))
            where = " in each by-level" if len(sizes) > 1 else ""
            notes.append(
                f"p-values and intervals are adjusted for {told} contrasts{where} by "
                f"{title}."
            )
        return (*notes, *self._lost())

    def _page(self) -> EstimatesPage:
        title = f"Contrasts of {self.of}; df: {self.part.reference.method}"
        return EstimatesPage(
            title, self._table, self.by, self.confidence_level, self._notes()
        )

    def plot(self, ax: Any = None, **options: Any) -> MarginalMeansDisplay:
        """Draw the contrasts with their intervals.

        Parameters
        ----------
        ax : Axes or array of Axes, default=None
            To draw into; None makes a new figure.
        **options : dict
            As of ``MarginalMeansDisplay.plot``.

        Returns
        -------
        MarginalMeansDisplay
        """
        from ..plotting import MarginalMeansDisplay

        display = MarginalMeansDisplay(
            self.table, by=self.by, response=f"contrast of {self.of}", zero=True
        )
        return display.plot(ax, **options)
