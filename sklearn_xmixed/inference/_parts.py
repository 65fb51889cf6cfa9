"""Parts of the results: groups, equations, how the fit was asked for."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

__all__ = ["EquationSummary", "GroupSummary", "Matrix", "Specification", "Vector"]

Vector = np.ndarray
Matrix = np.ndarray


@dataclass(frozen=True)
class GroupSummary:
    """Sizes of the groups of one level.

    Attributes
    ----------
    name : str
        Grouping variable.
    n_groups : float
    minimum, average, maximum : float
        Observations per group.
    """

    name: str
    n_groups: float
    minimum: float
    average: float
    maximum: float


@dataclass(frozen=True)
class EquationSummary:
    """One random-effects equation of the output.

    Attributes
    ----------
    name, group : str
    label : str
        "Identity", "Unstructured", ...; "(empty)" without random effects.
    effects : tuple of str
    omitted : tuple of str
        Collinear columns left out.
    covariance : ndarray of shape (q, q)
        Sigma.  Where every level of a factor has one effect: its variance, or the
        covariance matrix of two levels.
    factor : str
        Variable whose levels carry the effects, empty without.
    """

    name: str
    group: str
    label: str
    effects: tuple[str, ...]
    omitted: tuple[str, ...]
    covariance: Matrix
    factor: str = ""


@dataclass(frozen=True)
class Specification:
    """How a fit was asked for, as far as the estimates do not tell.

    Attributes
    ----------
    weight_type : {"", "frequency", "sampling", "precision"}
        Kind of the weights, empty without any.
    weight_name : str
        "sample_weight" where observations have weights, else empty.
    level_weights : dict of str to str
        Variable with the weights of each level that has them.
    weight_scaling : {"", "size", "effective", "gk"}
    residual_structure : str
    residual_order : int or None
        Order of ar, ma, banded and Toeplitz residuals.
    residual_time, residual_by, residual_variance : str
        Variables with the times (coordinates of a place joined by ", "), the
        by-categories, and what standard deviations depend on; empty without.
    residual_categories : tuple of str
        By-categories of the residuals.
    residual_times : tuple of float
        Times of unstructured and banded residuals: rows of their covariance matrix.
        Empty where occasions have names.
    residual_occasions : tuple of str
        The same as names, "8" or "VIS1".
    optimization : {"newton", "lbfgs", "em", "closed form"}
        What found the estimates.
    parameterization : {"matsqrt", "matlog"}
    n_rows : int
        Rows of X that were passed to ``fit``.
    n_dropped : int
        Rows left out for missing values or weights of zero.
    command : str
        The command, where the fit was asked for by one.
    offset : str
        Name of the offset's column, "(array)" where it was passed to ``fit``, empty
        without.
    """

    weight_type: str = ""
    weight_name: str = ""
    level_weights: dict[str, str] = field(default_factory=dict)
    weight_scaling: str = ""
    residual_structure: str = "independent"
    residual_order: int | None = None
    residual_time: str = ""
    residual_by: str = ""
    residual_variance: str = ""
    residual_categories: tuple[str, ...] = ()
    residual_times: tuple[float, ...] = ()
    residual_occasions: tuple[str, ...] = ()
    optimization: str = "newton"
    parameterization: str = "matsqrt"
    n_rows: int = 0
    n_dropped: int = 0
    command: str = ""
    offset: str = ""

    @property
    def offset_is_array(self) -> bool:
        """Whether the offset was an array, which is not kept."""
        return self.offset == "(array)"
