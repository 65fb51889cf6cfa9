"""What the user asks for: random-effects equations and residual structures.

Small estimator-like objects without fitted state, so that ``get_params``,
``set_params``, ``clone`` and grid searches reach inside them.
"""

from __future__ import annotations

from collections.abc import Sequence

from sklearn.base import BaseEstimator

__all__ = ["RandomEffects", "Residuals"]


class RandomEffects(BaseEstimator):
    """One random-effects equation: which coefficients vary between which groups.

    Several equations in a list make a multilevel model, top level first.
    Consecutive equations of one group make the covariance matrix of that
    level block diagonal; the random intercept then goes into the last of them
    unless told otherwise.

    Parameters
    ----------
    group : str
        Name of the variable that holds the group labels, a column of X or of
        ``groups``; ``"_all"`` stands for one group that holds all rows.
    columns : sequence of str, default=()
        Columns with random coefficients.
    covariance : {"independent", "exchangeable", "identity", "unstructured"}, \
default=None
        Structure of the effects' covariance matrix.  None means independent,
        and identity for a single effect or a factor.
    intercept : bool, default=True
        Whether the equation has a random intercept, ``_cons``.
    factor : str, default=None
        Name of a variable whose levels carry one effect each, instead of
        ``columns``.
    collinear : bool, default=False
        Keep collinear columns instead of omitting them.
    weight : str, default=None
        Name of the variable with the weights of the groups at this level.
    name : str, default=None
        Name of the equation in parameters and results; default the group's
        name (of a factor of ``_all`` the factor's), with ``_2``, ``_3``
        appended where it is taken.

    Examples
    --------
    >>> from sklearn_xmixed import RandomEffects
    >>> RandomEffects("subject", ["days"], covariance="unstructured")
    RandomEffects(columns=['days'], covariance='unstructured', group='subject')
    """

    def __init__(
        self,
        group: str,
        columns: Sequence[str] = (),
        *,
        covariance: str | None = None,
        intercept: bool = True,
        factor: str | None = None,
        collinear: bool = False,
        weight: str | None = None,
        name: str | None = None,
    ):
        self.group = group
        self.columns = columns
        self.covariance = covariance
        self.intercept = intercept
        self.factor = factor
        self.collinear = collinear
        self.weight = weight
        self.name = name


class Residuals(BaseEstimator):
    """Structure of the residual errors within the lowest-level groups.

    Parameters
    ----------
    structure : str, default="independent"
        independent, exchangeable, ar, ma, unstructured, banded, toeplitz or
        exponential.
    order : int, default=None
        Order of ar, ma, banded and toeplitz.
    time : str, default=None
        Name of the variable that orders or identifies the observations.
    by : str, default=None
        Name of a variable each category of which has its own parameters.

    Notes
    -----
    This release fits independent residuals with one variance; the other structures are
    refused by ``MixedLinearRegressor.fit`` with a message that says so.

    Examples
    --------
    >>> from sklearn_xmixed import Residuals
    >>> Residuals()
    Residuals()
    """

    def __init__(
        self,
        structure: str = "independent",
        *,
        order: int | None = None,
        time: str | None = None,
        by: str | None = None,
    ):
        self.structure = structure
        self.order = order
        self.time = time
        self.by = by
