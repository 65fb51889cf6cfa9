"""Simulated multilevel data with known parameters and random effects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Integral, Real
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.utils import Bunch

from ._effects import (
    INTERCEPT,
    draw_residuals,
    level_covariance,
    residual_correlation,
    square_root,
)
from ._tree import Size, Tree, check_size

TARGET = "y"
TIME = "time"


def make_multilevel(
    n_groups: int | Sequence[Size] = (20, 5),
    n_per_group: Size = 10,
    *,
    n_features: int | None = None,
    fixed: ArrayLike | None = None,
    intercept: float = 0.0,
    covariances: Any = None,
    sigma: float = 1.0,
    residuals: Any = None,
    level_names: Sequence[str] | None = None,
    reuse_labels: bool = False,
    return_X_y: bool = False,
    random_state: int | np.random.Generator | np.random.RandomState | None = None,
) -> Any:
    """Simulate nested data of any depth from a linear mixed model.

    Observation i of a group path (j, k, ...) is

    ``y = intercept + x'fixed + z'u_j + z'u_jk + ... + e``

    with standard normal features x; at each level, random effects u with mean zero
    and that level's covariance matrix, z being the features (and 1) that have random
    coefficients there; and residuals e of standard deviation `sigma`.

    Parameters
    ----------
    n_groups : int or sequence of sizes, default=(20, 5)
        Top level first: how many groups there are, then how many each of them
        contains, and so on; one entry per level. A size is a positive integer, or a
        pair (low, high), both included, from which each parent's number is drawn.
        ``30`` means the single level ``[30]``.
    n_per_group : size, default=10
        Observations per group of the lowest level: an integer, or a pair (low, high)
        for unbalanced data.
    n_features : int, default=None
        Number p of features, called ``x1``, ``x2``, ... None: the length of `fixed`,
        or else 2.
    fixed : array-like of shape (p,), default=None
        Fixed coefficients of the features. None: all 1.
    intercept : float, default=0.0
        Fixed intercept.
    covariances : float, sequence or mapping, default=None
        Covariances of the random effects. A float is the variance of a random
        intercept at every level; None means 1. Otherwise one entry per level, in a
        sequence (top level first) or in a mapping by level name; an entry is

        - a float: the variance of a random intercept;
        - a mapping from terms to variances, for independent effects. Terms are
          feature names and ``"_cons"``, the intercept: ``{"x1": 0.5, "_cons": 1}``;
        - a DataFrame of shape (q, q), terms as index and columns;
        - an array-like of shape (q, q) for the terms ``x1``, ..., ``x{q-1}``,
          ``_cons``, in this order.

        Variances may be zero.
    sigma : float, default=1.0
        Standard deviation of the residuals.
    residuals : None, tuple or array-like of shape (t, t), default=None
        Dependence of the residuals within a lowest-level group. None: independent.
        ``("exchangeable", rho)``, ``("ar", phi)`` and ``("ma", theta)`` (order one)
        have standard deviation `sigma` and the correlations of these structures. A
        matrix, t at least the largest group, is the covariance matrix in units of
        ``sigma ** 2``. If given, the data have a column ``time``: 0, 1, ... within
        the group.
    level_names : sequence of str, default=None
        Names of the label columns, top level first. None: counted from the bottom
        as in the multilevel literature, where level 1 is the observation:
        ``["level3", "level2"]`` for two entries of `n_groups`.
    reuse_labels : bool, default=False
        Labels are the integers 0, 1, ... If True, they start again in every parent,
        so that only the path of labels identifies a group.
    return_X_y : bool, default=False
        If True, return ``(data, target)`` instead of a Bunch.
    random_state : int, Generator, RandomState or None, default=None
        Seed or source of the draws. None: different ones in each call.

    Returns
    -------
    dataset : :class:`~sklearn.utils.Bunch`
        Dictionary-like object with the attributes

        data : DataFrame of shape (n, n_levels + p) or (n, n_levels + 1 + p)
            Labels (int), ``time`` if there are `residuals`, features (float). Rows
            are sorted by group.
        target : Series of shape (n,)
            ``y``.
        frame : DataFrame
            `data` and `target` side by side.
        feature_names, target_names, level_names : list of str
            The columns of `data`; the target (`target_name`: the string); the label
            columns, top level first.
        coef, intercept : Series of shape (p,) indexed by feature, float
            The true fixed effects.
        covariances : dict of str to DataFrame of shape (q, q)
            The true covariance matrix of each level; terms are features in their
            order, then ``_cons``.
        sigma : float
            The true residual standard deviation.
        residual_covariance : DataFrame of shape (t, t), or None
            The true covariance matrix of the residuals of the largest group, by
            ``time``; None if independent.
        random_effects : dict of str to DataFrame of shape (n_groups of level, q)
            The drawn effects: one row per group (index: path of labels), one column
            per term.
        DESCR : str
            One line on the design.

    (data, target) : tuple of DataFrame and Series
        If ``return_X_y=True``.

    Raises
    ------
    ValueError
        If a size is not positive, lengths or names disagree, or a covariance matrix
        is not symmetric and positive semidefinite.

    Examples
    --------
    Schools in districts, with a slope that varies between schools:

    >>> from sklearn_xmixed.datasets import make_multilevel
    >>> sim = make_multilevel(
    ...     (4, (2, 3)),
    ...     (5, 9),
    ...     fixed=[2.0, -1.0],
    ...     covariances=[0.5, {"x1": 0.2, "_cons": 1.0}],
    ...     level_names=["district", "school"],
    ...     random_state=0,
    ... )
    >>> sim.data.columns.tolist()
    ['district', 'school', 'x1', 'x2']
    >>> sim.covariances["school"]
            x1  _cons
    x1     0.2    0.0
    _cons  0.0    1.0
    >>> sim.random_effects["district"].shape
    (4, 1)
    >>> sim.random_effects["school"].index.names
    FrozenList(['district', 'school'])
    """
    rng = _generator(random_state)
    group_sizes, row_sizes = _check_sizes(n_groups, n_per_group)
    coef = _check_fixed(fixed, n_features)
    features = list(coef.index)
    levels = _check_level_names(
        level_names, len(group_sizes), taken=[*features, INTERCEPT, TIME, TARGET]
    )
    truth = _check_covariances(covariances, levels, features)
    if not sigma >= 0 or not np.isfinite(sigma):
        raise ValueError(f"sigma must be zero or positive; found {sigma!r}.")

    tree = Tree.draw(
        levels, group_sizes, row_sizes, reuse_labels=bool(reuse_labels), rng=rng
    )
    sizes, rows = tree.children[-1], tree.rows_per_group()
    correlation = residual_correlation(residuals, int(sizes.max()))
    n = int(sizes.sum())
    X = {name: rng.standard_normal(n) for name in features}
    y = np.full(n, float(intercept))
    for name in features:
        y += coef[name] * X[name]
    random_effects = _draw_effects(tree, rows, truth, X, y, rng)
    y += sigma * draw_residuals(correlation, sizes, rng)

    columns = {
        name: np.repeat(labels, rows[level])
        for level, (name, labels) in enumerate(zip(levels, tree.labels, strict=True))
    }
    covariance = None
    if correlation is not None:
        columns[TIME] = np.arange(n) - np.repeat(sizes.cumsum() - sizes, sizes)
        time = pd.RangeIndex(len(correlation), name=TIME)
        covariance = pd.DataFrame(sigma**2 * correlation, index=time, columns=time)
    data = pd.DataFrame({**columns, **X})
    target = pd.Series(y, name=TARGET)
    if return_X_y:
        return data, target
    counts = ", ".join(f"{len(random_effects[name])} {name}" for name in levels)
    return Bunch(
        data=data,
        target=target,
        frame=data.assign(**{TARGET: target}),
        feature_names=list(data.columns),
        target_name=TARGET,
        target_names=[TARGET],
        level_names=levels,
        coef=coef,
        intercept=float(intercept),
        covariances=truth,
        sigma=float(sigma),
        residual_covariance=covariance,
        random_effects=random_effects,
        DESCR=f"Simulated multilevel data: {n} observations; groups: {counts}.",
    )


def _generator(random_state: Any) -> np.random.Generator:
    """Return a Generator; one that is passed in is used and advanced."""
    if isinstance(random_state, np.random.RandomState):
        random_state = random_state.randint(2**31, size=4)
    return np.random.default_rng(random_state)


def _check_sizes(
    n_groups: Any, n_per_group: Any
) -> tuple[list[tuple[int, int]], tuple[int, int]]:
    """Return the ranges of the sizes, of groups (per level) and of observations."""
    if isinstance(n_groups, Integral):
        n_groups = [n_groups]
    if not isinstance(n_groups, Sequence | np.ndarray) or len(n_groups) == 0:
        raise ValueError(
            "n_groups must be a positive integer or a sequence with one size per "
            f"level, top level first; found {n_groups!r}."
        )
    groups = [check_size(size, f"n_groups[{k}]") for k, size in enumerate(n_groups)]
    return groups, check_size(n_per_group, "n_per_group")


def _check_level_names(
    level_names: Sequence[str] | None, n_levels: int, taken: Sequence[str]
) -> list[str]:
    """Return the names of the label columns, top level first."""
    if level_names is None:
        return [f"level{k}" for k in range(n_levels + 1, 1, -1)]
    names = [level_names] if isinstance(level_names, str) else list(level_names)
    if len(names) != n_levels or len(set(names)) != n_levels:
        raise ValueError(
            f"level_names must be {n_levels} different names, one per entry of "
            f"n_groups; found {names}."
        )
    if clash := [name for name in names if name in taken]:
        raise ValueError(
            f"level_names must not use {clash}; the names {list(taken)} are taken."
        )
    return names


def _check_fixed(fixed: ArrayLike | None, n_features: int | None) -> pd.Series:
    """Return the fixed coefficients, indexed by feature name."""
    if n_features is None:
        n_features = 2 if fixed is None else np.size(np.asarray(fixed))
    if not isinstance(n_features, Integral) or n_features < 0:
        raise ValueError(
            f"n_features must be a non-negative integer; found {n_features!r}."
        )
    values = np.ones(n_features) if fixed is None else np.asarray(fixed, dtype=float)
    if values.shape != (n_features,):
        raise ValueError(
            f"fixed must have one coefficient for each of the {n_features} features; "
            f"found the shape {values.shape}."
        )
    names = [f"x{k}" for k in range(1, int(n_features) + 1)]
    return pd.Series(values, index=names, name="coef", dtype=float)


def _check_covariances(
    covariances: Any, levels: list[str], features: list[str]
) -> dict[str, pd.DataFrame]:
    """Return the covariance matrix of every level, by name, top level first."""
    if covariances is None or isinstance(covariances, Real):
        covariances = [1.0 if covariances is None else covariances] * len(levels)
    found: Any = covariances
    if isinstance(covariances, Mapping):
        found = list(covariances)
        if set(covariances) == set(levels):
            covariances = [covariances[name] for name in levels]
    if (
        not isinstance(covariances, Sequence | np.ndarray)
        or isinstance(covariances, str)
        or len(covariances) != len(levels)
    ):
        raise ValueError(
            f"covariances must be a number, a sequence with one entry for each of the "
            f"levels {levels}, or a mapping with these keys; found {found!r}. Put the "
            f"entry of a single level in a list."
        )
    return {
        name: level_covariance(entry, name, features)
        for name, entry in zip(levels, covariances, strict=True)
    }


def _draw_effects(
    tree: Tree,
    rows: list[np.ndarray],
    truth: dict[str, pd.DataFrame],
    X: dict[str, np.ndarray],
    y: np.ndarray,
    rng: np.random.Generator,
) -> dict[str, pd.DataFrame]:
    """Random effects of every level, which are added to y."""
    levels = list(truth)
    random_effects = {}
    for level, name in enumerate(levels):
        terms = list(truth[name].columns)
        root = square_root(truth[name].to_numpy(), name)
        effects = rng.standard_normal((rows[level].size, len(terms))) @ root
        for term, effect in zip(terms, effects.T, strict=True):
            spread = np.repeat(effect, rows[level])
            y += spread if term == INTERCEPT else spread * X[term]
        random_effects[name] = pd.DataFrame(
            effects, index=tree.index(level), columns=terms
        )
    return random_effects
