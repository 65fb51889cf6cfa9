"""What the standard deviations of residuals depend on: categories, or a covariate."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ..._spec import Residuals
from ...residuals import ResidualModel, VarianceFunction, by_category, by_covariate
from .._labels import is_time
from ._times import word

__all__ = ["Spreads", "read_spread"]

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class Spreads:
    """What the standard deviation of each row depends on.

    Parameters
    ----------
    values : ndarray of float, shape (n,)
        Numbers of categories, or what log sd is linear in.
    variance : callable
        What makes standard deviations of them.
    """

    values: Array
    variance: Callable[[Array], Any]


def read_spread(
    values: Mapping[str, Any], residuals: Residuals, known: ResidualModel | None = None
) -> Spreads | None:
    """The variable of variances as numbers; None without one.

    Parameters
    ----------
    values : mapping
        From ``read_variables``, without missing values.
    residuals : Residuals
    known : ResidualModel, optional
        A fitted structure whose categories the rows are to be found among.

    Raises
    ------
    ValueError
        On categories that are not among those known, and values of a covariate that
        are no numbers, or zero where a power of them is taken.
    """
    if "variance" not in values:
        return None
    function = residuals.variance
    if isinstance(function, VarianceFunction):
        return _of_covariate(values["variance"], function)
    names, codes = _categories(values["variance"], str(function))
    if known is not None:
        place = {name: k for k, name in enumerate(known.variance_categories)}
        lost = [name for name in names if name not in place]
        if lost:
            raise ValueError(
                f"The variable {function!r}, which variances of residuals go by, has "
                f"categories {lost} that were not in the training data; those have "
                f"{list(place)}. Leave these rows out, or fit to data that have them."
            )
        codes = np.array([place[name] for name in names])[codes]
        names = known.variance_categories
    return Spreads(codes.astype(float), by_category(names, str(function)))


def _categories(values: Any, variable: str) -> tuple[tuple[str, ...], Array]:
    """Categories that occur, in their order or sorted, and the number of each row."""
    if isinstance(values, pd.Categorical):
        used = np.unique(values.codes)
        labels, codes = values.categories[used], np.searchsorted(used, values.codes)
    else:
        try:
            codes, labels = pd.factorize(values, sort=True)
        except TypeError:
            codes, labels = pd.factorize(values)
    names = tuple(word(label) for label in labels)
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(
            f"The variable {variable!r}, which variances of residuals go by, has two "
            f"categories that both read {twice!r}. Rename one of them."
        )
    return names, codes


def _of_covariate(values: Any, function: VarianceFunction) -> Spreads:
    name = function.variable
    try:
        if is_time(values):
            raise TypeError
        x = np.asarray(values, dtype=float)
    except (TypeError, ValueError):
        given = np.asarray(values, dtype=object)
        raise ValueError(
            f"The variable {name!r} of {function!r} must hold numbers, found "
            f"{given[0]!r} in row 0. For a variance of each category name the variable "
            f"itself: variance={name!r}."
        ) from None
    with np.errstate(divide="ignore"):
        h = function.covariate(x)
    bad = np.flatnonzero(~np.isfinite(h))
    if len(bad):
        raise ValueError(
            f"The variable {name!r} of {function!r} is {x[bad[0]]:g} in row {bad[0]} "
            f"({len(bad)} such rows): the standard deviation there would be zero or "
            "infinite. Shift the variable, leave these rows out, or use "
            f"Exponential({name!r}), which takes zeros."
        )
    return Spreads(h, by_covariate(function.label))
