"""Random effects of several responses on one design."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

__all__ = ["ResponseEffects"]

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class ResponseEffects:
    """Random effects of several responses on one design.

    Parameters
    ----------
    e : tuple of ndarray of shape (q, G, B)
        Z'V^-1 (y - X beta) of every floor, lowest first.
    D : tuple of ndarray of shape (q, q, B)
        Sigma / sigma^2 of every floor in the tree's basis.
    gains : dict of str to ndarray of shape (q, q_floor, B)
        From e to the effects of each equation.
    """

    e: tuple[Array, ...]
    D: tuple[Array, ...]
    gains: dict[str, Array]

    def linear(self, codes: Sequence[Array], Z: Sequence[Array]) -> Array:
        """Sum of Z u over the levels with a known group, (n, B)."""
        out = np.zeros((len(codes[0]), self.e[0].shape[-1]))
        for code, z, D, e in zip(codes, Z, self.D, self.e, strict=True):
            u = np.einsum("acB,cgB->agB", D, e)
            known = (code >= 0)[:, None]
            for a in range(len(u)):
                out += np.where(known, z[:, [a]] * u[a][code], 0.0)
        return out

    def take(self, which: Array) -> ResponseEffects:
        """Some of the responses."""
        return ResponseEffects(
            tuple(e[..., which] for e in self.e),
            tuple(D[..., which] for D in self.D),
            {name: gain[..., which] for name, gain in self.gains.items()},
        )

    def of(self, name: str, floor: int) -> Array:
        """Effects of an equation, (B, G, q)."""
        return np.einsum("acB,cgB->Bga", self.gains[name], self.e[floor])
