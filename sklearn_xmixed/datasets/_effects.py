"""Covariances of simulated random effects and residuals: read, check, draw."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd
from scipy.linalg import toeplitz

INTERCEPT = "_cons"
RESIDUAL_STRUCTURES = ("exchangeable", "ar", "ma")
_TOLERANCE = 1e-10  # negative eigenvalue, relative to the largest, taken for zero


def _check_symmetric(matrix: np.ndarray, name: str) -> None:
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
        raise ValueError(
            f"{name} must be a square matrix; found the shape {matrix.shape}."
        )
    if not np.isfinite(matrix).all():
        raise ValueError(f"{name} must not contain NaN or infinity.")
    if not np.allclose(matrix, matrix.T, rtol=1e-8, atol=0):
        raise ValueError(f"{name} must be a symmetric matrix; found {matrix.tolist()}.")


def level_covariance(
    entry: Any, level_name: str, feature_names: Sequence[str]
) -> pd.DataFrame:
    """Return one level's covariance matrix as a frame labelled by its terms.

    Parameters
    ----------
    entry : float, mapping, DataFrame or array-like of shape (q, q)
        As documented for ``covariances`` by `make_multilevel`.
    level_name : str
        For messages.
    feature_names : sequence of str
        The columns that may have random coefficients.

    Returns
    -------
    covariance : DataFrame of shape (q, q)
        Rows and columns are terms: features in their order, then ``_cons``.
    """
    name = f"the covariance of level {level_name!r}"
    allowed = [*feature_names, INTERCEPT]
    if isinstance(entry, Real):
        entry = {INTERCEPT: entry}
    if isinstance(entry, pd.DataFrame):
        if set(entry.index) != set(entry.columns) or not entry.index.is_unique:
            raise ValueError(
                f"{name} must name the same terms in rows and columns, each once; "
                f"found {list(entry.index)} and {list(entry.columns)}."
            )
        given = list(entry.index)
        matrix = entry.loc[given, given].to_numpy(dtype=float)
    elif isinstance(entry, Mapping):
        given = list(entry)
        matrix = np.diag([float(variance) for variance in entry.values()])
    else:
        matrix = np.asarray(entry)
        if matrix.ndim != 2 or matrix.dtype.kind not in "iuf":
            raise ValueError(
                f"{name} must be a variance, a mapping from terms to variances, or a "
                f"square matrix; found {entry!r}. For independent effects write, for "
                f"example, {{{allowed[0]!r}: 0.5, {INTERCEPT!r}: 1.0}}."
            )
        matrix = matrix.astype(float)
        given = [*feature_names[: max(len(matrix) - 1, 0)], INTERCEPT]
        if len(given) != len(matrix):
            raise ValueError(
                f"{name} has {len(matrix)} rows, but the model has at most "
                f"{len(allowed)} random effects per level: {allowed}."
            )
    unknown = [term for term in given if term not in allowed]
    if unknown or not given:
        raise ValueError(
            f"{name} must have one or more of the terms {allowed}; found {given}."
        )
    _check_symmetric(matrix, name)
    terms = [term for term in allowed if term in given]
    covariance = pd.DataFrame(matrix, index=given, columns=given).loc[terms, terms]
    square_root(covariance.to_numpy(), name)
    return covariance


def square_root(matrix: np.ndarray, name: str) -> np.ndarray:
    """Return the symmetric square root of a positive semidefinite matrix."""
    values, vectors = np.linalg.eigh(matrix)
    if values[0] < -_TOLERANCE * max(values[-1], 0.0):
        raise ValueError(
            f"{name} must be positive semidefinite (no negative variance, no "
            f"correlation beyond 1); its smallest eigenvalue is {values[0]:.6g}."
        )
    return (vectors * np.sqrt(values.clip(min=0))) @ vectors.T


def residual_correlation(residuals: Any, size: int) -> np.ndarray | None:
    """Return the matrix (size, size) of a structure of residuals; None: independent.

    Parameters
    ----------
    residuals : None, pair of str and float, or array-like of shape (t, t), t >= size
        As documented by `make_multilevel`.
    size : int
        Rows in the largest lowest-level group.
    """
    if residuals is None:
        return None
    if isinstance(residuals, str):
        residuals = (residuals,)
    if isinstance(residuals, tuple | list) and len(residuals) > 0:
        if isinstance(residuals[0], str):
            return _structured(residuals, size)
    matrix = np.asarray(residuals, dtype=float)
    _check_symmetric(matrix, "residuals")
    if len(matrix) < size:
        raise ValueError(
            f"residuals is a matrix of {len(matrix)} rows, but the largest group has "
            f"{size} observations; give at least as many rows."
        )
    return matrix[:size, :size]


def _structured(residuals: Sequence[Any], size: int) -> np.ndarray:
    """Correlations of an exchangeable, AR(1) or MA(1) structure."""
    structure, *parameters = residuals
    if structure not in RESIDUAL_STRUCTURES:
        raise ValueError(
            f"residuals must name one of {RESIDUAL_STRUCTURES}, or be a matrix; found "
            f"{structure!r}."
        )
    if len(parameters) != 1 or not isinstance(parameters[0], Real):
        raise ValueError(
            f"residuals must pair a structure with one number, for example "
            f"({structure!r}, 0.5); found {residuals!r}."
        )
    parameter = float(parameters[0])
    lag = np.arange(size)
    if structure == "ar":
        return toeplitz(parameter**lag)
    if structure == "ma":
        parameter /= 1 + parameter**2
        return toeplitz(np.where(lag == 0, 1.0, np.where(lag == 1, parameter, 0.0)))
    return toeplitz(np.where(lag == 0, 1.0, parameter))


def draw_residuals(
    correlation: np.ndarray | None, sizes: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Draw residuals, sigma = 1, group after group; shape (sizes.sum(),).

    The leading block of a Cholesky factor is the factor of the leading block, so one
    factor serves groups of every size.
    """
    if correlation is None:
        return rng.standard_normal(sizes.sum())
    try:
        factor = np.linalg.cholesky(correlation)
    except np.linalg.LinAlgError:
        raise ValueError(
            "residuals must be positive definite for groups of "
            f"{len(correlation)} observations, and are not. An 'ar' parameter must lie "
            "between -1 and 1, an 'exchangeable' one between -1 / (size - 1) and 1."
        ) from None
    draws = rng.standard_normal((sizes.size, len(correlation))) @ factor.T
    return draws[np.arange(len(correlation)) < sizes[:, np.newaxis]]
