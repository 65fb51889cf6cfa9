"""Terms of a formula, and how formulaic coded their columns."""

from __future__ import annotations

import re
from itertools import product
from typing import Any

import numpy as np

from ...inference import Coding, Product, Term
from ._columns import CONSTANT

__all__ = ["codings_of"]


def codings_of(spec: Any) -> tuple[Coding, ...]:
    """Terms of formulaic's record of a fixed part."""
    matrices = {str(f): _Factor(state) for f, state in spec.factor_contrasts.items()}
    return tuple(
        _coding(part, matrices)
        for part in spec.structure
        if list(part.columns) != [CONSTANT] and part.columns
    )


class _Factor:
    """Columns of a categorical variable: indicators, and the coding of its contrasts."""

    def __init__(self, state: Any):
        self.n_levels = len(state.levels)
        self.indicators = np.eye(self.n_levels)
        self.contrasts = np.asarray(state.get_coding_matrix(reduced_rank=True), float)
        whole = np.column_stack([np.ones(self.n_levels), self.contrasts])
        square = whole.shape[1] == self.n_levels
        #: whether constant and contrasts say as much as the indicators
        self.spans = bool(square and np.linalg.matrix_rank(whole) == self.n_levels)


def _coding(part: Any, matrices: dict[str, _Factor]) -> Coding:
    """One term; its scopes are products that are coded in full or without a base."""
    names = list(dict.fromkeys(str(f) for f in part.term.factors))
    columns = tuple(map(str, part.columns))
    factors = [n for n in names if n in matrices]
    widths = {n: _width(n, columns) for n in names if n not in matrices}
    products: list[Product] = []
    used: set[str] = set()
    for scope in part.scoped_terms:
        scoped = {str(f.factor): bool(f.reduced) for f in scope.factors}
        used |= set(scoped)
        choices = []
        for name, reduced in scoped.items():
            if name in matrices:
                found = matrices[name]
                coded = found.contrasts if reduced else found.indicators
                choices.append([(name, w) for w in coded.T])
            else:
                choices.append([(name, k) for k in range(widths[name])])
        # formulaic lets the first factor run fastest
        for chosen in product(*reversed(choices)):
            at = dict(chosen)
            products.append(
                Product(
                    tuple(at.get(n, np.ones(matrices[n].n_levels)) for n in factors),
                    tuple(at[n] for n in widths if n in at),
                    float(scope.scale),
                )
            )
    covariates = [n for n in widths if n in used]
    whole = all(matrices[n].spans for n in factors)
    if len(products) != len(columns) or not whole:
        # contrasts of the user's that leave levels out: columns as they are
        return Coding.of_columns(str(part.term), columns)
    return Coding(
        Term(str(part.term), tuple(factors), tuple(covariates), columns),
        tuple(matrices[n].n_levels for n in factors),
        tuple(widths[n] for n in covariates),
        tuple(products),
    )


def _width(name: str, columns: tuple[str, ...]) -> int:
    """Number of columns of a covariate: those of a spline are numbered in brackets."""
    found = {m for c in columns for m in re.findall(re.escape(name) + r"\[[^\]]*\]", c)}
    return max(1, len(found))
