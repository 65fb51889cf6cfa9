"""A correlation that is rho^d, by what it is at a typical distance."""

from __future__ import annotations

import numpy as np

from ._structure import ResidualParameter

__all__ = ["TypicalExponential", "log_typical"]

Array = np.ndarray


def log_typical(psi: complex) -> complex:
    """Log of 1 / (1 + exp(-psi)), the correlation at the typical distance."""
    return -np.log1p(np.exp(-psi)) if psi.real > -30 else psi


class TypicalExponential:
    """What is reported of it: rho at distance 1, in the logit metric, and sd.

    Attributes
    ----------
    step : float
        The typical distance.
    """

    step: float

    @property
    def label(self) -> str:
        return "Exponential"

    @property
    def parameters(self) -> tuple[ResidualParameter, ...]:
        return (
            ResidualParameter("coef", ("rho",), "logit"),
            ResidualParameter("sd", ("e",), "log"),
        )

    def start(self) -> Array:
        return np.zeros(1)

    def estimates(self, log_sd: complex, shape: Array) -> Array:
        log_rho = log_typical(shape[0]) / self.step
        return np.array([log_rho - np.log(-np.expm1(log_rho)), log_sd])

    def natural(self, log_sd: complex, shape: Array) -> Array:
        rho = np.exp(log_typical(shape[0]) / self.step)
        return np.array([rho, np.exp(2.0 * log_sd)])
