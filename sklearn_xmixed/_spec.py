"""What the user asks for: random-effects equations, and structures of the residuals.

Small estimator-like objects without fitted state, so that ``get_params``,
``set_params``, ``clone`` and grid searches reach inside them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

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
        and identity for a single effect or a factor without columns.
    intercept : bool, default=True
        Whether the equation has a random intercept, ``_cons``.
    factor : str, default=None
        Name of a variable whose levels carry effects of their own in every group.
        Factors of ``"_all"`` cross.  Without ``columns`` every level has one effect,
        and the covariance, identity or exchangeable, is that of the levels.  With
        ``columns`` every level has coefficients of them and an intercept, and the
        covariance is that of one level's coefficients.
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

    Crossed effects, of plates and of samples:

    >>> from sklearn_xmixed import MixedLinearRegressor
    >>> from sklearn_xmixed.datasets import load_penicillin
    >>> X, y = load_penicillin(return_X_y=True)
    >>> crossed = [RandomEffects("_all", factor=name) for name in ("plate", "sample")]
    >>> model = MixedLinearRegressor(crossed, fixed=[], method="reml").fit(X, y)
    >>> [f"{k} {v:.4f}" for (_, k), v in model.variance_components_["estimate"].items()]
    ['var(R.plate) 0.7169', 'var(R.sample) 3.7309', 'var(Residual) 0.3024']

    Slopes that vary between students and, crossed with them, between teachers:

    >>> slopes = [
    ...     RandomEffects("_all", ["hours"], factor=who, covariance="unstructured")
    ...     for who in ("student", "teacher")
    ... ]
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
    structure : {"independent", "exchangeable", "ar", "ma", "unstructured", \
"banded", "toeplitz", "exponential", "gaussian", "antedependence", "arma"}, \
default="independent"
        Residuals of different groups are always independent; within a group they

        - independent: are so too;
        - exchangeable: have one correlation;
        - ar, ma: follow an autoregression or a moving average, gaps in time allowed;
        - unstructured: have a variance per time and a covariance per pair of times;
        - banded: the same with zeros beyond the first ``order`` off-diagonals;
        - toeplitz: have one correlation per lag up to ``order``, and zero beyond;
        - exponential: have the correlation rho^(distance);
        - gaussian: have the correlation exp(-(distance / range)^2);
        - antedependence: have a correlation for each two neighbouring times, and that
          of others is the product along the path between them;
        - arma: follow an autoregression with a moving average, both of order one.
    order : int, default=None
        Order of ar and ma (default 1), of banded (default: all bands) and of toeplitz
        (default: the longest observed lag).
    time : str or list of str, default=None
        Name of the variable that orders the observations of a group (integers for ar,
        ma, arma and toeplitz, any numbers for exponential and gaussian) or says which
        observations of different groups correspond, for unstructured, banded and
        antedependence.  Such occasions are nonnegative integers or have names:
        categories in their order (pandas' Categorical, polars' Enum), texts and
        booleans sorted.  Its values must be distinct within a group.  For exponential
        and gaussian it may be a list of names, the coordinates of a place, with
        Euclidean distances.
    by : str, default=None
        Name of a variable each category of which has its own parameters.  It must be
        constant within groups, except for independent residuals.
    variance : str, Power or Exponential, default=None
        What standard deviations depend on; the structure then says the correlations.
        The name of a variable: each of its categories has a standard deviation of its
        own, in every category of ``by``; it may vary within groups, and may be the time.
        ``Power("x")`` and ``Exponential("x")`` of ``sklearn_xmixed.residuals``: sigma
        abs(x)^delta and sigma exp(delta x).

    Notes
    -----
    Groups without random effects are named by
    ``RandomEffects(group, intercept=False)``.  ``sd(e)`` and ``var(e)`` in the output
    are those of the residuals, not of the innovations of an ar or ma process.

    Parameters of an occasion go by ``e`` and its name: ``sd(e8)``, ``sd(eVIS1)``,
    ``corr(eVIS1,eVIS2)``, with quotes where a name has other characters than letters,
    digits, ``_``, ``.``, ``+`` and ``-``: ``sd(e"week 4")``.  Categories that do not
    occur have no parameters.

    Examples
    --------
    >>> from sklearn_xmixed import MixedLinearRegressor, RandomEffects, Residuals
    >>> from sklearn_xmixed.datasets import load_orthodont
    >>> X, y = load_orthodont(return_X_y=True)
    >>> model = MixedLinearRegressor(
    ...     RandomEffects("subject", intercept=False),
    ...     fixed=["age"],
    ...     residuals=Residuals("toeplitz", order=4, time="age"),
    ... ).fit(X, y)
    >>> [f"{k} {v:.3f}" for k, v in model.residual_parameters_.items()]
    ['rho2 0.471', 'rho4 0.513', 'var(e) 5.427']

    An autoregression with a variance for each age, SAS's ARH(1):

    >>> visit = (X["age"] - 6) // 2
    >>> model = model.set_params(residuals=Residuals("ar", time="visit", variance="age"))
    >>> model = model.fit(X.assign(visit=visit), y)
    >>> [f"{k} {v:.3f}" for k, v in model.residual_parameters_.items()][:3]
    ['rho 0.689', 'var(e8) 6.283', 'var(e10) 4.991']

    Occasions with names:

    >>> visits = X["age"].map({8: "VIS1", 10: "VIS2", 12: "VIS3", 14: "VIS4"})
    >>> model = model.set_params(residuals=Residuals("unstructured", time="visit"))
    >>> model = model.fit(X.assign(visit=visits), y)
    >>> list(model.residual_parameters_)[:5]
    ['var(eVIS1)', 'var(eVIS2)', 'var(eVIS3)', 'var(eVIS4)', 'cov(eVIS1,eVIS2)']
    """

    def __init__(
        self,
        structure: str = "independent",
        *,
        order: int | None = None,
        time: str | Sequence[str] | None = None,
        by: str | None = None,
        variance: Any = None,
    ):
        self.structure = structure
        self.order = order
        self.time = time
        self.by = by
        self.variance = variance

    @property
    def white(self) -> bool:
        """Whether all residuals are independent with one variance."""
        alone = self.by is None and self.variance is None
        return self.structure == "independent" and alone

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of variables that the order of categories matters of."""
        names = (self.time, self.variance)
        return tuple(name for name in names if isinstance(name, str))

    @property
    def variables(self) -> dict[str, str]:
        """Names of the variables that it needs, by what they are."""
        time = [self.time] if isinstance(self.time, str) else list(self.time or ())
        roles = ["time", *(f"{k}. coordinate" for k in range(2, len(time) + 1))]
        out = dict(zip(roles, time, strict=False))
        if self.by is not None:
            out["by"] = self.by
        if self.variance is not None:
            out["variance"] = getattr(self.variance, "variable", self.variance)
        return out
