"""Variance parameters without each group of the highest level."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["OneStep"]

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class OneStep:
    """Estimates of the others, top-level group by top-level group.

    nan where the others' Hessian is not positive definite, X loses rank, or the step in
    the residuals' parameters is too long to be believed.

    Parameters
    ----------
    Sigmas : list of ndarray of shape (M, q, q)
        Per equation, in the user's columns.
    sigma2 : ndarray of shape (M,)
    delta : ndarray of shape (M, p)
        Change of the coefficients of X F, that of the variances included.
    psi : ndarray of shape (M, k)
        Change of the residuals' parameters.
    """

    Sigmas: list[Array]
    sigma2: Array
    delta: Array
    psi: Array
