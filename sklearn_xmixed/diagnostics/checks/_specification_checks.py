"""Checks of the specification: groups, parameters, columns."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from ...fitted import FittedEquation
from ._finding import Finding
from ._patient import (
    Patient,
    collinear,
    is_plain_factor,
    mean_and_rest,
    number,
    several,
)

__all__ = ["SPECIFICATION_CHECKS"]

#: groups below which a variance is hardly estimated, or only roughly
VERY_FEW, FEW = 5, 10
#: clusters below which robust standard errors are too small
FEW_CLUSTERS = 30
#: means of a column in its standard deviations, from which zero is far away
FAR = 10.0

Check = Callable[[Patient], Iterator[Finding]]


def few_groups(p: Patient) -> Iterator[Finding]:
    """Variances from a handful of groups."""
    ml = not p.fitted.reml
    for k, e in enumerate(p.fitted.equations):
        n = p.n_groups(e)
        if n >= FEW or k == p.unidentified:
            continue
        what = "levels" if e.factor is not None else "groups"
        yield Finding(
            "warning" if n < VERY_FEW else "note",
            "few_groups",
            e.name,
            f"{n} {what}.",
            f"A variance between {n} {what} is known roughly at best; tests and "
            "intervals for coefficients that vary between them are too optimistic"
            + (", and ML estimates the variance too low." if ml else "."),
            ("Use method='reml'. " if ml else "")
            + ("A fixed effect per group may be the better model." if n < FEW else ""),
        )
    r = p.results
    if r.vce != "oim" and r.n_clusters < FEW_CLUSTERS and p.fitted.robust is None:
        yield Finding(
            "warning" if r.n_clusters < FEW else "note",
            "few_clusters",
            f"vce={r.vce!r}",
            f"{r.n_clusters:g} clusters.",
            "Robust standard errors are too small with few clusters.",
            "Use vce='CR2', which corrects them and has degrees of freedom, or vce='oim'.",
        )


def many_parameters(p: Patient) -> Iterator[Finding]:
    """More (co)variances, or random effects, than groups or rows can tell."""
    for k, e in enumerate(p.fitted.equations):
        if is_plain_factor(e) or k == p.unidentified:
            continue
        q, n = len(e.effects), p.n_groups(e)
        count = sum(x.equation == k for x in p.results.parameters)
        if q > 1 and count >= n:
            yield Finding(
                "warning",
                "many_parameters",
                e.name,
                f"{count} variances and covariances from {n} groups.",
                "The covariance matrix cannot be estimated well.",
                "Use covariance='independent' or fewer random columns.",
            )
        if q > 1 and q * n >= p.results.n_obs:
            yield Finding(
                "warning",
                "many_effects",
                e.name,
                f"{q * n} random effects for {p.results.n_obs} observations.",
                "There is as much to predict as there is to predict it from; the split "
                "between random effects and residual hangs on the model's assumptions.",
                "Leave out a random column.",
            )


def singletons(p: Patient) -> Iterator[Finding]:
    """Groups of one row at the lowest level."""
    groups = p.results.groups
    if not groups or p.unidentified is not None:
        return
    lowest = groups[-1]
    if lowest.average < 2.0 < p.results.n_obs and lowest.n_groups > 1:
        yield Finding(
            "warning",
            "small_groups",
            lowest.name,
            f"{lowest.average:.2g} observations per group on average.",
            "Groups of one observation say nothing about how much of the variance lies "
            "within groups; the split rests on the few larger groups.",
            "Check that this is the intended grouping.",
        )


def _level_of_one(column: str, fixed: set[str]) -> bool:
    """Whether a column, ``a[R]``, is a level of a factor of the fixed part, ``a[T.T]``.

    With the intercept the fixed part has the means of all its levels.
    """
    factor, bracket, _ = column.partition("[")
    coded = bool(bracket) and ":" not in column
    return coded and any(":" not in x and x.startswith(f"{factor}[T.") for x in fixed)


def slopes_without_mean(p: Patient) -> Iterator[Finding]:
    """Random coefficients whose average is not in the fixed part."""
    fixed = set(p.fitted.fixed_names)
    intercept = "_cons" in p.results.fixed_names
    for e in p.fitted.equations:
        if is_plain_factor(e):
            continue
        alone = [x for x in e.effects if x != "_cons" and x not in fixed]
        if intercept:
            alone = [x for x in alone if not _level_of_one(x, fixed)]
        for x in alone:
            p.proposal.add(x)
        if "_cons" in e.effects and not intercept:
            alone.append("_cons")
        if alone:
            yield Finding(
                "warning",
                "slope_without_mean",
                f"{e.name}: {several(alone)}",
                "Random coefficients without a fixed one.",
                "The average coefficient is forced to be zero, and what it really is "
                "goes into the variance.",
                f"Add {several(alone)} to the fixed part, unless zero is known."
                if alone != ["_cons"]
                else "Set fit_intercept=True, unless the average is known to be zero.",
            )


def omitted_columns(p: Patient) -> Iterator[Finding]:
    """Columns that were left out."""
    if p.results.omitted:
        yield Finding(
            "note",
            "omitted_fixed",
            f"fixed part: {several(list(p.results.omitted))}",
            "Left out as a combination of the constant and the other columns.",
            "Their coefficients are reported as 0 and mean nothing.",
            "Leave them out of X, or leave out another one of the set.",
        )
    for e in p.results.equations:
        if e.omitted:
            yield Finding(
                "note",
                "omitted_random",
                f"{e.name}: {several(list(e.omitted))}",
                "Random columns left out as combinations of the others.",
                "They have no variance of their own.",
                "Leave them out of the equation.",
            )


def collinear_random(p: Patient) -> Iterator[Finding]:
    """Random columns that nearly say the same."""
    for k, e in enumerate(p.fitted.equations):
        if is_plain_factor(e) or k == p.unidentified:
            continue
        near = collinear(e, 1e-2, centred=True)
        if near:
            yield Finding(
                "warning",
                "collinear_random",
                f"{e.name}: {several(near)}",
                "Less than 1 % of what the column varies is its own; the rest is a "
                "combination of the other random columns.",
                "The variances of these columns can hardly be told apart.",
                "Leave one of them out.",
            )


def sizes(p: Patient) -> Iterator[Finding]:
    """Columns of very different size, or far from zero."""
    for k, e in enumerate(p.fitted.equations):
        if is_plain_factor(e) or k == p.unidentified:
            continue
        size = np.sqrt((e.T**2).sum(axis=0))
        ratio = float(size.max() / size.min()) if size.min() > 0 else np.inf
        shared = len({_parameter_of(p, k, x) for x in e.effects}) < len(e.effects)
        big, small = e.effects[int(size.argmax())], e.effects[int(size.argmin())]
        if shared and ratio > 10.0:
            yield Finding(
                "warning",
                "shared_variance",
                e.name,
                f"One variance for columns of very different size: {big} is "
                f"{ratio:.2g} times {small}.",
                "An equal variance of coefficients means unequal variances of what they "
                "do to the response; the result depends on the units.",
                "Standardise the columns, or give each its own variance "
                "(covariance='independent').",
            )
        if "_cons" in e.effects:
            yield from _far_from_zero(e)
    spread = {
        name: m[1]
        for name in p.fitted.fixed_names
        if (m := p.moments(name)) is not None and m[1] > 0
    }
    if len(spread) > 1:
        big, small = (
            max(spread, key=spread.__getitem__),
            min(spread, key=spread.__getitem__),
        )
        if spread[big] > 1e6 * spread[small]:
            yield Finding(
                "note",
                "scale",
                f"{big}, {small}",
                f"Standard deviations of {number(spread[big])} and "
                f"{number(spread[small])}.",
                "The fit does not mind, but coefficients of such different size are hard "
                "to read.",
                "Choose units that bring the columns to a similar size.",
            )


def _parameter_of(p: Patient, k: int, effect: str) -> int:
    for at, x in enumerate(p.results.parameters):
        if x.equation == k and x.kind == "sd" and effect in x.effects:
            return at
    return -1


def _far_from_zero(e: FittedEquation) -> Iterator[Finding]:
    sd = np.sqrt(np.diagonal(e.Sigma).clip(0.0))
    c = e.effects.index("_cons")
    for j, x in enumerate(e.effects):
        mean, rest = mean_and_rest(e, j)
        spread = float(np.linalg.norm(rest))
        if x == "_cons" or not spread > 0:
            continue
        r = float(e.Sigma[j, c] / (sd[j] * sd[c])) if sd[j] * sd[c] > 0 else 0.0
        away = abs(mean) / spread
        if away > FAR or (abs(r) > 0.95 and away > 2.0):
            told = f"; its correlation with _cons is {r:+.3f}" if r else ""
            yield Finding(
                "note",
                "far_from_zero",
                f"{e.name}: {x}",
                f"The column lies {away:.3g} standard deviations from zero (mean "
                f"{number(mean)}){told}.",
                "The random intercept is the deviation at zero, far outside the data: "
                "its variance is large and its correlation near one for that reason "
                "alone. With covariance='independent' the model itself depends on where "
                "zero is.",
                f"Subtract {number(mean)}, or a meaningful origin, from {x}.",
            )


SPECIFICATION_CHECKS: tuple[tuple[str, Check], ...] = (
    ("number of groups, and of clusters of robust standard errors", few_groups),
    ("parameters and random effects against groups and observations", many_parameters),
    ("groups of one observation", singletons),
    ("random coefficients without a fixed one", slopes_without_mean),
    ("columns left out as collinear", omitted_columns),
    ("nearly collinear random columns", collinear_random),
    ("columns of very different size or far from zero", sizes),
)
