"""ConformalMixedRegressor: parameters, fit and calibration, intervals."""

from __future__ import annotations

import warnings
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, MetaEstimatorMixin, RegressorMixin, clone
from sklearn.metrics import r2_score
from sklearn.utils import (
    _safe_indexing,
    assert_all_finite,
    check_consistent_length,
    check_random_state,
    column_or_1d,
    get_tags,
    indexable,
)
from sklearn.utils.validation import check_is_fitted, validate_data

from ..exceptions import MixedModelWarning
from ..inference import check_level
from ._folds import parts_of
from ._predictor import centre_and_scale, last_step
from ._scores import Scores, shares
from ._units import Units

__all__ = ["ConformalMixedRegressor"]

Array = np.ndarray

CHOICES = {
    "exchangeable": ("rows", "groups"),
    "conformity_score": ("normalized", "absolute"),
    "group_rows": ("all", "one"),
}


class ConformalMixedRegressor(MetaEstimatorMixin, RegressorMixin, BaseEstimator):
    """Prediction intervals that cover whatever the distribution, by conformal prediction.

    Intervals of a model cover if the model is right. These cover if new rows are
    exchangeable with those that the scores were taken of: rows of the groups that are
    known, or rows of new groups where groups are exchangeable.

    Parameters
    ----------
    estimator : estimator
        A :class:`MixedLinearRegressor`, also of a formula or a command, or any regressor
        whose rows come in groups; a pipeline that ends in one.
    exchangeable : {"rows", "groups"}, default="rows"
        What a new observation is like.  "rows": a row left out at random, of a group
        that is known as a rule.  "groups": a row of a group left out at random; whole
        groups are left out of the fit, and each counts as much as any other whatever
        its size.
    group : str, default=None
        Variable with the exchangeable groups.  None is the highest level of the
        estimator's random effects; models with crossed factors, and estimators that are
        none of this package, need it.
    conformity_score : {"normalized", "absolute"}, default="normalized"
        Absolute residuals over the model's standard deviation of a new observation, so
        that intervals are wider where it is less certain; or as they are, for intervals
        of one width.
    cv : None, "prefit", int, splitter or iterable, default=None
        None: one split, the estimator is fitted to one part and the scores are those of
        the other (split conformal).  "prefit": the estimator is fitted already, and
        ``fit`` is given rows, or groups, that it has not seen.  A number of folds or a
        splitter: every row is left out once (CV+, with the splitter LeaveOneGroupOut the
        jackknife+ by group), which uses all rows for both; folds of groups keep these
        together.
    calibration_size : float, default=0.5
        Share of the rows, or groups, that the scores are taken of, where ``cv`` is None.
    group_rows : {"all", "one"}, default="all"
        Where groups are exchangeable: all rows of a group share its weight, or one of
        them is drawn.  Both cover; the former does so with more than the level where
        groups are few, the latter leaves more to chance.
    random_state : int, RandomState or None, default=None
        Draws the split, the folds and the rows.

    Attributes
    ----------
    estimator_ : estimator
        The fit that ``predict`` uses: to the part that no scores were taken of, with
        folds to all rows.
    calibration_ : DataFrame
        The scores: row (its number in X), fold, score, and share, its weight among the
        exchangeable rows or groups.
    n_calibration_ : int
        How many exchangeable rows or groups have scores.
    n_features_in_ : int
        Number of columns of X.
    feature_names_in_ : ndarray of str
        Their names, where X had names.

    See Also
    --------
    MixedLinearRegressor.prediction_interval : Intervals of the model.

    Notes
    -----
    With n exchangeable rows and one split the coverage is at least the level of
    confidence, and where scores are not tied at most 1 / (n + 1) more (Vovk and others
    2005; Lei and others 2018).  With K groups a row drawn from a new group is covered at
    the level at least (Dunn, Wasserman and Ramdas 2022; Lee, Barber and Willett 2023): a
    score of a group with m rows has the share 1 / ((K + 1) m), and 1 / (K + 1) is left for
    the new group, so that a level above K / (K + 1) has infinite intervals.  This is what
    repeated subsampling of one row per group comes to when it is repeated for ever.  CV+
    covers with at least 2 * level - 1, less a term that is small where there are few folds
    of many rows, and in practice with about the level (Barber and others 2021).

    Coverage is that of new rows, or groups, on average: not at every x, nor in every
    group.  Weights of rows would break it, and there are none.

    Examples
    --------
    >>> from sklearn_xmixed import ConformalMixedRegressor, MixedLinearRegressor
    >>> from sklearn_xmixed.datasets import load_sleepstudy
    >>> X, y = load_sleepstudy(return_X_y=True)
    >>> model = MixedLinearRegressor("subject", method="reml")
    >>> known = ConformalMixedRegressor(model, random_state=0).fit(X, y)
    >>> known.prediction_interval(X[:2], 0.9).round(1)
        mean  lower  upper
    0  291.0  231.0  351.0
    1  301.7  242.0  361.4

    A subject that was not there yet; of 18 subjects all are left out in turn:

    >>> from sklearn.model_selection import LeaveOneGroupOut
    >>> new = ConformalMixedRegressor(
    ...     model, exchangeable="groups", cv=LeaveOneGroupOut()
    ... ).fit(X, y)
    >>> new.prediction_interval(X[:2].assign(subject=1), 0.9).round(1)
        mean  lower  upper
    0  251.4  145.6  360.7
    1  261.9  157.0  371.5
    """

    __metadata_request__fit = {"groups": True}  # noqa: RUF012
    __metadata_request__predict = {"groups": True}  # noqa: RUF012
    __metadata_request__score = {"groups": True}  # noqa: RUF012

    def __init__(
        self,
        estimator: Any,
        *,
        exchangeable: str = "rows",
        group: str | None = None,
        conformity_score: str = "normalized",
        cv: Any = None,
        calibration_size: float = 0.5,
        group_rows: str = "all",
        random_state: Any = None,
    ):
        self.estimator = estimator
        self.exchangeable = exchangeable
        self.group = group
        self.conformity_score = conformity_score
        self.cv = cv
        self.calibration_size = calibration_size
        self.group_rows = group_rows
        self.random_state = random_state

    # -- fit ---------------------------------------------------------------------------

    def fit(self, X: Any, y: Any = None, *, groups: Any = None) -> Any:
        """Fit the estimator to some rows and take the scores of the others.

        Parameters
        ----------
        X : array-like or data frame of shape (n_samples, n_features)
            With ``cv="prefit"`` rows that the estimator has not seen.
        y : array-like of shape (n_samples,), default=None
            None takes that of a formula or a command.
        groups : array-like or data frame, default=None
            Labels, as for ``MixedLinearRegressor.fit``.

        Returns
        -------
        self : ConformalMixedRegressor

        Raises
        ------
        ValueError
            On a parameter that is out of range, and where there are no labels of
            exchangeable groups.
        """
        self._check_parameters()
        y = self._response(X, y, groups)
        X, groups = indexable(X, groups)
        validate_data(self, X, reset=True, skip_check_array=True)
        by_group = self.exchangeable == "groups"
        self._units = self._find_units(required=by_group)
        labels = None
        if self._units is not None:
            find = self._units.require if by_group else self._units.labels
            labels = find(X, groups)
        units = None
        if by_group and labels is not None:
            units = labels.factorize()[0]
        rng = check_random_state(self.random_state)
        fitted = self._learn(X, y, groups, units, rng)
        self._seen = None  # of an estimator that was fitted before, nothing is known
        if labels is not None and len(fitted):
            self._seen = (labels[fitted] if by_group else labels).unique()
        return self

    def _learn(
        self, X: Any, y: Array, groups: Any, units: Array | None, rng: Any
    ) -> Array:
        """The fits, and the scores of the rows that each has not seen.

        Returns
        -------
        ndarray of int
            The rows that some fit has seen.
        """
        everything = np.arange(len(y))
        if isinstance(self.cv, str):
            check_is_fitted(self.estimator)
            self._models, parts = [self.estimator], [(everything[:0], everything)]
        else:
            parts = parts_of(self.cv, self.calibration_size, X, y, units, rng)
            self._models = [
                self._fit_one(*_taken(train, X, y, groups)) for train, _ in parts
            ]
        self.estimator_ = self._models[0]
        if self.cv is not None and len(parts[0][0]):
            self.estimator_ = self._fit_one(X, y, groups)
        found = []
        for fold, (model, (_, test)) in enumerate(
            zip(self._models, parts, strict=True)
        ):
            X_test, y_test, groups_test = _taken(test, X, y, groups)
            centre, scale = self._say(model, X_test, groups_test)
            values = np.abs(y_test - centre) / scale
            found.append(pd.DataFrame({"row": test, "fold": fold, "score": values}))
        table = pd.concat(found, ignore_index=True)
        table = table[table["score"].notna()]
        if not len(table):
            raise ValueError(
                "No row that was left out of the fit has a score: predictions or "
                "responses are missing in all of them. Look at missing= and unseen= of "
                "the estimator."
            )
        own = table["row"].to_numpy() if units is None else units[table["row"]]
        if self.group_rows == "one" and units is not None:
            drawn = rng.permutation(len(table))
            first = np.sort(drawn[np.unique(own[drawn], return_index=True)[1]])
            table, own = table.iloc[first], own[first]
        self.calibration_ = table.assign(share=shares(own)).reset_index(drop=True)
        self.n_calibration_ = len(np.unique(own))
        return np.unique(np.concatenate([train for train, _ in parts]))

    def _fit_one(self, X: Any, y: Array, groups: Any) -> Any:
        given = {} if groups is None else {"groups": groups}
        return clone(self.estimator).fit(X, y, **given)

    def _say(self, model: Any, X: Any, groups: Any) -> tuple[Array, Array]:
        normalized = self.conformity_score == "normalized"
        return centre_and_scale(model, X, groups, normalized=normalized)

    # -- rows --------------------------------------------------------------------------

    def predict(self, X: Any, *, groups: Any = None) -> Array:
        """Predict the response by ``estimator_``.

        Parameters
        ----------
        X : array-like or data frame of shape (n_samples, n_features)
            Columns, as for ``fit``.
        groups : array-like or data frame, default=None
            Labels, as for ``fit``.

        Returns
        -------
        ndarray of shape (n_samples,)
        """
        check_is_fitted(self)
        given = {} if groups is None else {"groups": groups}
        return self.estimator_.predict(X, **given)

    def prediction_interval(
        self, X: Any, confidence_level: float = 0.95, *, groups: Any = None
    ) -> pd.DataFrame:
        """Intervals for one new observation of each row.

        Parameters
        ----------
        X : array-like or data frame of shape (n_samples, n_features)
            Columns, as for ``fit``.
        confidence_level : float, default=0.95
            Share of new observations that the intervals are to cover.
        groups : array-like or data frame, default=None
            Labels, as for ``fit``.

        Returns
        -------
        DataFrame
            Rows as those of X; columns mean (of ``predict``), lower, upper.

        Raises
        ------
        ValueError
            On a level of confidence out of range, and where groups are exchangeable on
            rows of groups that the estimator was fitted to.

        Warns
        -----
        MixedModelWarning
            Where there are too few rows or groups for this level, so that intervals are
            infinite; and where rows are exchangeable, on rows of groups that were not
            there.
        """
        check_is_fitted(self)
        level = check_level(confidence_level)
        self._check_groups(X, groups)
        found = [self._say(model, X, groups) for model in self._models]
        table = self.calibration_
        scores = Scores(
            table["score"].to_numpy(),
            table["share"].to_numpy(),
            table["fold"].to_numpy(),
        )
        centre, scale = (np.array(part) for part in zip(*found, strict=True))
        lower, upper = scores.ends(centre, scale, level)
        self._tell_infinite(level)
        mean = centre[0]
        if self.estimator_ is not self._models[0]:
            mean = self.predict(X, groups=groups)
        gone = np.isnan(centre).any(axis=0)
        lower, upper = (np.where(gone, np.nan, end) for end in (lower, upper))
        index = X.index if isinstance(X, pd.DataFrame) else None
        return pd.DataFrame({"mean": mean, "lower": lower, "upper": upper}, index=index)

    def score(
        self, X: Any, y: Any, sample_weight: Any = None, *, groups: Any = None
    ) -> float:
        """R^2 of the predictions.

        Parameters
        ----------
        X : array-like or data frame of shape (n_samples, n_features)
            Columns, as for ``fit``.
        y : array-like of shape (n_samples,)
            Response.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the squared residuals.
        groups : array-like or data frame, default=None
            Labels, as for ``fit``.

        Returns
        -------
        float
        """
        mean = self.predict(X, groups=groups)
        return float(r2_score(y, mean, sample_weight=sample_weight))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags = get_tags(self.estimator).input_tags
        return tags

    # -- checks ------------------------------------------------------------------------

    def _check_parameters(self) -> None:
        for name, allowed in CHOICES.items():
            value = getattr(self, name)
            if value not in allowed:
                raise ValueError(
                    f"{name} must be one of {', '.join(map(repr, allowed))}, got "
                    f"{value!r}."
                )
        if isinstance(self.cv, str) and self.cv != "prefit":
            raise ValueError(
                "cv must be None for one split, 'prefit', a number of folds or a "
                f"splitter, got {self.cv!r}."
            )
        share = self.calibration_size
        if not (isinstance(share, Real) and 0.0 < float(share) < 1.0):
            raise ValueError(
                "calibration_size must be a share between 0 and 1, both excluded, got "
                f"{share!r}."
            )

    def _response(self, X: Any, y: Any, groups: Any) -> Array:
        last = last_step(self.estimator)
        if y is None and hasattr(last, "response"):
            y = last.response(X, groups)
        if y is None:
            raise ValueError(
                f"{type(self).__name__} requires y to be passed, but the target y is "
                "None. Pass the response as the second argument."
            )
        y = np.asarray(column_or_1d(y, warn=True), dtype=float)
        if getattr(last, "missing", "raise") != "drop":
            assert_all_finite(y, input_name="y")
        check_consistent_length(X, y)
        return y

    def _find_units(self, *, required: bool) -> Units | None:
        try:
            return Units.of(self.estimator, self.group)
        except ValueError:
            if required:
                raise
            return None

    def _check_groups(self, X: Any, groups: Any) -> None:
        """Whether rows are like those that the scores are of."""
        if self._units is None or self._seen is None:
            return
        labels = self._units.labels(X, groups)
        if labels is None:
            return
        known, name = labels.isin(self._seen), self._units.name
        if self.exchangeable == "groups" and known.any():
            row = int(known.argmax())
            raise ValueError(
                f"{int(known.sum())} rows are of groups of {name!r} that the estimator "
                f"was fitted to, the first {_shown(labels[row])} in row {row}; with "
                "exchangeable='groups' intervals are those of new groups. Use "
                "exchangeable='rows' for groups that are known."
            )
        if self.exchangeable == "rows" and not known.all():
            row = int((~known).argmax())
            warnings.warn(
                f"{int((~known).sum())} rows are of groups of {name!r} that were not in "
                f"the training data, the first {_shown(labels[row])} in row {row}: they are "
                "not exchangeable with the rows of known groups, and their intervals need "
                "not cover. Use exchangeable='groups' for new groups.",
                MixedModelWarning,
                stacklevel=3,
            )

    def _tell_infinite(self, level: float) -> None:
        n = self.n_calibration_
        most = n / (n + 1.0)
        if level > most + 1e-10:
            needed = int(np.ceil(level / (1.0 - level) - 1e-6))
            warnings.warn(
                f"Intervals of level {level:g} are infinite: that takes scores of "
                f"{needed} exchangeable {self.exchangeable}, and there are {n}, enough for "
                f"{np.floor(1000 * most) / 1000:g}. Lower the level, or raise "
                "calibration_size or the number of folds.",
                MixedModelWarning,
                stacklevel=3,
            )


def _shown(label: Any) -> str:
    """A label, or a path of them, as a user would write it."""
    if isinstance(label, tuple):
        return f"({', '.join(map(_shown, label))})"
    return repr(label.item() if isinstance(label, np.generic) else label)


def _taken(rows: Array, X: Any, y: Array, groups: Any) -> tuple[Any, Array, Any]:
    part = None if groups is None else _safe_indexing(groups, rows)
    return _safe_indexing(X, rows), y[rows], part
