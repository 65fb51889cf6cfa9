"""What a smaller model sets to zero: random effects that are in the larger alone."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ...covariance import Structure
from .._parts import EquationSummary
from .._results import Results

__all__ = ["Border", "NewEffects"]

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class NewEffects:
    """Random effects of one equation of the larger model that the smaller has not.

    Parameters
    ----------
    equation : int
        Among the equations with random effects.
    which : ndarray of bool, shape (q,)
        Which of its effects are new.
    numbers : ndarray of int
        Parameters of the equation that are about them alone.
    structure : Structure
        Of their own covariance matrix.
    """

    equation: int
    which: Array
    numbers: Array
    structure: Structure

    @classmethod
    def of(cls, equation: int, which: Array, structure: Structure) -> NewEffects | None:
        """None where a parameter is shared with an effect that is not new."""
        inner = structure.pattern[np.ix_(which, which)]
        numbers = np.unique(inner[inner >= 0])
        outside = structure.pattern.copy()
        outside[np.ix_(which, which)] = -1
        if np.isin(numbers, outside).any():
            return None
        own = np.where(inner >= 0, np.searchsorted(numbers, inner), -1)
        return cls(equation, which, numbers, Structure(structure.name, own))


@dataclass(frozen=True, eq=False)
class Border:
    """The null hypothesis within the larger model.

    Parameters
    ----------
    Sigmas : tuple of ndarray
        Covariance matrices of the larger model's equations under it.
    new : tuple of NewEffects
    n_coefficients : int
        Coefficients that are zero under it.
    n_free : int
        Parameters that are, and may have any sign: coefficients and covariances.
    """

    Sigmas: tuple[Array, ...]
    new: tuple[NewEffects, ...]
    n_coefficients: int
    n_free: int

    @classmethod
    def of(
        cls, more: Results, fewer: Results, structures: list[Structure]
    ) -> Border | None:
        """None where the names do not show that one lies within the other.

        Parameters
        ----------
        structures : list of Structure
            Of the larger model's equations with random effects.
        """
        left = [e for e in fewer.equations if e.effects]
        theirs = [set(r.fixed_names) - set(r.omitted) for r in (more, fewer)]
        if more.n_residual != fewer.n_residual or theirs[1] - theirs[0]:
            return None
        Sigmas, new = [], []
        mine = [e for e in more.equations if e.effects]
        for number, (e, structure) in enumerate(zip(mine, structures, strict=True)):
            if e.factor and len(structure.pattern) != len(e.effects):
                return None
            inside = [o for o in left if _within(o, e)]
            found, known = _restricted(e, inside)
            left = [o for o in left if all(o is not i for i in inside)]
            if not np.allclose(structure.spread(structure.gather(found)), found):
                return None
            Sigmas.append(found)
            if not known.all():
                block = NewEffects.of(number, ~known, structure)
                if block is None:
                    return None
                new.append(block)
        if left:
            return None
        n_cone = sum(len(b.numbers) for b in new)
        n_free = more.n_params - fewer.n_params - n_cone
        border = cls(tuple(Sigmas), tuple(new), len(theirs[0] - theirs[1]), n_free)
        return border if n_free >= border.n_coefficients else None

    @cached_property
    def one_variance(self) -> NewEffects | None:
        """The one variance that is zero, if besides it only coefficients are."""
        alone = len(self.new) == 1 and len(self.new[0].numbers) == 1
        return self.new[0] if alone and self.n_free == self.n_coefficients else None


def _within(other: EquationSummary, equation: EquationSummary) -> bool:
    same = (other.group, other.factor) == (equation.group, equation.factor)
    return same and set(other.effects) <= set(equation.effects)


def _restricted(
    equation: EquationSummary, inside: list[EquationSummary]
) -> tuple[Array, Array]:
    """Covariance matrix by the smaller model, and which effects that has."""
    q = len(equation.effects)
    found, known = np.zeros((q, q)), np.zeros(q, dtype=bool)
    for other in list(inside):
        at = np.array([equation.effects.index(name) for name in other.effects])
        if known[at].any():  # another equation with the same effects
            inside.remove(other)
            continue
        found[np.ix_(at, at)] = np.atleast_2d(other.covariance)
        known[at] = True
    return found, known
