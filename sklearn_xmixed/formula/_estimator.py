"""The estimator that a formula returns."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from .._labels import Source
from .._regressor import MixedLinearRegressor
from .._spec import RandomEffects
from ._groupings import Arrangement, Grouping, arrange, labels_of
from ._parser import FormulaError, ParsedFormula, RandomTerm, parse_formula

__all__ = ["FormulaRegressor", "from_formula"]

Array = np.ndarray
#: the constant's column, as formulaic calls it
CONSTANT = "Intercept"


@dataclass(frozen=True)
class Recipe:
    """How a formula's columns are made from data.

    Parameters
    ----------
    parsed : ParsedFormula
    arrangement : Arrangement
        Levels and crossed factors, as the data had it.
    """

    parsed: ParsedFormula
    arrangement: Arrangement


class FormulaRegressor(MixedLinearRegressor):
    """A ``MixedLinearRegressor`` that makes its columns by a formula.

    It is what ``from_formula`` returns, fitted.  X is always the user's own data frame,
    at ``fit`` as at ``predict``; the formula's columns are made from it, with the
    categories, knots and means that were found at ``fit``.

    Parameters
    ----------
    random_effects, **parameters
        As of ``MixedLinearRegressor``.
    recipe : Recipe
        The formula, parsed, and its levels.
    """

    def __init__(
        self,
        random_effects: Any = None,
        *,
        recipe: Recipe | None = None,
        **parameters: Any,
    ):
        super().__init__(random_effects, **parameters)
        self.recipe = recipe

    @classmethod
    def _get_param_names(cls) -> list[str]:
        return sorted([*MixedLinearRegressor._get_param_names(), "recipe"])

    @property
    def formula(self) -> str:
        """The formula as it was given."""
        return self._recipe().parsed.text

    def _recipe(self) -> Recipe:
        if self.recipe is None:
            raise ValueError(
                "A FormulaRegressor needs recipe=; it is made by from_formula(formula, "
                "data)."
            )
        return self.recipe

    def __repr__(self, N_CHAR_MAX: int = 700) -> str:
        if self.recipe is None:
            return f"{type(self).__name__}()"
        return f"{type(self).__name__}({' '.join(self.formula.split())!r})"

    def __str__(self) -> str:
        return str(self.summary()) if "_fitted" in self.__dict__ else repr(self)

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, str]:
        return {"text/plain": repr(self)}

    # -- columns -----------------------------------------------------------------

    def _fixed_table(self, frame: pd.DataFrame, *, fitting: bool) -> pd.DataFrame:
        """Columns of the fixed part; those of ``fit`` again at ``predict``."""
        if fitting:
            parsed = self._recipe().parsed
            found, self._spec = _matrix(parsed.fixed, frame, parsed)
        else:
            found = _again(self._spec, frame, self._recipe().parsed)
        return _without_constant(found)

    def _groups_table(self, frame: pd.DataFrame, *, fitting: bool) -> pd.DataFrame:
        """Labels, and columns with random coefficients that the fixed part lacks."""
        recipe = self._recipe()
        out: dict[str, Any] = {}
        levels = [*recipe.arrangement.chain]
        levels += [(v, ":".join(v)) for v in recipe.arrangement.crossed]
        for variables, name in levels:
            there = [v in frame.columns for v in variables]
            if all(there):
                out[name] = labels_of(variables, name, frame)
            elif fitting:
                lost = variables[there.index(False)]
                raise FormulaError(
                    f"The data have no grouping variable {lost!r}.",
                    recipe.parsed.text,
                    None,
                    f"The columns are {[str(c) for c in frame.columns]}.",
                )
        if fitting:
            self._random_specs = {}
        for term in recipe.parsed.random:
            key = term.effects
            if fitting:
                found, self._random_specs[key] = _matrix(
                    key, frame, recipe.parsed, term.effects_span
                )
            else:
                found = _again(self._random_specs[key], frame, recipe.parsed)
            table = _without_constant(found)
            out.update({c: table[c].to_numpy() for c in table.columns})
        return pd.DataFrame(out, index=frame.index)

    def fit(
        self,
        X: Any,
        y: Any = None,
        sample_weight: Any = None,
        *,
        groups: Any = None,
    ) -> FormulaRegressor:
        """Estimate the formula's model on data.

        Parameters
        ----------
        X : data frame of shape (n_samples, n_columns)
            With the variables of the formula.
        y : array-like of shape (n_samples,), default=None
            The response; None takes that of the formula.
        sample_weight : array-like of shape (n_samples,), default=None
        groups : data frame, default=None
            More columns.

        Returns
        -------
        self : FormulaRegressor

        Raises
        ------
        FormulaError
            If the data do not fit to the formula.
        ValueError
            As by ``MixedLinearRegressor.fit``.
        """
        frame = as_frame(X, groups)
        fixed, response, table = self._tables(frame, y)
        super().fit(fixed, response, sample_weight, groups=table)
        return self

    def _tables(
        self, frame: pd.DataFrame, y: Any
    ) -> tuple[pd.DataFrame, pd.Series, pd.DataFrame]:
        fixed = self._fixed_table(frame, fitting=True)
        table = self._groups_table(frame, fitting=True)
        if y is None:
            return fixed, self.response(frame), table
        name = getattr(y, "name", None)
        name = name if isinstance(name, str) else self._recipe().parsed.response
        return fixed, pd.Series(np.asarray(y, dtype=float), name=name), table

    def response(self, data: Any) -> pd.Series:
        """The response as the formula has it."""
        frame = as_frame(data)
        parsed = self._recipe().parsed
        table, _ = _matrix(f"0 + {parsed.response}", frame, parsed)
        if table.shape[1] != 1:
            raise FormulaError(
                f"The response makes {table.shape[1]} columns, {list(table.columns)[:5]}; "
                "it must be one number per row.",
                parsed.text,
                (0, len(parsed.response)),
            )
        return pd.Series(np.asarray(table)[:, 0], name=str(table.columns[0]))

    def score(
        self, X: Any, y: Any = None, sample_weight: Any = None, *, groups: Any = None
    ) -> float:
        """R^2 of the predictions.

        Parameters
        ----------
        X, groups
            As for ``fit``.
        y : array-like of shape (n_samples,), default=None
            The response; None takes that of the formula.
        sample_weight : array-like of shape (n_samples,), default=None

        Returns
        -------
        float
        """
        if y is None:
            y = self.response(as_frame(X, groups))
        return super().score(X, y, sample_weight, groups=groups)

    def _source(self, X: Any, groups: Any) -> Source:
        """The model's columns, made from the user's."""
        from sklearn.utils.validation import check_is_fitted

        check_is_fitted(self)
        frame = as_frame(X, groups)
        fixed = self._fixed_table(frame, fitting=False)
        return super()._source(fixed, self._groups_table(frame, fitting=False))

    def _named(self, X: Any, groups: Any) -> Source:
        return Source.of(X, groups)

    def _as_compiled(
        self, X: Any, y: Any, sample_weight: Any, groups: Any
    ) -> tuple[Any, Any, Any, Any]:
        _, fixed, response, table = self._as_plain(X, y, groups)
        return fixed, response, sample_weight, table

    def _as_plain(
        self, X: Any, y: Any, groups: Any
    ) -> tuple[MixedLinearRegressor, pd.DataFrame, pd.Series, pd.DataFrame]:
        """The same model without the formula, with the columns that it needs."""
        plain = MixedLinearRegressor(
            **{k: v for k, v in self.get_params(deep=False).items() if k != "recipe"}
        )
        maker = FormulaRegressor(recipe=self._recipe())
        fixed, response, table = maker._tables(as_frame(X, groups), y)
        return plain, fixed, response, table


def from_formula(formula: str, data: Any, **parameters: Any) -> FormulaRegressor:
    """Fit the model of a formula in lme4's notation.

    Parameters
    ----------
    formula : str
        ``response ~ fixed + (effects | grouping) + ...``.  The fixed part is formulaic's:
        numbers and categories, ``x*z``, ``C(k)``, ``poly(x, 2)``, ``log(x)``.
        ``(x | g)`` is a random intercept and slope, correlated; ``(x || g)``
        without correlation; ``(0 + x | g)`` the slope alone; ``(1 | a/b)`` stands
        for ``(1 | a) + (1 | a:b)``.  Whether groupings nest or cross is seen in the data.
    data : data frame
        With the variables of the formula.
    **parameters : dict
        Of ``MixedLinearRegressor``, ``method="reml"`` say (lme4's default; here it is
        "ml").  ``sample_weight``, an array or the name of a column, is passed to
        ``fit``.

    Returns
    -------
    FormulaRegressor
        The fitted estimator; it takes data frames like ``data`` to predict.

    Raises
    ------
    FormulaError
        If the formula cannot be understood or does not fit to the data; the message
        marks the place.
    ImportError
        If formulaic is not installed.

    Examples
    --------
    >>> from sklearn_xmixed import from_formula
    >>> from sklearn_xmixed.datasets import load_sleepstudy
    >>> sleep = load_sleepstudy().frame
    >>> fit = from_formula("reaction ~ days + (days | subject)", sleep, method="reml")
    >>> round(fit.log_likelihood_, 4)
    -871.8141
    >>> fit.predict(sleep.head(2)).round(1)
    array([253.7, 273.3])
    """
    _formulaic()
    for name in ("random_effects", "fixed", "fit_intercept", "recipe"):
        if name in parameters:
            raise TypeError(
                f"from_formula has no parameter {name!r}: the formula says it."
            )
    weight = parameters.pop("sample_weight", None)
    if isinstance(weight, str):
        weight = _weight(weight, data)
    parsed = parse_formula(formula)
    frame = as_frame(data)
    arrangement = _arrangement(parsed, frame)
    equations = list(_equations(parsed, arrangement, frame))
    table, _ = _matrix(parsed.fixed, frame, parsed)
    columns = list(_without_constant(table).columns)
    # a covariate that is a grouping variable as well has to be named as such
    labels = {name for _, name in arrangement.chain}
    labels |= {":".join(v) for v in arrangement.crossed}
    estimator = FormulaRegressor(
        equations or None,
        recipe=Recipe(parsed, arrangement),
        fixed=columns if not columns or labels & set(columns) else None,
        fit_intercept=_constant(table),
        **parameters,
    )
    return estimator.fit(frame, sample_weight=weight)


def _weight(name: str, data: Any) -> Array:
    frame = as_frame(data)
    if name not in frame.columns:
        raise ValueError(
            f"sample_weight names {name!r}, which is no column of the data: "
            f"{[str(c) for c in frame.columns]}."
        )
    return frame[name].to_numpy(float)


def as_frame(X: Any, groups: Any = None) -> pd.DataFrame:
    """Data as a pandas frame with rows 0, 1, ..."""
    if isinstance(X, pd.DataFrame):
        frame = X.reset_index(drop=True)
        if groups is None:
            return frame.rename(columns=str)
        source = Source.of(X, groups)
    elif isinstance(X, dict):
        return as_frame(pd.DataFrame(X), groups)
    else:
        source = Source.of(X, groups)
        if not source.named:
            raise TypeError(
                "A formula needs data with names: a data frame or a dict of columns, got "
                f"{type(X).__name__}."
            )
    columns = {c: source.column(c) for c in source.columns}
    for name in source._group_columns or []:
        columns.setdefault(name, source.column(name))
    return pd.DataFrame(columns)


def _formulaic() -> Any:
    try:
        import formulaic
    except ImportError as error:
        raise ImportError(
            "Formulas need the package formulaic: pip install "
            "'sklearn-xmixed[formula]'."
        ) from error
    return formulaic


def _matrix(
    terms: str,
    frame: pd.DataFrame,
    parsed: ParsedFormula,
    span: tuple[int, int] | None = None,
) -> tuple[pd.DataFrame, Any]:
    """Columns that terms make, and formulaic's record of how.

    Rows in which a variable is missing are nan throughout; the constant, where there is
    one, is the column "Intercept".
    """
    formulaic = _formulaic()
    if span is None:
        text = terms.removeprefix("0 + ")
        at = parsed.text.find(text)
        span = (at, at + len(text)) if at >= 0 else None
    try:
        used = [v for v in formulaic.Formula(terms).required_variables if v in frame]
        rows = _complete(frame, used)
        found = formulaic.model_matrix(
            terms, frame[rows], context=None, na_action="ignore"
        )
    except formulaic.errors.FormulaicError as error:
        raise FormulaError(
            _told(error), parsed.text, span, _columns_hint(error, frame)
        ) from error
    except (ValueError, TypeError) as error:
        raise FormulaError(str(error), parsed.text, span) from error
    return _filled(found, rows), found.model_spec


def _again(spec: Any, frame: pd.DataFrame, parsed: ParsedFormula) -> pd.DataFrame:
    """The same columns of other data."""
    formulaic = _formulaic()
    rows = _complete(frame, [v for v in spec.required_variables if v in frame])
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", formulaic.errors.DataMismatchWarning)
            found = spec.get_model_matrix(frame[rows], context=None, na_action="ignore")
    except formulaic.errors.DataMismatchWarning as error:
        seen = re.search(r"\{.*\}", str(error))
        raise FormulaError(
            f"The data have categories that were not there at fit: "
            f"{seen.group() if seen else error}.",
            parsed.text,
        ) from error
    except formulaic.errors.FormulaicError as error:
        raise FormulaError(
            _told(error), parsed.text, None, _columns_hint(error, frame)
        ) from error
    return _filled(found, rows)


def _complete(frame: pd.DataFrame, used: list[str]) -> Array:
    if not used:
        return np.ones(len(frame), dtype=bool)
    return frame[used].notna().all(axis=1).to_numpy()


def _filled(found: Any, rows: Array) -> pd.DataFrame:
    table = np.full((len(rows), found.shape[1]), np.nan)
    table[rows] = np.asarray(found, dtype=float)
    return pd.DataFrame(table, columns=[str(c) for c in found.columns])


def _told(error: Exception) -> str:
    """formulaic's message without colours and the formula's repetition."""
    text = str(error).replace("⧛[1;31m", "").replace("⧚", "").replace("[0m", "")
    return text.strip().splitlines()[0]


def _columns_hint(error: Exception, frame: pd.DataFrame) -> str:
    if "not present" not in str(error) and "not defined" not in str(error):
        return ""
    return f"The columns of the data are {[str(c) for c in frame.columns]}."


def _constant(table: pd.DataFrame) -> bool:
    """Whether there is a constant."""
    return CONSTANT in table.columns


def _without_constant(table: pd.DataFrame) -> pd.DataFrame:
    return table.drop(columns=CONSTANT, errors="ignore")


def _arrangement(parsed: ParsedFormula, frame: pd.DataFrame) -> Arrangement:
    groupings: dict[tuple[str, ...], Grouping] = {}
    slopes = set()
    for term in parsed.random:
        for name in term.grouping:
            if name not in frame.columns:
                raise FormulaError(
                    f"The data have no grouping variable {name!r}.",
                    parsed.text,
                    term.span,
                    f"The columns are {[str(c) for c in frame.columns]}.",
                )
        same = next((g for g in groupings if set(g) == set(term.grouping)), None)
        key = same or term.grouping
        if same is None:
            groupings[key] = Grouping.of(key, frame)
        constant, columns = _effects(term, frame, parsed)
        if columns or not constant:
            slopes.add(key)
    return arrange(list(groupings.values()), slopes)


def _effects(
    term: RandomTerm, frame: pd.DataFrame, parsed: ParsedFormula
) -> tuple[bool, list[str]]:
    """Whether a term has a random intercept, and its columns."""
    table, _ = _matrix(term.effects, frame, parsed, term.effects_span)
    columns, constant = list(_without_constant(table).columns), _constant(table)
    if not columns and not constant:
        raise FormulaError(
            "This random term has no effects.", parsed.text, term.effects_span
        )
    return constant, columns


def _equations(
    parsed: ParsedFormula, arrangement: Arrangement, frame: pd.DataFrame
) -> Iterable[RandomEffects]:
    """Random-effects equations, crossed factors first, then levels from the top."""
    for variables in arrangement.crossed:
        yield from _of_grouping(parsed, variables, frame, factor=":".join(variables))
    for variables, name in arrangement.chain:
        yield from _of_grouping(parsed, variables, frame, group=name)


def _of_grouping(
    parsed: ParsedFormula,
    variables: tuple[str, ...],
    frame: pd.DataFrame,
    *,
    group: str = "_all",
    factor: str | None = None,
) -> Iterator[RandomEffects]:
    for term in parsed.random:
        if set(term.grouping) != set(variables):
            continue
        for constant, columns in _blocks(term, frame, parsed):
            several = len(columns) + constant > 1
            if factor is not None and not columns:
                yield RandomEffects(group, factor=factor)
                continue
            yield RandomEffects(
                group,
                columns,
                covariance=term.covariance if several else None,
                intercept=constant,
                factor=factor,
            )


def _blocks(
    term: RandomTerm, frame: pd.DataFrame, parsed: ParsedFormula
) -> list[tuple[bool, list[str]]]:
    """Effects that may be correlated; a double bar parts terms, not a term's categories."""
    constant, columns = _effects(term, frame, parsed)
    if term.covariance != "independent":
        return [(constant, columns)]
    _, spec = _matrix(term.effects, frame, parsed, term.effects_span)
    names = list(spec.column_names)
    parts = [
        [str(names[j]) for j in range(*at.indices(len(names))) if names[j] != CONSTANT]
        for at in spec.term_slices.values()
    ]
    if all(len(part) <= 1 for part in parts):
        return [(constant, columns)]
    return [(True, [])] * constant + [(False, part) for part in parts if part]
