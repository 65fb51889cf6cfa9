"""The variables of a fit: one value per row each, out of X, y, weights and groups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from .._spec import RandomEffects
from ._categories import Categories, read_categories
from ._clusters import read_clusters
from ._factors import factor_values
from ._fixed import (
    choose_fixed,
    extra_names,
    feature_names,
    read_extra,
    read_numbers,
    read_xy,
    remember_columns,
)
from ._labels import Source, missing_rows
from ._levels import read_labels
from ._offset import read_offset
from ._weights import read_level_weights, read_sample_weight
from .residuals._within import read_variables, rows_with_values

__all__ = ["Variables", "variables_in_X"]

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class Variables:
    """What the user passed, as columns of the same length.

    Parameters
    ----------
    X : ndarray of shape (n, k)
        Columns of the fixed part.
    y : ndarray of shape (n,)
    extra : ndarray of shape (n, e)
        Random columns that are not in the fixed part.
    labels : dict
        Labels by level, top level first; None for ``_all``.
    weights : ndarray of shape (n,) or None
        Of the rows.
    level_weights : dict
        Weights of the groups by level, those of the levels that have them.
    clusters : array-like or None
        Labels of the clusters.
    residual : dict
        Times and by-categories of the residuals, by role.
    factors : dict
        Levels of the factors by name.
    columns, fixed_names, extra_names : list of str
        Names of the columns of the user's X, of X and of extra.
    offset : ndarray of shape (n,) or None
        What was taken from y.
    categories : Categories or None
        Of columns that are coded.
    codes : dict
        Numbers of their categories by column.
    dropped : ndarray of int
        Rows that were left out.
    """

    X: Array
    y: Array
    extra: Array
    labels: dict[str, Any]
    weights: Array | None
    level_weights: dict[str, Array]
    clusters: Any
    residual: dict[str, Any]
    factors: dict[str, Any]
    columns: list[str]
    fixed_names: list[str]
    extra_names: list[str]
    offset: Array | None = None
    categories: Categories | None = None
    codes: dict[str, Array] = field(default_factory=dict)
    dropped: Array = field(default_factory=lambda: np.zeros(0, dtype=np.intp))

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return len(self.y)

    @classmethod
    def read(
        cls,
        estimator: Any,
        equations: list[RandomEffects],
        X: Any,
        y: Any,
        sample_weight: Any,
        groups: Any,
        offset: Any = None,
        categories: Categories | None = None,
    ) -> Variables:
        """Look every variable up and validate it.

        Parameters
        ----------
        categories : Categories, optional
            Those of earlier rows; None takes those that are found.
        """
        drop_missing = estimator.missing == "drop"
        special = variables_in_X(estimator, equations)
        in_order = list(dict.fromkeys(e.group for e in equations))
        labels: dict[str, Any] = dict.fromkeys(in_order)
        source: Source | None = None
        if estimator.categorical != "raise":
            source = Source.of(X, groups)
            categories = categories or read_categories(
                estimator, equations, source, special
            )
        as_it_is = not special and estimator.fixed is None and not drop_missing
        codes: dict[str, Array] = {}
        if as_it_is and categories is None:
            source = None
            X, y = read_numbers(estimator, X, y)
            if y.dtype != np.float64:
                y = y.astype(np.float64)
            columns = fixed_names = feature_names(estimator)
        else:
            source = Source.of(X, groups) if source is None else source
            remember_columns(estimator, X, y)
            columns = source.columns
            if categories is not None:
                codes = categories.every_code(source)
                source = categories.over(source)
            fixed_names = choose_fixed(estimator, source, special)
            labels = read_labels(source, in_order)  # before text trips over numbers
            X, y = read_xy(estimator, source, fixed_names, y)
        weights = read_sample_weight(sample_weight, y, drop_missing)
        level_weights = read_level_weights(
            source,
            equations,
            drop_missing,
            precision=estimator.weight_type == "precision",
        )
        offset = read_offset(estimator, source, offset, len(y))
        clusters = read_clusters(estimator, source)
        extra = extra_names(equations, fixed_names)
        if "_cons" in [*fixed_names, *extra]:
            raise ValueError(
                "A column is named '_cons', which is the name of the constant in all "
                "results; rename the column."
            )
        return cls(
            X,
            y if offset is None else y - offset,
            read_extra(source, extra, len(y), drop_missing),
            labels,
            weights,
            level_weights,
            clusters,
            read_variables(source, estimator.residuals),
            factor_values(source, equations),
            columns,
            fixed_names,
            extra,
            offset=offset,
            categories=categories,
            codes=codes,
        )

    def complete(self, estimator: Any) -> Variables:
        """The rows without missing values and of positive weight; self if all are.

        Raises
        ------
        ValueError
            If values are missing and that is not allowed, or no rows are left.
        """
        keep = self._rows_to_keep(estimator)
        if keep is None:
            return self
        if not keep.any():
            raise ValueError(
                "No rows are left after dropping those with missing values or weights "
                "of zero."
            )

        def rows(values: Any) -> Any:
            return None if values is None else np.asarray(values)[keep]

        def each(values: dict[str, Any]) -> dict[str, Any]:
            return {name: rows(column) for name, column in values.items()}

        return replace(
            self,
            X=self.X[keep],
            y=self.y[keep],
            extra=self.extra[keep],
            labels=each(self.labels),
            weights=rows(self.weights),
            offset=rows(self.offset),
            level_weights=each(self.level_weights),
            clusters=rows(self.clusters),
            # with their categories
            residual={role: v[keep] for role, v in self.residual.items()},
            factors=each(self.factors),
            codes=each(self.codes),
            dropped=np.flatnonzero(~keep),
        )

    def counted_categories(self) -> Categories | None:
        """Categories with the combinations of these rows; None without any."""
        if self.categories is None:
            return None
        return self.categories.counted(self.codes, self.weights)

    def _rows_to_keep(self, estimator: Any) -> Array | None:
        """Which rows are complete; None for all."""
        drop = estimator.missing == "drop"
        keep: list[Array] = []
        labels = {f"level {g!r}": v for g, v in self.labels.items()}
        labels |= {f"factor {f!r}": v for f, v in self.factors.items()}
        labels[f"cluster {estimator.cluster!r}"] = self.clusters
        for what, values in labels.items():
            if values is None:
                continue
            gone = missing_rows(values)
            if gone.any():
                if not drop:
                    raise ValueError(
                        f"The labels of {what} are missing in {int(gone.sum())} rows "
                        f"(the first is row {int(np.argmax(gone))}). Give them a "
                        "label, or set missing='drop' to leave these rows out."
                    )
                keep.append(~gone)
        for column, codes in self.codes.items():
            if (codes < 0).any():  # of a single category, which makes no column
                if not drop:
                    raise ValueError(
                        f"The categories of {column!r} are missing in "
                        f"{int((codes < 0).sum())} rows. Give them one, or set "
                        "missing='drop' to leave these rows out."
                    )
                keep.append(codes >= 0)
        if drop:
            gone = np.isnan(self.y)
            for columns in (self.X, self.extra):
                gone = gone | np.isnan(columns).any(axis=1)
            if gone.any():
                keep.append(~gone)
        for w in (self.weights, *self.level_weights.values()):
            if w is not None and not (w > 0).all():
                keep.append(w > 0)
        timed = rows_with_values(self.residual, estimator.residuals, estimator.missing)
        if timed is not None:
            keep.append(timed)
        return np.logical_and.reduce(keep) if keep else None


def variables_in_X(estimator: Any, equations: Sequence[RandomEffects]) -> set[str]:
    """Names of labels, weights, clusters, times, by-groups and the offset."""
    names = {e.group for e in equations if e.group != "_all"}
    names |= {e.weight for e in equations if e.weight is not None}
    names |= {e.factor for e in equations if e.factor is not None}
    residuals = estimator.residuals
    if residuals is not None:
        named = residuals.variables
        if not isinstance(residuals.variance, str):
            named.pop("variance", None)  # of a covariate of the fixed part as well
        names |= set(named.values())
    names |= {
        name for name in (estimator.cluster, estimator.offset) if isinstance(name, str)
    }
    return names
