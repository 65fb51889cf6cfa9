"""The data of a resampling procedure: one frame whose rows can be drawn.

Whatever form X and ``groups`` had, replicates are made from a pandas frame that holds
every variable under its name.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.utils import check_consistent_length, column_or_1d
from sklearn.utils.validation import check_is_fitted

from .._spec import RandomEffects
from ..design._categories import read_categories
from ..design._compile import Compiled, compile_design
from ..design._fixed import choose_fixed
from ..design._labels import Source
from ..design._validation import check_parameters, equations_of
from ..design._variables import variables_in_X
from ..exceptions import MixedModelWarning

__all__ = ["METRICS", "Sample", "Statistic", "values_of"]

Array = np.ndarray
#: from a fitted estimator to a number or several
Statistic = Callable[[Any], Any]

METRICS = ("sd", "variance")


@dataclass(frozen=True, eq=False)
class Sample:
    """A model and its data.

    Parameters
    ----------
    estimator : MixedLinearRegressor
        Not fitted; its fixed part named by columns of ``frame``.
    frame : DataFrame
        Columns of X and the variables that were in ``groups``, rows 0, 1, ...
    y : Series or None
        None where the estimator takes it from the frame.
    weight : ndarray of shape (n,) or None
    """

    estimator: Any
    frame: pd.DataFrame
    y: pd.Series | None
    weight: Array | None

    @classmethod
    def of(
        cls,
        estimator: Any,
        X: Any,
        y: Any,
        groups: Any = None,
        sample_weight: Any = None,
        aside: Sequence[str] = (),
        besides: Sequence[str] = (),
    ) -> Sample:
        """Check the input and put it into one frame.

        Rows that ``missing="drop"`` leaves out are left out here.

        Parameters
        ----------
        aside : sequence of str
            Variables of the procedure; they belong to the fixed part only if
            ``fixed`` names them.
        besides : sequence of str
            Others that are looked at; they stay where they are.
        """
        _check_estimator(estimator)
        if hasattr(estimator, "_as_plain"):  # makes its columns by a formula
            named = X
            if sample_weight is None and hasattr(estimator, "_weights_of"):
                sample_weight = estimator._weights_of(X, groups)
            estimator, X, y, groups = estimator._as_plain(X, y, groups)
            extra = Source.of(named)
            lacking = [c for c in (*aside, *besides) if c not in X and c not in groups]
            known = {c: extra.column(c) for c in lacking if extra.in_X(c)}
            groups = groups.assign(**known)
        check_parameters(estimator)
        spec = estimator.get_params(deep=False)["random_effects"]
        equations = equations_of(spec)
        source = Source.of(X, groups)
        special = variables_in_X(estimator, equations)
        # coded once for all, so that every draw has the same columns
        coding = read_categories(estimator, equations, source, special | set(aside))
        source = source if coding is None else coding.over(source)
        fixed = choose_fixed(estimator, source, special | set(aside))
        columns = {name: source.column(name) for name in [*source.columns, *fixed]}
        wanted = dict.fromkeys(e.group for e in equations if e.group != "_all")
        found = source.levels(list(wanted))
        random = [c for e in equations for c in e.columns]
        for name in (*wanted, *sorted(special), *random, *aside, *besides):
            if name not in columns:
                values = found.get(name)
                values = source.column(name) if values is None else values
                if values is None:
                    raise ValueError(
                        f"{name!r} is no column of X or groups. {source.describe()}"
                    )
                columns[name] = values
        for label in getattr(estimator.residuals, "labels", ()):
            if label in columns:  # occasions keep the order of their categories
                columns[label] = source.categorized(label)
        frame = pd.DataFrame(columns)
        if y is None:
            raise ValueError("y is None; the response is needed.")
        target = getattr(y, "name", None)
        target = target if isinstance(target, str) else "y"
        values = np.asarray(column_or_1d(y, warn=True), dtype=float)
        check_consistent_length(frame, values)
        response = pd.Series(values, name=target)
        weight = None
        if sample_weight is not None:
            weight = np.asarray(sample_weight, dtype=float)
            check_consistent_length(frame, weight)
        if estimator.missing == "drop":
            used = list(dict.fromkeys([*fixed, *special, *random]))
            gone = np.array(response.isna() | frame[used].isna().any(axis=1))
            if weight is not None:
                gone |= ~(weight > 0)
                weight = weight[~gone]
            frame = frame[~gone].reset_index(drop=True)
            response = response[~gone].reset_index(drop=True)
        model = clone(estimator).set_params(fixed=list(fixed), verbose=0)
        model.set_params(categorical="raise")
        return cls(model, frame, response, weight)

    @classmethod
    def as_given(
        cls,
        estimator: Any,
        X: Any,
        y: Any,
        groups: Any,
        sample_weight: Any,
        aside: Sequence[str] = (),
        besides: Sequence[str] = (),
    ) -> Sample:
        """The same, but an estimator that makes its columns makes them in every part.

        Its rows are those of the user's data.
        """
        if not hasattr(estimator, "_as_plain"):
            return cls.of(
                estimator, X, y, groups, sample_weight, aside=aside, besides=besides
            )
        _check_estimator(estimator)
        source = Source.of(X, groups)
        columns = source.every(getattr(estimator.residuals, "labels", ()))
        for name in (*aside, *besides):
            if name not in columns:
                raise ValueError(
                    f"{name!r} is no column of X or groups. {source.describe()}"
                )
        frame = X.reset_index(drop=True) if isinstance(X, pd.DataFrame) else None
        if frame is None or groups is not None:
            frame = pd.DataFrame(columns)
        response = None
        if y is not None:
            named = getattr(y, "name", None)
            response = pd.Series(np.asarray(y, dtype=float), name=named)
            check_consistent_length(frame, response)
        weight = None if sample_weight is None else np.asarray(sample_weight, float)
        model = clone(estimator).set_params(verbose=0)
        return cls(model, frame, response, weight)

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return len(self.frame)

    @property
    def equations(self) -> list[RandomEffects]:
        """Random-effects equations."""
        spec = self.estimator.get_params(deep=False)["random_effects"]
        return equations_of(spec)

    def fit(self, **parameters: Any) -> Any:
        """The model fitted to all rows, its warnings as usual."""
        model = clone(self.estimator).set_params(**parameters)
        return model.fit(self.frame, self.y, self.weight)

    def refit(
        self,
        rows: Array | slice,
        labels: dict[str, Array] | None = None,
        **parameters: Any,
    ) -> Any:
        """The model fitted to some rows, quietly.

        Parameters
        ----------
        rows : ndarray of int, or slice
            They may repeat.
        labels : dict of str to ndarray, optional
            Columns to replace in these rows.
        **parameters : dict
            Of the estimator.
        """
        frame = self.frame.iloc[rows].reset_index(drop=True)
        if labels:
            frame = frame.assign(**labels)
        y = None if self.y is None else self.y.iloc[rows].reset_index(drop=True)
        weight = None if self.weight is None else self.weight[rows]
        return self._quietly(frame, y, weight, **parameters)

    def refit_response(self, y: Array) -> Any:
        """The model fitted to another response, quietly."""
        name = None if self.y is None else self.y.name
        return self._quietly(self.frame, pd.Series(y, name=name), self.weight)

    def _quietly(
        self,
        frame: pd.DataFrame,
        y: pd.Series | None,
        weight: Array | None,
        **parameters: Any,
    ) -> Any:
        model = clone(self.estimator).set_params(lr_test=False)
        if model.residuals is None:
            model.set_params(std_errors=False)
        model.set_params(**parameters)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", MixedModelWarning)  # told by converged_
            return model.fit(frame, y, weight)

    def compile(self, fitted: Any) -> Compiled:
        """The design behind a fit of all rows."""
        return compile_design(fitted, self.frame, self.y, self.weight, None)

    def units(self) -> tuple[Array, Any, str]:
        """What is drawn: the independent groups at the top, or their clusters.

        Returns
        -------
        codes : ndarray of int, shape (n,)
        labels : array of shape (G,)
        name : str
            The variable; empty where the rows themselves are independent.

        Raises
        ------
        ValueError
            Where there is but one group at the top.
        """
        model = self.estimator
        tops = [e.group for e in self.equations]
        if model.cluster is not None:
            name = model.cluster
        elif not tops:
            return np.arange(self.n_rows), np.arange(self.n_rows), ""
        else:
            name = tops[0]
        if name == "_all":
            raise ValueError(
                "The top level is '_all', one group that holds all rows: there are no "
                "independent groups to draw or leave out. Use bootstrap(..., "
                "kind='parametric')."
            )
        if model.weight_type == "frequency" and self.equations:
            top = self.equations[0]
            if top.weight is not None:
                raise ValueError(
                    f"The groups of {name!r} have frequency weights (weight="
                    f"{top.weight!r}), each stands for several. Expand them to one "
                    "label per group before resampling."
                )
        codes, labels = pd.factorize(self.frame[name], sort=True)
        if len(labels) < 2:
            raise ValueError(
                f"Resampling by {name!r} needs at least two groups, there is "
                f"{len(labels)}."
            )
        return codes, labels, name


def _check_estimator(estimator: Any) -> None:
    needed = ("random_effects", "fixed", "missing", "vce")
    if isinstance(estimator, type) or not all(hasattr(estimator, a) for a in needed):
        raise TypeError(
            "estimator must be a MixedLinearRegressor (fitted or not), got "
            f"{estimator!r}. For a pipeline, transform X first and pass its last step."
        )
    if "_fitted" in vars(estimator):
        estimator._check_offset("Fits to other samples and responses")


def values_of(fitted: Any, statistic: Statistic | None, metric: str) -> pd.Series:
    """Statistics of a fit: its estimates, or what a function makes of it.

    Raises
    ------
    TypeError
        If the function's result is neither a number nor several.
    """
    check_is_fitted(fitted)
    if statistic is None:
        results = fitted.results_
        names = [(results.target, name) for name in results.fixed_names]
        table = results.variance_table(metric)
        names += [(p.level, p.term(metric)) for p in table.parameters]
        values = np.concatenate([results.beta, table.estimate])
        index = pd.MultiIndex.from_tuples(names, names=["equation", "term"])
        return pd.Series(values, index=index)
    found = statistic(fitted)
    if isinstance(found, pd.Series):
        return found.astype(float)
    if isinstance(found, dict):
        return pd.Series(found, dtype=float)
    try:
        values = np.atleast_1d(np.asarray(found, dtype=float))
    except (TypeError, ValueError):
        values = np.empty((0, 0))
    if values.ndim != 1:
        raise TypeError(
            "statistic must return a number, a sequence of numbers, a dict or a Series, "
            f"got {found!r}."
        )
    names_ = [getattr(statistic, "__name__", "statistic")] if len(values) == 1 else None
    if names_ == ["<lambda>"]:
        names_ = ["statistic"]
    return pd.Series(
        values, index=names_ or [f"statistic{k}" for k in range(len(values))]
    )
