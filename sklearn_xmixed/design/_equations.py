"""Random-effects equations laid over the columns: who stays, where effects live."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from .._spec import RandomEffects
from ..covariance import get_structure
from ._design import Equation, Level, kept_columns, total_weights
from ._factors import Factor
from ._levels import parents_among
from ._moments import ROUNDING, Moments
from ._variables import Variables

__all__ = [
    "Columns",
    "Equations",
    "check_squares",
    "columns_beside",
    "dependence_of",
    "lay_equations",
    "levels_with_effects",
]

Array = np.ndarray

#: sums of squares beyond these leave the floating range soon
TINY, HUGE = 1e-290, 1e290


def _check_range(variables: Variables, moments: Moments, totals: Array | None) -> None:
    """Numbers whose squares can be summed: none so large or small that they cannot.

    Raises
    ------
    ValueError
        That names the column.
    """
    if totals is not None and not 1e-100 < totals.min() <= totals.max() < 1e100:
        raise ValueError(
            f"Weights (multiplied over the levels) lie between {totals.min():g} and "
            f"{totals.max():g}, where sums leave the range of floating-point numbers; "
            "divide them by their mean."
        )
    columns = [*variables.X.T, *variables.extra.T, variables.y]
    check_squares(
        [*variables.fixed_names, *variables.extra_names],
        moments,
        lambda j: float(np.abs(columns[j]).max()),
    )


def check_squares(
    names: Sequence[str], moments: Moments, largest: Callable[[int], float]
) -> None:
    """Squares of columns that stay within the range of floating-point numbers.

    Parameters
    ----------
    names : sequence of str
        Of all columns but the response, which is the last.
    largest : callable
        Called with the number of a column, the size of its largest value.

    Raises
    ------
    ValueError
        That names the column.
    """
    squares = np.diagonal(moments.centred) + moments.n * moments.mean**2
    good = (squares > TINY) & (squares < HUGE)
    if good.all() and np.isfinite(moments.centred).all():
        return
    for j in range(len(good)):
        size = largest(j)
        if good[j] or size == 0.0:
            continue
        what = f"Column {names[j]!r}" if j < len(names) else "The response"
        far = "large" if size > 1.0 else "small"
        raise ValueError(
            f"{what} has values too {far} to be squared and summed (the largest is "
            f"{size:g}); measure it in another unit, so that they lie between 1e-140 "
            "and 1e140."
        )


@dataclass(frozen=True, eq=False)
class Columns:
    """Raw columns without the collinear ones of the fixed part.

    Parameters
    ----------
    X : ndarray of shape (n, k)
    extra : ndarray of shape (n, e)
        Random columns that are not in X.
    moments : Moments
        Of [X, extra, y].
    kept : ndarray of bool
        Which columns of the fixed part are in X.
    names : tuple of str
        Of the columns of X and of extra.
    weights : ndarray of shape (n,) or None
        Of the rows.
    dependence : ndarray of shape (p, number of omitted columns)
        What the fixed part omits, as combinations of its constant and columns.
    means : ndarray
        Of all columns of the fixed part.
    """

    X: Array
    extra: Array
    moments: Moments
    kept: Array
    names: tuple[str, ...]
    weights: Array | None
    dependence: Array
    means: Array

    @property
    def raw(self) -> list[Array]:
        """Every column by number."""
        return [*self.X.T, *self.extra.T]

    @property
    def extra_names(self) -> tuple[str, ...]:
        """Names of the columns that are not in the fixed part."""
        return self.names[self.X.shape[1] :]

    @classmethod
    def of(
        cls,
        variables: Variables,
        equations: Sequence[RandomEffects],
        *,
        intercept: bool,
        weights: Array | None,
        totals: Array | None,
    ) -> Columns:
        """Leave out what is collinear.

        A column that only the fixed part omits keeps its random effects.

        Parameters
        ----------
        totals : ndarray of shape (n,) or None
            Products of the weights of each row and its groups.
        """
        X, extra, y = variables.X, variables.extra, variables.y
        k, e = X.shape[1], extra.shape[1]
        with np.errstate(all="ignore"):
            moments = Moments.of([X, extra, y], totals)
            _check_range(variables, moments, totals)
        raw = [*X.T, *extra.T]
        kept = kept_columns(
            moments, np.arange(k), raw, constant=intercept, weights=weights
        )
        means = moments.mean[:k]
        dependence = dependence_of(moments, kept, constant=intercept)
        names = [*variables.fixed_names, *variables.extra_names]
        beside = columns_beside(names, kept, equations)
        if not kept.all() or len(beside) != e:
            left = [*np.flatnonzero(kept).tolist(), *beside]
            if beside:
                extra = np.column_stack([raw[j] for j in beside])
            else:
                extra = np.empty((len(y), 0))
            if not kept.all():
                X = X[:, kept]
            moments = moments.take([*left, k + e])
            names = [names[j] for j in left]
        return cls(X, extra, moments, kept, tuple(names), weights, dependence, means)

    def independent(self, columns: Array, *, constant: bool) -> Array:
        """Which of some raw columns are not collinear with those before them."""
        return kept_columns(
            self.moments, columns, self.raw, constant=constant, weights=self.weights
        )


def columns_beside(
    names: Sequence[str], kept: Array, equations: Sequence[RandomEffects]
) -> list[int]:
    """Numbers of the columns that have random coefficients and are not in X.

    Parameters
    ----------
    names : sequence of str
        Of the fixed part, then of the columns that are not in it.
    kept : ndarray of bool
        Which of the fixed part's columns are in X.
    """
    index = {name: j for j, name in enumerate(names)}
    wanted = dict.fromkeys(index[c] for eq in equations for c in eq.columns)
    return [j for j in wanted if j >= len(kept) or not kept[j]]


def dependence_of(moments: Moments, kept: Array, *, constant: bool) -> Array:
    """Omitted columns as combinations of [constant, kept columns]."""
    if kept.all():
        return np.zeros((len(kept) + constant, 0))
    left, gone = np.flatnonzero(kept), np.flatnonzero(~kept)
    at = np.ix_(left, [*left, *gone])
    gram = moments.centred[at] if constant else moments.raw()[1:, 1:][at]
    k = len(left)
    size = np.sqrt(np.diagonal(gram))
    # a constant column has nothing but rounding on the diagonal
    mean = moments.mean[gone]
    squares = np.diagonal(moments.centred)[gone] + (
        0.0 if constant else moments.n * mean**2
    )
    scale = np.sqrt(np.maximum(squares, 1e-12 * moments.n * mean**2))
    share = np.linalg.solve(
        gram[:, :k] / np.outer(size, size),
        gram[:, k:] / np.outer(size, np.where(scale > 0, scale, 1.0)),
    )
    share[np.abs(share) < ROUNDING] = 0.0
    B = share * scale / size[:, None]
    if not constant:
        return B
    at_mean = moments.mean[left, None] * B
    rest = mean - at_mean.sum(axis=0)
    sums = np.abs(mean) + np.abs(at_mean).sum(axis=0)
    return np.vstack([np.where(np.abs(rest) < ROUNDING * sums, 0.0, rest), B])


@dataclass(frozen=True, eq=False)
class Equations:
    """The equations that have effects, and those that have none.

    Parameters
    ----------
    compiled : tuple of Equation
    factors : tuple of (Factor or None)
        One per equation.
    empty : tuple of (int, str)
        Equations without any effect: place among those asked for, group.
    """

    compiled: tuple[Equation, ...]
    factors: tuple[Factor | None, ...]
    empty: tuple[tuple[int, str], ...]


def lay_equations(
    equations: Sequence[RandomEffects],
    names: Sequence[str],
    columns: Columns,
    groups: Sequence[str],
    factors: dict[int, tuple[Equation, Factor]],
) -> Equations:
    """Find the equations' columns, leaving out collinear ones.

    Parameters
    ----------
    groups : sequence of str
        Levels asked for, top level first.
    factors : dict
        Equations of factors by place, already compiled.
    """
    index = {name: j for j, name in enumerate(columns.names)}
    has_constant = _constant_places(equations)
    compiled: list[Equation] = []
    of_equation: list[Factor | None] = []
    empty: list[tuple[int, str]] = []
    for place, (spec, name) in enumerate(zip(equations, names, strict=True)):
        laid, factor = factors.get(place, (None, None))
        if laid is not None and not spec.columns:
            compiled.append(laid)
            of_equation.append(factor)
            continue
        own = np.array([index[c] for c in spec.columns], dtype=int)
        stay = np.ones(len(own), dtype=bool)
        if not spec.collinear:
            stay = columns.independent(own, constant=has_constant[place])
        effects = [c for c, s in zip(spec.columns, stay, strict=True) if s]
        positions = [1 + int(c) for c in own[stay]]
        if has_constant[place]:
            effects.append("_cons")
            positions.append(0)
        if not effects:
            empty.append((place, spec.group))
            continue
        structure = spec.covariance or "independent"
        if len(effects) == 1:
            structure = "identity"
        of_equation.append(factor)
        compiled.append(
            Equation(
                name,
                groups.index(spec.group) if laid is None else -1,
                tuple(effects),
                tuple(positions),
                get_structure(structure, len(effects)),
                tuple(c for c, s in zip(spec.columns, stay, strict=True) if not s),
                terms=() if laid is None else laid.terms,
                n_groups=0 if laid is None else laid.n_groups,
            )
        )
    return Equations(tuple(compiled), tuple(of_equation), tuple(empty))


def _constant_places(equations: Sequence[RandomEffects]) -> list[bool]:
    """Which equation of each level holds the random intercept.

    The last of a level's equations that does not refuse it; and every one of a factor.
    """
    out = [False] * len(equations)
    for place in reversed(range(len(equations))):
        spec = equations[place]
        taken = spec.factor is None and any(
            out[i] and equations[i].factor is None and equations[i].group == spec.group
            for i in range(len(equations))
        )
        out[place] = bool(spec.intercept) and not taken
    return out


def levels_with_effects(
    levels: Sequence[Level], equations: Sequence[Equation], weights: Array | None
) -> tuple[tuple[Level, ...], tuple[Equation, ...], tuple[int, ...], Array | None]:
    """Levels that have effects of their own, the equations numbered after them.

    Without effects of their own the parts of a group are independent given the groups
    above, so that its weight is a factor of theirs: it goes to the next
    level below that has effects, or to the rows.

    Parameters
    ----------
    weights : ndarray of shape (n,) or None
        Of the rows.

    Returns
    -------
    levels : tuple of Level
    equations : tuple of Equation
    numbers : tuple of int
        Which of the levels asked for each level is.
    weights : ndarray of shape (n,) or None
        Of the rows.
    """
    final: list[Level] = []
    used: list[int] = []
    skipped = False
    passed: Array | None = None
    for number, level in enumerate(levels):
        mine = [eq for eq in equations if eq.level == number]
        if not mine:
            passed = total_weights(passed, [level])
            skipped = True
            continue
        if passed is not None:
            own = np.empty(level.n_groups)
            own[level.codes] = passed
            if level.weights is not None:
                own = own * level.weights
            level, passed = replace(level, weights=own), None
        places = dict.fromkeys(p for eq in mine for p in eq.positions)
        parents = level.parents
        if skipped:
            parents = parents_among(level, final[-1] if final else None)
        final.append(
            replace(
                level,
                columns=tuple(p - 1 for p in places if p),
                constant=0 in places,
                parents=parents,
            )
        )
        used.append(number)
    renumber = {number: i for i, number in enumerate(used)} | {-1: -1}
    numbered = tuple(
        eq if renumber[eq.level] == eq.level else replace(eq, level=renumber[eq.level])
        for eq in equations
    )
    if passed is not None:
        weights = passed if weights is None else weights * passed
    return tuple(final), numbered, tuple(used), weights
