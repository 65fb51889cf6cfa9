"""MixedEffectsEncoder: parameters, fit, cross-fitting, transform."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from sklearn import get_config
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import ClassifierTags, check_consistent_length
from sklearn.utils.metadata_routing import (
    MetadataRouter,
    MethodMapping,
    process_routing,
)
from sklearn.utils.validation import check_is_fitted, validate_data

from .._regressor import MixedLinearRegressor
from .._spec import RandomEffects
from ..design._validation import equations_of
from ..resampling._folds import folds_of
from ._columns import Columns, Roles, columns_of
from ._effects import Effects, Told
from ._folds import splitter_of
from ._targets import Target

__all__ = ["MixedEffectsEncoder"]

Array = np.ndarray


class MixedEffectsEncoder(TransformerMixin, BaseEstimator):
    """Replace categories by their predicted random effects.

    Every category becomes a number: how far its rows lie above or below the others,
    shrunken towards zero by as much as the variances that are estimated say.
    ``fit_transform`` encodes every row by a fit to the other folds, as
    :class:`sklearn.preprocessing.TargetEncoder` does, so that the regression that
    follows does not see the row's own response in its column.

    Parameters
    ----------
    random_effects : None, str, RandomEffects or list of these, default=None
        Which columns are categories and how they are related, as for
        :class:`MixedLinearRegressor`: names in a list are nested, top level first;
        ``RandomEffects("_all", factor=name)`` cross; ``columns`` of an equation are
        covariates whose coefficients vary.  All of it is one model, in which each
        effect is given the others.  None is a model of its own for every column that
        ``fixed`` does not name, with an intercept for each category.  The columns of an
        array are called ``x0``, ``x1``, ...
    fixed : list of str, default=None
        Covariates that are held fixed and not encoded.  None is every column that
        ``random_effects`` does not name as a category.
    method : {"reml", "ml"}, default="reml"
        Restricted maximum likelihood or maximum likelihood.
    target_type : {"auto", "continuous", "binary"}, default="auto"
        Two classes are 0 and 1 of a linear model of the probability of the second.
        "auto" tells them by :func:`sklearn.utils.multiclass.type_of_target`, and warns.
        Whole numbers with more than two values need "continuous".
    cv : int, splitter, iterable or None, default=5
        Folds of ``fit_transform``.  A number is one of ``KFold``, of two classes of
        ``StratifiedKFold``; None is 5.  Every row must be left out exactly once.
    shuffle : bool, default=True
        Whether to shuffle rows before they are split, where ``cv`` is a number.
    random_state : int, RandomState or None, default=None
        Seed of the shuffling.

    Attributes
    ----------
    models_ : list of MixedLinearRegressor
        The fits to all rows: one, or without ``random_effects`` one for each column of
        categories.  Their labels are positions in ``categories_``.
    categories_ : list of ndarray
        Categories of each column that is encoded, in the order of X; a missing value is
        one of them, the last.
    target_type_ : {"continuous", "binary"}
        What the response was taken for.
    classes_ : ndarray of shape (2,) or None
        The two classes.
    n_features_in_ : int
        Number of columns of X.
    feature_names_in_ : ndarray of str
        Their names, where X had names.

    See Also
    --------
    MixedLinearRegressor : Predicts by effects and covariates in one step.

    Notes
    -----
    Categories that were not seen are zero, the average category, and so are those below
    an unseen level.  ``fit(X, y).transform(X)`` is not ``fit_transform(X, y)``: the
    former uses each row's own response.  A category that explains the response without a
    remainder has the limit of its predicted effects, which is not shrunken.

    Examples
    --------
    >>> from sklearn_xmixed import MixedEffectsEncoder, RandomEffects
    >>> from sklearn_xmixed.datasets import load_penicillin
    >>> X, y = load_penicillin(return_X_y=True)
    >>> encoder = MixedEffectsEncoder(target_type="continuous", random_state=0)
    >>> encoder = encoder.set_output(transform="pandas")
    >>> encoder.fit_transform(X, y).shape
    (144, 2)
    >>> encoder.transform(X).head(3).round(3)
       plate  sample
    0  0.107   2.170
    1  0.107  -1.002
    2  0.107   1.922

    Both in one model, crossed:

    >>> crossed = [RandomEffects("_all", factor=name) for name in ("plate", "sample")]
    >>> encoder.set_params(random_effects=crossed).fit(X, y).transform(X[:1]).round(3)
       plate  sample
    0  0.805   2.187
    """

    def __init__(
        self,
        random_effects: Any = None,
        *,
        fixed: Sequence[str] | None = None,
        method: str = "reml",
        target_type: str = "auto",
        cv: Any = 5,
        shuffle: bool = True,
        random_state: Any = None,
    ):
        self.random_effects = random_effects
        self.fixed = fixed
        self.method = method
        self.target_type = target_type
        self.cv = cv
        self.shuffle = shuffle
        self.random_state = random_state

    def fit(self, X: Any, y: Any) -> MixedEffectsEncoder:
        """Learn categories and effects from all rows.

        Parameters
        ----------
        X : array-like or data frame of shape (n_samples, n_features)
            Rows with the columns to encode.
        y : array-like of shape (n_samples,)
            Numbers or classes, which the effects are to predict.

        Returns
        -------
        self : MixedEffectsEncoder

        Raises
        ------
        ValueError
            On names that are no columns, covariates that are missing or no numbers, and
            a response that is neither numbers nor two classes.
        """
        told: Told = {}
        self._learn(X, y, told)
        _tell(told)
        return self

    def fit_transform(self, X: Any, y: Any, **params: Any) -> Array:
        """Learn from all rows, and encode each fold by a fit to the others.

        Parameters
        ----------
        X : array-like or data frame of shape (n_samples, n_features)
            Rows with the columns to encode.
        y : array-like of shape (n_samples,)
            Numbers or classes, which the effects are to predict.
        **params : dict
            What the splitter asks for, such as ``groups``; with metadata routing it is
            handed on as that says.

        Returns
        -------
        ndarray of shape (n_samples, n_effects)
            Or what ``set_output`` says.

        Raises
        ------
        ValueError
            As ``fit``, and if ``cv`` does not leave every row out exactly once.
        """
        told: Told = {}
        frame, target = self._learn(X, y, told)
        if get_config()["enable_metadata_routing"]:
            params = process_routing(self, "fit_transform", **params).splitter.split
        binary = target.kind == "binary"
        splitter = splitter_of(self.cv, binary, self.shuffle, self.random_state)
        out = np.zeros((len(frame), len(self._outputs)))
        for train, test in folds_of(splitter, X, target.values, **params):
            rows = frame.iloc[train].reset_index(drop=True)
            effects = self._fit_effects(rows, target.values[train], told)
            out[test] = self._read_effects(effects, frame.iloc[test])
        _tell(told)
        return out

    def transform(self, X: Any) -> Array:
        """Effects of the categories of each row, by the fit to all training rows.

        Parameters
        ----------
        X : array-like or data frame of shape (n_samples, n_features)
            Rows, with the columns of ``fit``.

        Returns
        -------
        ndarray of shape (n_samples, n_effects)
            Zero for categories that were not seen.

        Raises
        ------
        ValueError
            On other columns than those of ``fit``.
        """
        check_is_fitted(self)
        table = columns_of(X)
        validate_data(self, X, reset=False, skip_check_array=True)
        return self._read_effects(self._effects, self._columns.read(table))

    def get_feature_names_out(self, input_features: Any = None) -> Array:
        """Names of the effects.

        Parameters
        ----------
        input_features : array-like of str, default=None
            Names of the columns of X; only those of ``fit`` are allowed.

        Returns
        -------
        ndarray of str
            The name of the category for its intercept, with ``_`` and the covariate for
            the coefficient of that.

        Raises
        ------
        ValueError
            On names that are not those of ``fit``.
        """
        check_is_fitted(self)
        seen = self._columns.roles.names
        given = seen if input_features is None else tuple(map(str, input_features))
        if len(given) != len(seen):
            raise ValueError(
                "input_features should have length equal to number of features "
                f"({len(seen)}), got {len(given)}. Leave it out, or name all columns of X."
            )
        if given != seen and hasattr(self, "feature_names_in_"):
            raise ValueError(
                f"input_features is not equal to feature_names_in_: got {list(given)}, "
                f"and fit saw {list(seen)}. Leave it out."
            )
        called = dict(zip(seen, given, strict=True))
        names = [
            called[label] + (f"_{called[term]}" if term in called else "")
            for _, term, label in self._outputs
        ]
        return np.asarray(names, dtype=object)

    def get_metadata_routing(self) -> MetadataRouter:
        """What is handed on to the splitter ``cv``.

        Returns
        -------
        MetadataRouter
        """
        mapping = MethodMapping().add(caller="fit_transform", callee="split")
        return MetadataRouter(owner=self).add(splitter=self.cv, method_mapping=mapping)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.categorical = True
        tags.input_tags.allow_nan = True
        tags.target_tags.required = True
        tags.classifier_tags = ClassifierTags(multi_class=False)
        return tags

    # -- one fit -------------------------------------------------------------------

    def _learn(self, X: Any, y: Any, told: Told) -> tuple[pd.DataFrame, Target]:
        """Fit to all rows, and return these in numbers."""
        table = columns_of(X)
        target = Target.of(y, self.target_type)
        check_consistent_length(table, target.values)
        validate_data(self, X, reset=True, skip_check_array=True)
        unnamed = [f"x{j}" for j in range(table.shape[1])]
        names = [str(name) for name in getattr(self, "feature_names_in_", unnamed)]
        self._specifications, roles = self._roles(names)
        self._columns = Columns.learn(table, roles)
        frame = self._columns.read(table)
        self._effects = self._fit_effects(frame, target.values, told)
        self.models_ = [effects.model for effects in self._effects]
        self.categories_ = self._columns.categories
        self.target_type_, self.classes_ = target.kind, target.classes
        return frame, target

    def _roles(self, names: Sequence[str]) -> tuple[list[list[RandomEffects]], Roles]:
        """The equations of each model, and which columns they need."""
        if isinstance(self.fixed, str):
            raise TypeError(
                f"fixed must be a list of names, got the string {self.fixed!r}; write "
                f"[{self.fixed!r}]."
            )
        equations = equations_of(self.random_effects)
        for equation in equations:
            _check_equation(equation)
        labels = [e.factor or e.group for e in equations]
        slopes = [column for e in equations for column in e.columns]
        roles = Roles.of(names, labels or None, self.fixed, slopes)
        if not equations:
            return [[RandomEffects(name)] for name in roles.labels], roles
        return [equations], roles

    def _fit_effects(self, frame: pd.DataFrame, y: Array, told: Told) -> list[Effects]:
        """One for each model."""
        fixed = list(self._columns.roles.fixed)
        out = []
        for equations in self._specifications:
            model = MixedLinearRegressor(
                equations,
                fixed=fixed,
                method=self.method,
                std_errors=False,
                lr_test=False,
            )
            out.append(Effects.of(model, equations, frame, y, told))
        return out

    @property
    def _outputs(self) -> list[tuple[str, str, str]]:
        return [output for effects in self._effects for output in effects.outputs]

    def _read_effects(self, fits: list[Effects], frame: pd.DataFrame) -> Array:
        """Effects of each row, in the columns of the fit to all rows."""
        return np.hstack(
            [
                effects.rows(frame, whole.outputs)
                for effects, whole in zip(fits, self._effects, strict=True)
            ]
        )


def _check_equation(equation: RandomEffects) -> None:
    """What has no effects of categories of its own is refused."""
    if equation.weight is not None:
        raise ValueError(
            f"The equation for {equation.group!r} has weight={equation.weight!r}, which "
            "MixedEffectsEncoder does not support. Leave weight out."
        )
    if equation.group == "_all" and equation.factor is None:
        raise ValueError(
            "'_all' without a factor is one group of all rows and has no categories to "
            "encode. Name a column as group, or as factor of '_all'."
        )
    if equation.group != "_all" and equation.factor is not None:
        raise ValueError(
            f"The equation for {equation.group!r} has factor={equation.factor!r}, effects "
            "of its categories in every group. Write them as a level below, "
            f"[{equation.group!r}, {equation.factor!r}]."
        )


def _tell(told: Told) -> None:
    """Warn once of what several fits may have said."""
    for message in told.values():
        warnings.warn(message, stacklevel=3)
