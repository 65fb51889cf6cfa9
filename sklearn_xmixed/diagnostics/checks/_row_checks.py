"""Checks that look at the rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from sklearn.base import clone

from ...design._compile import Compiled, compile_design
from .._influence import Influence
from ._finding import Finding
from ._patient import Patient, several

__all__ = ["ROW_CHECKS", "Rows"]

Array = np.ndarray

#: Cook's distances from which a group moves the coefficients much, or somewhat
LARGE, NOTABLE = 1.0, 0.5
#: residuals of this many standard errors
OUTLIER = 4.0


class Rows:
    """The training data beside a patient."""

    def __init__(
        self, patient: Patient, X: Any, y: Any, sample_weight: Any, groups: Any
    ):
        self.patient = patient
        patient.estimator._check_offset("Diagnoses of rows")
        self.compiled: Compiled = compile_design(
            clone(patient.estimator),
            *patient.estimator._as_compiled(X, y, sample_weight, groups),
        )
        self.influence: Influence | None = None
        fitted = patient.fitted
        if fitted.sigma2 > 0:
            self.influence = Influence.of(
                patient.estimator, X, y, sample_weight, groups
            )

    def column(self, name: str) -> Array:
        """A column of the fixed part or a random one."""
        fitted, design = self.patient.fitted, self.compiled.design
        kept = [n for n, k in zip(fitted.fixed_names, fitted.kept, strict=True) if k]
        if name in kept:
            return design.X[:, kept.index(name)]
        return design.extra[:, self.compiled.extra_names.index(name)]


Check = Callable[[Rows], Iterator[Finding]]


def group_sizes(rows: Rows) -> Iterator[Finding]:
    """Groups with fewer rows than random effects."""
    p, levels = rows.patient, rows.compiled.design.levels
    for k, level in enumerate(levels):
        size = np.bincount(level.codes, minlength=level.n_groups)
        q = len(level.columns) + level.constant
        single = int((size == 1).sum())
        if k == len(levels) - 1 and single and p.unidentified is None:
            share = single / level.n_groups
            yield Finding(
                "warning" if share > 0.5 else "note",
                "singletons",
                level.group,
                f"{single} of {level.n_groups} groups have one observation.",
                "They count for the fixed part but say nothing of the variance within "
                "groups.",
                "Nothing, if that is how the data are.",
            )
        small = int(((size > 1) & (size < q)).sum())
        if q > 1 and small > 0.5 * level.n_groups:
            yield Finding(
                "note",
                "groups_smaller_than_effects",
                level.group,
                f"{small} of {level.n_groups} groups have fewer observations than "
                f"random effects ({q}).",
                "Their effects are mostly borrowed from the other groups.",
                "Nothing, or fewer random columns.",
            )


def constant_within(rows: Rows) -> Iterator[Finding]:
    """Random coefficients of columns that do not vary within groups."""
    p, design = rows.patient, rows.compiled.design
    for e in p.fitted.equations:
        if e.factor is not None:
            continue
        level = design.levels[e.level]
        gone = []
        for x in e.effects:
            if x == "_cons":
                continue
            column = rows.column(x)
            low = np.full(level.n_groups, np.inf)
            high = np.full(level.n_groups, -np.inf)
            np.minimum.at(low, level.codes, column)
            np.maximum.at(high, level.codes, column)
            size = np.abs(column).max(initial=0.0)
            if ((high - low) <= 1e-12 * size).all():
                gone.append(x)
        if gone:
            p.proposal.drop(e.name, *gone)
            yield Finding(
                "warning",
                "constant_within_groups",
                f"{e.name}: {several(gone)}",
                f"Does not vary within any of the {level.n_groups} groups.",
                "A group has one value of it, so that a slope of its own cannot be seen: "
                "the term only makes the variance between groups depend on the column.",
                f"Leave {several(gone)} out of the random part; it stays in the fixed "
                "part.",
            )


def influential(rows: Rows) -> Iterator[Finding]:
    """Groups that the coefficients hang on."""
    found = rows.influence
    if found is None or found.level is None:
        return
    cook = found.group_table["cooks_distance"]
    lost = list(cook.index[cook.isna()])
    if lost and len(cook) > 1:
        yield Finding(
            "warning",
            "indispensable_group",
            f"{found.level}: {several(lost[:3])}",
            f"Without {'it' if len(lost) == 1 else 'one of them'} some coefficient "
            "could not be estimated.",
            "A coefficient rests on one group alone.",
            "See which column varies in that group only.",
        )
    worst = cook.nlargest(3)
    worst = worst[worst > NOTABLE]
    if len(worst):
        told = several([f"{k} ({v:.2f})" for k, v in worst.items()])
        yield Finding(
            "warning" if worst.iloc[0] > LARGE else "note",
            "influential_group",
            f"{found.level}: {several(list(worst.index))}",
            f"Cook's distance {told}.",
            "The fixed effects depend much on "
            f"{'this group' if len(worst) == 1 else 'these groups'}.",
            "Compare influence(X, y).coef, with and without; check the data of the "
            "group.",
        )


def outliers(rows: Rows) -> Iterator[Finding]:
    """Observations far from what all others predict."""
    if rows.influence is None:
        return
    z = rows.influence.rows["studentized"].abs()
    far = z[z > OUTLIER]
    if len(far):
        worst = far.nlargest(3)
        told = several([f"row {k} ({v:.1f})" for k, v in worst.items()])
        yield Finding(
            "note",
            "outliers",
            f"{len(far)} row{'s' * (len(far) > 1)}",
            f"More than {OUTLIER:g} standard errors from the prediction from all other "
            f"rows: {told}.",
            "Normal residuals would give less than one in ten thousand.",
            "Check these rows; standard errors of variances are sensitive to heavy "
            "tails.",
        )


ROW_CHECKS: tuple[tuple[str, Check], ...] = (
    ("sizes of the groups", group_sizes),
    ("random columns that are constant within groups", constant_within),
    ("groups that the fixed effects hang on", influential),
    ("observations far from their prediction", outliers),
)
