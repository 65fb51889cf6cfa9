"""What a fit keeps for methods for small samples."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from ..estimation._estimate import Estimate
from ..inference.small_samples import Contained, Coordinates, SmallSample
from ._equations import FittedEquation
from ._results_options import ResultsOptions
from ._saved_variances import SavedVariances

__all__ = ["small_sample_of"]

Array = np.ndarray


def small_sample_of(
    found: Estimate,
    equations: Sequence[FittedEquation],
    options: ResultsOptions,
    variances: SavedVariances,
) -> SmallSample:
    """Nothing is computed until it is asked for."""
    order = variances.order
    pool, F = found.pool, found.pieces.root.F
    root = np.zeros((len(order.names), pool.p))
    root[order.place] = pool.root(F)[order.order]
    place = np.empty(pool.p, dtype=int)
    place[order.order] = order.place
    refusal = _refusal(found, options)
    return SmallSample(
        sensitivity=(
            None if refusal else found.kind.sensitivity(found.D_blocks, found.pieces)
        ),
        free=variances.free,
        at=Coordinates(root, found.sigma2),
        R=pool.R,
        place=place,
        vcov=(
            order.matrix(variances.beta)
            if variances.robust is None
            else variances.robust.vcov
        ),
        coefficients=tuple(
            one
            for e in equations
            for one in _contained(e, [order.names[j] for j in place])
        ),
        reml=found.objective.reml,
        refusal=refusal,
        sandwich=options.vce != "oim",
        robust=variances.robust,
    )


def _contained(equation: FittedEquation, columns: Sequence[str]) -> Iterator[Contained]:
    """Its random coefficients."""
    factor = equation.factor
    if factor is not None and not factor.slopes:
        yield Contained(equation.floor, np.ones(1), (False,) * len(columns), True)
        return
    for effect, vector in zip(equation.effects, equation.T.T, strict=True):
        own = tuple(name == effect for name in columns)
        yield Contained(equation.floor, vector, own, effect == "_cons")


def _refusal(found: Estimate, options: ResultsOptions) -> str:
    """Why there are no degrees of freedom; empty where there are."""
    if not found.sigma2 > 0:
        return "The fit leaves no residual, and so no test of its coefficients."
    if not options.frequency:
        return (
            "With sampling weights the likelihood is a pseudolikelihood, for which "
            "degrees of freedom by the model are not defined. Use df=None."
        )
    return ""
