"""Independent residual errors with one variance: nothing but log sigma to report."""

from __future__ import annotations

import numpy as np

from ._structure import ResidualParameter

__all__ = ["WhiteResiduals"]

Array = np.ndarray


class WhiteResiduals:
    """What ``ResidualModel`` answers where Lambda is the identity; psi is empty."""

    n_params = 0
    categories = ("",)
    label = ""
    parameters = ((0, ResidualParameter("residual", (), "log")),)

    @property
    def scales(self) -> Array:
        """No element is a category's."""
        return np.zeros(0, dtype=bool)

    def start(self) -> Array:
        """The empty psi."""
        return np.empty(0)

    def estimates(self, log_sigma: float, psi: Array) -> Array:
        """log sigma."""
        return np.array([log_sigma])

    def jacobian(self, log_sigma: float, psi: Array) -> Array:
        """Derivative of ``estimates`` in log sigma."""
        return np.eye(1)

    def at_boundary(self, psi: Array) -> Array:
        """No element is at the end of its range."""
        return np.zeros(0, dtype=bool)

    def degenerate(self, psi: Array) -> bool:
        """The identity is never singular."""
        return False
