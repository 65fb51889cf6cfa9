"""Factors of random-effects equations: R.varname laid over the data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from .._spec import RandomEffects
from ..covariance import get_compound, get_structure
from ._design import Equation, Level, Term
from ._encoder import Encoder, encode
from ._labels import Source
from ._levels import path_frame

__all__ = [
    "Factor",
    "check_factors",
    "compile_factors",
    "factor_index",
    "factor_values",
    "lay_terms",
    "owned_codes",
]

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class Factor:
    """One equation with effects over the levels of a variable.

    Parameters
    ----------
    variable : str
    group : str
        Level at which every group has its own effects; ``_all`` for one group.
    owner : int
        That level among the levels asked for, top level first.
    encoder : Encoder
        Pairs of a group and a level of the factor.
    common : bool
        Whether the effects of a group have a covariance.
    slopes : bool
        Whether every level has several coefficients.
    """

    variable: str
    group: str
    owner: int
    encoder: Encoder
    common: bool
    slopes: bool = False

    @property
    def title(self) -> str:
        """What the output puts above the equation."""
        if not self.slopes:
            return self.group
        name = f"R.{self.variable}"
        return name if self.group == "_all" else f"{self.group} {name}"


def check_factors(estimator: Any, equations: Sequence[RandomEffects]) -> None:
    """What is not possible together with factors."""
    factors = [e for e in equations if e.factor is not None]
    if not factors:
        return
    shown = f"factor={factors[0].factor!r}"
    sampling = estimator.weight_type == "sampling"
    if (estimator.vce != "oim" or sampling) and equations[0].group == "_all":
        what = "sampling weights" if sampling else f"vce={estimator.vce!r}"
        raise ValueError(
            f"{what} with {shown} at the level '_all': robust standard errors need "
            "independent groups at the top level, and '_all' is a single one. Use "
            "vce='oim' and no sampling weights."
        )
    if (estimator.vce != "oim" or sampling) and estimator.crossed == "iterative":
        raise ValueError(
            f"crossed='iterative' with {shown} and robust standard errors: the scores of "
            "single groups need exact traces. Use crossed='exact', or vce='oim' and no "
            "sampling weights."
        )
    if estimator.weight_scaling is not None:
        raise ValueError(
            f"weight_scaling={estimator.weight_scaling!r} with {shown}: the scalings are "
            "defined for one level of groups, to which a factor adds another. Pass "
            "weights that are scaled already, and weight_scaling=None."
        )
    residuals = estimator.residuals
    if residuals is not None and not residuals.white:
        raise NotImplementedError(
            f"{shown} with residuals={residuals!r}: models with factors have "
            "independent residuals with one variance in this version."
        )
    weighted = [e.weight for e in equations if e.weight is not None]
    if weighted:
        raise NotImplementedError(
            f"{shown} with weight={weighted[0]!r}: a weight of a group is the number of "
            "its independent copies, which models with factors cannot count in this "
            "version. Weights of observations (sample_weight) work; a single factor is "
            "a level below its group, which may have a weight without effects: "
            "[RandomEffects(group, intercept=False, weight=...), RandomEffects(factor)]."
        )


def factor_values(
    source: Source | None, equations: Sequence[RandomEffects]
) -> dict[str, Any]:
    """Values of the factor variables by name."""
    out: dict[str, Any] = {}
    for equation in equations:
        name = equation.factor
        if name is None or name in out:
            continue
        assert source is not None
        values = source.column(name)
        if values is None:
            raise ValueError(
                f"The factor {name!r} of the equation for {equation.group!r} is no "
                f"column of X or groups. {source.describe()}"
            )
        out[name] = values
    return out


def compile_factors(
    equations: Sequence[RandomEffects],
    names: Sequence[str],
    values: dict[str, Any],
    levels: Sequence[Level],
) -> tuple[dict[int, tuple[Equation, Factor]], tuple[Term, ...]]:
    """Terms of the factors, and their equations by place in the specification."""
    found: dict[int, tuple[Equation, Factor]] = {}
    terms: list[Term] = []
    groups = [level.group for level in levels]
    for place, (spec, name) in enumerate(zip(equations, names, strict=True)):
        if spec.factor is None:
            continue
        owner = groups.index(spec.group)
        level = levels[owner]
        labels = values[spec.factor]
        encoder, codes = encode(spec.factor, labels, level.codes, len(level.codes))
        size = len(encoder.labels)
        common = spec.covariance == "exchangeable" and size > 1 and not spec.columns
        structure = get_compound(size) if common else get_structure("identity", 1)
        own = len(terms)
        terms.append(Term(codes, encoder.n_groups))
        if common:
            terms.append(Term(level.codes, level.n_groups))
        equation = Equation(
            name,
            -1,
            (f"R.{spec.factor}",),
            (),
            structure,
            terms=tuple(range(own, len(terms))),
            n_groups=level.n_groups if common else encoder.n_groups,
        )
        found[place] = (
            equation,
            Factor(spec.factor, spec.group, owner, encoder, common, bool(spec.columns)),
        )
    return found, tuple(terms)


def lay_terms(terms: Sequence[Term], equations: Sequence[Equation]) -> tuple[Term, ...]:
    """The terms with the columns that their equations have coefficients of."""
    out = list(terms)
    for equation in equations:
        if equation.terms and equation.positions:
            (k,) = equation.terms
            # the constant first, as at a level
            positions = tuple(sorted(equation.positions, key=bool))
            out[k] = replace(out[k], positions=positions)
    return tuple(out)


def factor_index(encoders: Sequence[Encoder], factor: Factor) -> pd.Index:
    """Index of a factor's effects: path of the group, then the factor's level."""
    above = [e for e in encoders[: factor.owner + 1] if e.group != "_all"]
    return path_frame([*above, factor.encoder], len(above))


def owned_codes(source: Source, factor: Factor, owners: Array) -> list[Array]:
    """Numbers of rows of new data in a factor's terms, -1 where unknown."""
    values = source.column(factor.variable)
    if values is None:
        codes = np.full(source.n_rows, -1)
    else:
        codes = factor.encoder.transform(values, owners)
    return [codes, owners] if factor.common else [codes]
