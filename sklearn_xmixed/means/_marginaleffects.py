"""Fits as models of the package marginaleffects, for averages over observed rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ..compat import with_categories
from ._estimates import FixedPart

__all__ = ["to_marginaleffects"]

Array = np.ndarray


def to_marginaleffects(
    model: Any, data: Any = None, *, kind: str = "fixed", df: str | None = None
) -> Any:
    """A fit as a model of the package marginaleffects.

    ``predictions``, ``comparisons``, ``slopes``, ``hypotheses``, their ``avg_`` and
    ``plot_`` forms then work on it.  Releases 0.6 of marginaleffects are supported.

    Parameters
    ----------
    model : MixedLinearRegressor
        Fitted; of a formula or a command, or plain.
    data : data frame, default=None
        Rows that are averaged over, the training data usually.  None takes the rows
        that a formula or command keeps, where they are few enough.
    kind : {"fixed", "blup"}, default="fixed"
        What is predicted: the fixed part, or with it the predicted random effects of
        the groups in ``data``.  The latter count as known in standard errors.
    df : str, default=None
        Method whose adjusted covariance matrix is used, such as "kenward-roger".

    Returns
    -------
    object
        Of marginaleffects' class of models.

    Raises
    ------
    ImportError
        If marginaleffects is not installed.
    ValueError
        Without data where none are kept, and on an unknown kind.

    Notes
    -----
    marginaleffects refers to the normal distribution; pass its ``df`` where small samples
    matter, or use ``marginal_means``, which has degrees of freedom of its own.

    Examples
    --------
    >>> from sklearn_xmixed import from_formula, to_marginaleffects
    >>> from sklearn_xmixed.datasets import load_orthodont
    >>> data = load_orthodont().frame
    >>> model = from_formula("distance ~ sex * age + (1 | subject)", data)
    >>> from marginaleffects import avg_slopes  # doctest: +SKIP
    >>> avg_slopes(to_marginaleffects(model), by="sex")  # doctest: +SKIP
    """
    if kind not in ("fixed", "blup"):
        raise ValueError(f"kind must be 'fixed' or 'blup', got {kind!r}.")
    try:
        from marginaleffects.classes import ModelAbstract, ModelVault
    except ImportError as error:
        raise ImportError(
            "to_marginaleffects needs the package marginaleffects, release 0.6: "
            "pip install 'sklearn-xmixed[marginaleffects]'."
        ) from error
    part, known = model._fixed_part(df), model._fixed_variables()
    if kind == "blup" and data is None:
        raise ValueError(
            "kind='blup' needs the groups of the rows: pass data, the training data say."
        )
    frame = _rows_of(known, data)
    if part.response not in frame.columns:
        frame = frame.assign(**{part.response: np.nan})
    levels = {
        name: {str(v): v for v in known.variables[name].values}
        for name in known.factors
    }
    modeldata, types = _typed(frame, levels)
    names = list(known.variables)
    vault = ModelVault(
        coef=np.asarray(part.beta, dtype=float),
        coefnames=np.array(part.names, dtype=object),
        formula=f"{part.response} ~ {' + '.join(names) or 1}",
        modeldata=with_categories(modeldata),
        variables_type=types,
        package="sklearn_xmixed",
        vcov=part.reference.vcov,
        variable_names=[part.response, *names],
    )
    said = model.results_.specification
    own = data is not None and bool(said.offset) and not said.offset_is_array
    predictor = _Predictor(model, part, kind, levels, own)
    return _model_class(ModelAbstract)(predictor, vault)


@dataclass(frozen=True, eq=False)
class _Predictor:
    """Rows to columns of the model, with the effects of known groups beside them."""

    estimator: Any
    part: FixedPart
    kind: str
    levels: dict[str, dict[str, Any]]
    own_offsets: bool = False

    def columns(self, newdata: Any) -> Array:
        rows = _plain(newdata, self.levels)
        X, unknown = self.estimator._fixed_rows(rows)
        if unknown.any():
            raise ValueError(
                "Some rows have combinations of levels that the training data had not; "
                "predictions for them are not estimable."
            )
        offset = np.full(len(X), self.part.offset)
        if self.kind == "blup" or self.own_offsets:
            offset = self.estimator.predict(rows, kind=self.kind) - X @ self.part.beta
        return np.column_stack([X, offset])


def _model_class(base: Any) -> Any:
    """Made when the package is there."""

    class MixedModel(base):
        """A fit, as marginaleffects asks for it."""

        def validation(self) -> None:
            # its own looks at columns in a way that polars 2 refuses
            self.validate_coef()
            self.validate_response_name()
            self.formula = self.vault.formula

        def get_exog(self, newdata: Any) -> Array:
            return self.model.columns(newdata)

        def get_predict(self, params: Array, newdata: Any) -> Any:
            import polars as pl

            if not isinstance(newdata, np.ndarray):
                newdata = self.get_exog(newdata)
            fitted = newdata[:, :-1] @ np.asarray(params) + newdata[:, -1]
            rowid = pl.Series(range(len(fitted)), dtype=pl.Int32)
            return pl.DataFrame({"rowid": rowid, "estimate": fitted})

        def get_vcov(self, vcov: Any = True) -> Array | None:
            if vcov is False or vcov is None:
                return None
            if vcov is not True:
                raise ValueError(
                    f"vcov must be True, False or a matrix, got {vcov!r}; robust errors are "
                    "asked for at fit by vce=."
                )
            return self.vault.vcov

    return MixedModel


def _typed(frame: pd.DataFrame, levels: dict[str, dict]) -> tuple[Any, dict[str, str]]:
    """A polars frame: texts and factors as categories, numbers as covariates."""
    import polars as pl

    columns, types = [], {}
    for name in frame.columns:
        values = frame[name]
        if name in levels or not pd.api.types.is_numeric_dtype(values.dtype):
            texts = values.astype(str).tolist()
            there = list(levels.get(name, dict.fromkeys(sorted(set(texts)))))
            columns.append(pl.Series(name, texts, dtype=pl.Enum(there)))
            types[name] = "character"
        else:
            columns.append(pl.Series(name, values.to_numpy(dtype=float)))
            types[name] = "numeric"
    return pl.DataFrame(columns), types


def _rows_of(known: Any, data: Any) -> pd.DataFrame:
    """The user's rows, or those that the fit keeps."""
    if data is not None:
        if not isinstance(data, pd.DataFrame):
            data = (
                data.to_pandas() if hasattr(data, "to_pandas") else pd.DataFrame(data)
            )
        lost = [n for n in known.variables if n not in data.columns]
        if lost:
            raise ValueError(f"The data have no column {lost[0]!r}. {known.describe()}")
        return data.reset_index(drop=True).copy()
    counts = known.row_weights
    whole = counts is not None and np.all(counts == np.floor(counts))
    if known.rows is None or not whole:
        raise ValueError(
            "The fit keeps no rows to average over; pass them: "
            "to_marginaleffects(model, data)."
        )
    return known.rows.loc[known.rows.index.repeat(counts.astype(int))].reset_index(
        drop=True
    )


def _plain(newdata: Any, levels: dict[str, dict[str, Any]]) -> pd.DataFrame:
    """A polars frame as pandas, levels of factors as they were at fit."""
    frame = newdata.to_pandas() if hasattr(newdata, "to_pandas") else newdata
    out = frame.copy()
    for name in out.columns:
        if isinstance(out[name].dtype, pd.CategoricalDtype):
            out[name] = out[name].astype(object)
        if name in levels:
            found = [levels[name].get(str(v), v) for v in out[name]]
            out[name] = pd.Series(found, index=out.index).infer_objects()
    return out
