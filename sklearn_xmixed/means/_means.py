"""Marginal means of the fixed part over a reference grid, and their comparisons."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ..inference import check_level, t_quantile
from ._coefficients import USUAL, contrast_coefficients
from ._contrasts import Contrasts
from ._estimates import FixedPart, LinearEstimates
from ._page import EstimatesPage
from ._shown import BackTransformed, Shown, transformed_table
from ._transformation import transformation_of
from .grid import (
    FixedRows,
    FixedVariables,
    ReferenceGrid,
    averaged_over,
    make_grid,
    names_of,
    resolved,
    targets_of,
)
from .multiplicity import ADJUSTMENTS, TITLES, Family, compact_letters

if TYPE_CHECKING:
    from ..plotting import MarginalMeansDisplay

__all__ = ["MarginalMeans", "marginal_means"]

Array = np.ndarray
_MEANS = "Marginal means"


@dataclass(frozen=True, eq=False, repr=False)
class MarginalMeans(Shown, LinearEstimates):
    """Marginal means or trends, as from ``marginal_means`` and ``marginal_trends``.

    Attributes
    ----------
    table : DataFrame
        Index: levels of ``by`` and ``specs``; columns estimate, std_error, df, ci_lower,
        ci_upper.  Estimates are nan where they are not estimable.
    L, vcov : DataFrame
        The linear combinations of the coefficients, and the covariance matrix of the
        estimates.
    estimable : ndarray of bool
    specs, by : tuple of str
    grid : DataFrame
        The reference grid; with ``weight``, its share in the mean.
    """

    specs: tuple[str, ...]
    by: tuple[str, ...]
    what: str
    over: str
    reference_grid: ReferenceGrid

    @classmethod
    def _over_grid(
        cls,
        part: FixedPart,
        grid: ReferenceGrid,
        columns: tuple[Array, Array],
        targets: tuple[tuple[str, ...], tuple[str, ...]],
        words: tuple[str, str],
        confidence_level: float,
    ) -> MarginalMeans:
        """Averages over a reference grid.

        Parameters
        ----------
        columns : (ndarray of shape (n, p), ndarray of shape (n, k))
            Of the grid's rows; what cannot be estimated of them.
        targets : (specs, by)
        words : (what, over)
        """
        rows, unknown = resolved(*(grid.average(one) for one in columns))
        specs, by = targets
        what, over = words
        return cls(
            part,
            rows,
            unknown,
            grid.index,
            confidence_level,
            specs,
            by,
            what,
            over,
            grid,
        )

    @property
    def shift(self) -> Array:
        """Of means the offset at its mean; of slopes nothing."""
        share = self.part.offset if self.what == _MEANS else 0.0
        return np.full(len(self.rows), share)

    @property
    def grid(self) -> pd.DataFrame:
        """The reference grid and the weights of its rows."""
        return self.reference_grid.frame.assign(weight=self.reference_grid.weight)

    def _framed(self, reach: Array) -> pd.DataFrame:
        half = reach * self.std_error
        return pd.DataFrame(
            {
                "estimate": self.estimate,
                "std_error": self.std_error,
                "df": self.df,
                "ci_lower": self.estimate - half,
                "ci_upper": self.estimate + half,
            },
            index=self.index,
        )

    @cached_property
    def _table(self) -> pd.DataFrame:
        return self._framed(t_quantile(self.confidence_level, self.df))

    @property
    def table(self) -> pd.DataFrame:
        """Estimates with intervals, each for itself."""
        return self._table.copy()

    # -- comparisons -------------------------------------------------------------

    def contrasts(
        self,
        kind: Any = "pairwise",
        *,
        by: Any = None,
        adjust: str | None = None,
        ref: Any = None,
        confidence_level: float | None = None,
    ) -> Contrasts:
        """Compare the means.

        Parameters
        ----------
        kind : str or dict, default="pairwise"
            "pairwise"; "reference", every mean with that of ``ref``; "consecutive",
            every mean with the one before; "polynomial", orthogonal polynomials over
            equally spaced levels; "effects", every mean with the average of all.  Or
            coefficients by name: a list with one per mean, or a dict of levels.
        by : str or list of str, default=None
            Variables within whose levels means are compared; None takes those of the
            means, an empty list compares all with all.
        adjust : str, default=None
            "tukey" (pairwise alone), "mvt" (exact, by the multivariate t distribution;
            for a reference it is Dunnett's method), "bonferroni", "holm", "sidak",
            "scheffe", "fdr" or "none".  None takes what is usual: tukey for pairwise, mvt
            for reference and consecutive, fdr for effects, else none.
        ref : level, default=None
            Of kind "reference"; a tuple with several variables.  None is the first.
        confidence_level : float, default=None
            None takes that of the means.

        Returns
        -------
        Contrasts

        Raises
        ------
        ValueError
            On a kind, adjustment, level or variable that is none.

        Examples
        --------
        >>> from sklearn_xmixed import from_formula
        >>> from sklearn_xmixed.datasets import load_penicillin
        >>> data = load_penicillin().frame
        >>> model = from_formula("diameter ~ sample + (1 | plate)", data)
        >>> means = model.marginal_means("sample")
        >>> found = means.contrasts("reference", ref="F", adjust="mvt")
        >>> found.table[["estimate", "p_value"]].round(3).head(2)
                  estimate  p_value
        contrast
        A - F        5.208      0.0
        B - F        2.000      0.0
        """
        level = self.confidence_level
        if confidence_level is not None:
            level = check_level(confidence_level)
        by = self.by if by is None else names_of(by, "by")
        names = list(self.index.names)
        for name in by:
            if name not in (*self.by, *self.specs):
                raise ValueError(
                    f"by must name variables of the means, {names}; got {name!r}."
                )
        adjust = _adjustment(kind, adjust)
        own = [n for n in names if n not in by]
        if not own:
            raise ValueError(
                f"Within levels of {list(by)} there is nothing to compare."
            )
        levels = self.index.to_frame(index=False)
        families = np.zeros(len(levels), dtype=int)
        if by:
            families = levels.groupby(list(by), sort=False).ngroup().to_numpy()
        blocks: list[Array] = []
        keys: list[tuple[Any, ...]] = []
        sizes: list[int] = []
        numbers: list[int] = []
        for number in range(families.max() + 1):
            at = np.flatnonzero(families == number)
            parts = levels.iloc[at]
            mine = [tuple(row) for row in parts[own].itertuples(index=False, name=None)]
            shown = mine if len(own) > 1 else [m[0] for m in mine]
            outer = tuple(parts[list(by)].iloc[0]) if by else ()
            named = contrast_coefficients(kind, shown, ref)
            if not named:  # a single mean, of nested factors say
                continue
            for name, row in named:
                block = np.zeros(len(levels))
                block[at] = row
                blocks.append(block)
                keys.append((*outer, name))
            numbers += [len(sizes)] * len(named)
            sizes.append(len(at))
        if not blocks:
            raise ValueError("There is a single mean, and nothing to compare it with.")
        C = np.array(blocks)
        index = _contrast_index(by, keys)
        return Contrasts(
            self.part,
            C @ self.rows,
            C @ self.unknown,
            index,
            level,
            pd.DataFrame(C, index=index, columns=self.index),
            np.array(numbers),
            np.array(sizes),
            adjust,
            tuple(by),
            self.what.lower() if self.what == _MEANS else self.what,
            C @ self.shift if self.shift.any() else None,
        )

    def pairs(self, *, by: Any = None, adjust: str = "tukey") -> Contrasts:
        """All pairwise differences, by Tukey's method.

        Parameters
        ----------
        by, adjust
            As of ``contrasts``.

        Returns
        -------
        Contrasts
        """
        return self.contrasts("pairwise", by=by, adjust=adjust)

    def letters(
        self, *, by: Any = None, adjust: str = "tukey", alpha: float = 0.05
    ) -> pd.Series:
        """Compact letters: means that share a letter do not differ significantly.

        Parameters
        ----------
        by, adjust
            As of ``contrasts``.
        alpha : float, default=0.05
            Means whose adjusted p-value is below it get different letters.

        Returns
        -------
        Series
            Indexed as ``table``; the largest mean has an a, a mean that is not estimable
            has none.

        Notes
        -----
        That two means share a letter is no evidence that they are equal.

        Examples
        --------
        >>> from sklearn_xmixed import from_formula
        >>> from sklearn_xmixed.datasets import load_penicillin
        >>> data = load_penicillin().frame
        >>> model = from_formula("diameter ~ sample + (1 | plate)", data)
        >>> model.marginal_means("sample").letters().to_dict()
        {'A': 'a', 'B': 'c', 'C': 'a', 'D': 'b', 'E': 'b', 'F': 'd'}
        """
        if not 0 < alpha < 1:
            raise ValueError(f"alpha must lie between 0 and 1, got {alpha!r}.")
        found = self.contrasts("pairwise", by=by, adjust=adjust)
        pairs = found.coefficients.to_numpy()
        p = found._table["p_value"].to_numpy()
        out = np.full(len(self.rows), "", dtype=object)
        for number in range(len(found.n_means)):
            mine = np.flatnonzero(found.families == number)
            at = np.flatnonzero(pairs[mine].any(axis=0))
            differ = np.zeros((len(self.rows), len(self.rows)), dtype=bool)
            for k in mine:
                i, j = np.flatnonzero(pairs[k])
                differ[i, j] = differ[j, i] = p[k] < alpha
            out[at] = compact_letters(self.estimate[at], differ[np.ix_(at, at)])
        out[~pairs.any(axis=0) & self.estimable] = "a"  # with nothing to compare
        return pd.Series(out, index=self.index, name="letters")

    def simultaneous(self, adjust: str = "mvt") -> pd.DataFrame:
        """The table with intervals that hold for all means of a by-level together.

        Parameters
        ----------
        adjust : {"mvt", "bonferroni", "sidak", "scheffe", "none"}, default="mvt"

        Returns
        -------
        DataFrame
        """
        if adjust not in ("mvt", "bonferroni", "sidak", "scheffe", "none"):
            raise ValueError(
                "adjust must be 'mvt', 'bonferroni', 'sidak', 'scheffe' or 'none' for "
                f"intervals of means, got {adjust!r}."
            )
        reach = np.full(len(self.rows), np.nan)
        families = np.zeros(len(self.rows), dtype=int)
        if self.by:
            levels = self.index.to_frame(index=False)
            families = levels.groupby(list(self.by), sort=False).ngroup().to_numpy()
        for number in range(families.max() + 1):
            at = np.flatnonzero(families == number)
            V = self.covariance[np.ix_(at, at)]
            family = Family(self.estimate[at], self.df[at], V, len(at))
            reach[at] = family.critical_values(adjust, self.confidence_level)
        return self._framed(reach)

    # -- other ways to see them --------------------------------------------------

    def back_transform(self, inverse: Any = None) -> BackTransformed:
        """The means on the scale of a response that was transformed.

        Parameters
        ----------
        inverse : callable, default=None
            The inverse function; None reads it from a formula's response, such as
            ``log(weight)``.

        Returns
        -------
        BackTransformed
            With ``table`` and ``transformation``, which says what was done.

        Raises
        ------
        ValueError
            If the response does not say how it was transformed.

        Notes
        -----
        The back-transformed mean of a response is no mean of the response: of logarithms
        it is a geometric mean, and of any monotone function the median if the errors
        are normal.  Intervals are transformed at their ends.
        """
        way = transformation_of(self.part.response, inverse)
        return BackTransformed(
            transformed_table(self._table, way),
            f"{self.what} of {way.response}: {way.inverse} of that of "
            f"{self.part.response}",
            self.by,
            self.confidence_level,
            self._notes(),
        )

    def plot(self, ax: Any = None, **options: Any) -> MarginalMeansDisplay:
        """Draw the means with their intervals, in one panel per by-level.

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

        name = self.part.response if self.what == _MEANS else self.what
        display = MarginalMeansDisplay(self.table, by=self.by, response=name)
        return display.plot(ax, **options)

    def _notes(self) -> tuple[str, ...]:
        return (*((self.over,) if self.over else ()), *self._lost())

    def _page(self) -> EstimatesPage:
        title = (
            f"{self.what} of {self.part.response}"
            if self.what == _MEANS
            else f"{self.what} in {self.part.response}"
        )
        return EstimatesPage(
            f"{title}; df: {self.part.reference.method}",
            self._table,
            self.by,
            self.confidence_level,
            self._notes(),
        )


def _adjustment(kind: Any, adjust: str | None) -> str:
    """The adjustment asked for, or the usual one."""
    if adjust is None:
        return USUAL.get(kind, "none") if isinstance(kind, str) else "none"
    if adjust not in ADJUSTMENTS:
        raise ValueError(f"adjust must be one of {list(TITLES)}, got {adjust!r}.")
    if adjust == "tukey" and kind != "pairwise":
        raise ValueError(
            "Tukey's method is for all pairwise differences; for other sets use "
            f"adjust='mvt', which is exact for any. Got kind={kind!r}."
        )
    return adjust


def _contrast_index(by: Sequence[str], keys: list[tuple[Any, ...]]) -> pd.Index:
    if not by:
        return pd.Index([k[0] for k in keys], name="contrast", dtype=object)
    return pd.MultiIndex.from_tuples(keys, names=[*by, "contrast"])


def marginal_means(
    part: FixedPart,
    known: FixedVariables,
    fixed_rows: FixedRows,
    specs: Any,
    by: Any,
    grid: tuple[Any, str],
    confidence_level: float,
) -> MarginalMeans:
    """See ``MixedLinearRegressor.marginal_means``; ``grid`` is (at, weights)."""
    specs, by = targets_of(specs, by)
    laid = make_grid(known, (*by, *specs), *grid)
    words = _MEANS, averaged_over(known, (*by, *specs), *grid)
    return MarginalMeans._over_grid(
        part, laid, fixed_rows(laid.frame), (specs, by), words, confidence_level
    )
