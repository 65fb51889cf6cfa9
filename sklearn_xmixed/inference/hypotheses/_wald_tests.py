"""Wald tests, by chi-square and by F, and how they print."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["WaldFTest", "WaldTest"]


@dataclass(frozen=True)
class WaldTest:
    """A Wald test.

    Attributes
    ----------
    chi2 : float
    df : int
        Number of constraints that are not redundant.
    p_value : float
    constraints : tuple of str
        What was tested.
    dropped : tuple of int
        Constraints, counted from 1, that follow from others or bear on omitted
        coefficients alone.
    """

    chi2: float
    df: int
    p_value: float
    constraints: tuple[str, ...]
    dropped: tuple[int, ...] = ()

    def __str__(self) -> str:
        return "\n".join(
            [
                *_constraint_lines(self.constraints, self.dropped),
                "",
                f"           chi2({self.df:3d}) = {self.chi2:8.2f}",
                f"         Prob > chi2 = {self.p_value:9.4f}",
            ]
        )


@dataclass(frozen=True)
class WaldFTest:
    """A Wald test that refers to a small sample.

    Attributes
    ----------
    f_value : float
    df : int
        Number of constraints that are not redundant.
    df_denom : float
        Denominator degrees of freedom.
    p_value : float
    scale : float
        Factor by which the Wald statistic over ``df`` was multiplied.
    method : str
        How the degrees of freedom were found.
    constraints : tuple of str
        What was tested.
    dropped : tuple of int
        Constraints, counted from 1, that follow from others or bear on omitted
        coefficients alone.
    """

    f_value: float
    df: int
    df_denom: float
    p_value: float
    scale: float
    method: str
    constraints: tuple[str, ...]
    dropped: tuple[int, ...] = ()

    def __str__(self) -> str:
        name = f"F({self.df:3d},{self.df_denom:8.2f})"
        return "\n".join(
            [
                *_constraint_lines(self.constraints, self.dropped),
                "",
                f"{name:>22} = {self.f_value:8.2f}",
                f"{'Prob > F':>22} = {self.p_value:9.4f}",
            ]
        )


def _constraint_lines(constraints: Sequence[str], dropped: Sequence[int]) -> list[str]:
    lines = [f" ({k:2d})  {text}" for k, text in enumerate(constraints, 1)]
    return lines + [f"       Constraint {k} dropped" for k in dropped]
