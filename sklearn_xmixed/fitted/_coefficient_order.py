"""The order of coefficients: the engine's has the constant first, the user's last."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..design._compile import Compiled

__all__ = ["Order"]

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class Order:
    """From the engine's order, the constant first, to the user's, which has it last."""

    names: tuple[str, ...]
    place: Array
    order: Array

    @classmethod
    def of(cls, compiled: Compiled) -> Order:
        a, p = int(compiled.design.intercept), compiled.design.p
        names = (*compiled.fixed_names, *(("_cons",) if a else ()))
        last = [len(compiled.fixed_names)] * a
        place = np.concatenate([np.flatnonzero(compiled.kept), last]).astype(int)
        order = np.concatenate([np.arange(a, p), np.arange(a)]).astype(int)
        return cls(names, place, order)

    def coefficients(self, kept: Array) -> Array:
        """A map to the kept coefficients as one to all."""
        full = np.zeros((len(self.names), kept.shape[1]))
        full[self.place] = kept[self.order]
        return full

    def matrix(self, kept: Array) -> Array:
        """A covariance matrix of the kept coefficients among all."""
        full = np.zeros((len(self.names), len(self.names)))
        full[self.place[:, None], self.place] = kept[self.order[:, None], self.order]
        return full
