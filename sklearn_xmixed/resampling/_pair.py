"""Two fits of the same data, one nested in the other, with their rows."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..covariance import PARAMETERIZATIONS
from ..design._compile import Compiled
from ..inference import Border, Cone, effective, in_order
from ..likelihood import CrossedOptions, Kind, lay
from ._sample import Sample

__all__ = ["Pair"]

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class Pair:
    """A larger and a smaller model.

    Parameters
    ----------
    larger, smaller : MixedLinearRegressor
        Fitted.
    samples : tuple of two Sample
        The data as each of them takes them, the larger's first.
    designs : tuple of two Compiled
    """

    larger: Any
    smaller: Any
    samples: tuple[Sample, Sample]
    designs: tuple[Compiled, Compiled]

    @classmethod
    def of(
        cls,
        larger: Any,
        smaller: Any,
        X: Any,
        y: Any,
        groups: Any,
        sample_weight: Any,
    ) -> Pair:
        """Lay the data over both.

        Raises
        ------
        TypeError
            If a model has no ``fit``.
        ValueError
            If these are not the data of the fits.
        """
        more, _ = in_order(larger, smaller)
        for which, model in (("larger", larger), ("smaller", smaller)):
            if not hasattr(model, "fit"):
                raise TypeError(
                    f"With X the {which} model must be a fitted estimator, got "
                    f"{type(model).__name__}: results alone cannot be fitted again."
                )
        models = [larger, smaller]
        if models[0].results_ is not more:
            models.reverse()
        samples = [Sample.of(m, X, y, groups, sample_weight) for m in models]
        for which, model, sample in zip(
            ("larger", "smaller"), models, samples, strict=True
        ):
            _check_same(which, model, sample)
        first, second = samples
        designs = (first.compile(first.estimator), second.compile(second.estimator))
        return cls(models[0], models[1], (first, second), designs)

    @property
    def weighted(self) -> bool:
        """Whether rows or groups have weights."""
        return any(
            c.design.weights is not None
            or any(level.weights is not None for level in c.design.levels)
            for c in self.designs
        )

    @property
    def structured(self) -> bool:
        """Whether the residuals have a structure."""
        return any(c.design.residual is not None for c in self.designs)

    def border(self) -> Border | None:
        """What the smaller model sets to zero."""
        design = self.designs[0].design
        structures = [e.structure for e in design.equations]
        return Border.of(self.larger.results_, self.smaller.results_, structures)

    def cone(self, border: Border) -> Cone:
        """Covariance matrices of the new effects, with the information about them."""
        kind = self._kind()
        information, numbers = _information(
            kind, list(border.Sigmas), self.smaller._fitted.sigma2
        )
        inside = np.zeros(len(information), dtype=bool)
        for new in border.new:
            inside[numbers[new.equation].start + new.numbers] = True
        structures = tuple(new.structure for new in border.new)
        return Cone(structures, effective(information, inside))

    def _kind(self) -> Kind:
        return lay(
            self.designs[0].design,
            PARAMETERIZATIONS["matsqrt"],
            reml=self.larger._fitted.reml,
            crossed=CrossedOptions("exact"),
        )


def _check_same(which: str, model: Any, sample: Sample) -> None:
    """By the likelihood of a fit to them, which costs less than a simulation."""
    again = sample.refit(slice(None)).log_likelihood_
    if not math.isclose(again, model.log_likelihood_, rel_tol=1e-6, abs_tol=1e-6):
        raise ValueError(
            f"X, y (and sample_weight, groups) are not the data that the {which} model "
            f"was fitted to: its log likelihood is {model.log_likelihood_:.8g}, and "
            f"{again:.8g} with these data. Pass exactly what was passed to fit; a fitted "
            "model keeps no rows."
        )


def _information(
    kind: Kind, Sigmas: list[Array], sigma2: float
) -> tuple[Array, list[slice]]:
    """``Kind.expected_information`` in the elements of the Sigmas and log sigma^2."""
    model = kind.model
    D_blocks, moves = [], []
    for block, Sigma in zip(model.blocks, Sigmas, strict=True):
        back = np.linalg.inv(block.metric)
        D_blocks.append(back @ Sigma @ back.T / sigma2)
        turned = back @ block.structure.basis @ back.T / sigma2
        moves.append(np.array([block.structure.gather(M) for M in turned]))
    turn = np.eye(model.n_params + 1)
    for s, M in zip(model.slices, moves, strict=True):
        turn[s, s] = M
    return turn @ kind.expected_information(D_blocks) @ turn.T, model.slices
