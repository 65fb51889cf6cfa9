"""A search with few probes: where it ends, and how noisy more of them would be.

Every costly fit begins with one, whatever the way to fit: it gives the start.  What its
probes say one by one also predicts the Monte Carlo error of an iterative fit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...optimization import em, newton
from ._objective import IterativeObjective

__all__ = ["FEW_COLUMNS", "PROBES", "Trial"]

Array = np.ndarray

#: remaining columns of crossed factors from which a rough estimate is made first
FEW_COLUMNS = 400
#: and with how many probes
PROBES = 12
#: decrement from which one more step leads closer than the noise of few probes
NEAR = 1.0


@dataclass(frozen=True, eq=False)
class Trial:
    """Where a search with few probes ended.

    Parameters
    ----------
    gamma : ndarray of shape (m,) or None
        None where it ended nowhere.
    spread : float
        Standard deviation of the log likelihood from probe to probe; nan with ``gamma``
        None.
    """

    gamma: Array | None
    spread: float

    @classmethod
    def of(cls, rough: IterativeObjective, D_blocks: list[Array]) -> Trial:
        """Search from the covariances ``D_blocks``."""
        D_blocks, _, log = em(rough, D_blocks, max_iter=1, tol=1e-10)
        # in newton's units, which grow with the function
        tol = NEAR / (1.0 + abs(log[-1].value) / 1e4)
        rough.polished = np.inf
        found = newton(rough, rough.join(D_blocks), tol=tol, max_iter=30)
        if not np.isfinite(found.value):
            return cls(None, float("nan"))
        values = rough.noise(rough.model.split(found.gamma)).values
        gamma = found.gamma
        # the last step costs nothing: its system is there
        if found.converged and found.hessian is not None:
            inverse = np.linalg.pinv(found.hessian, rcond=1e-8, hermitian=True)
            gamma = gamma - inverse @ found.gradient
        return cls(gamma, 0.5 * float(values.std(ddof=1)))

    def error(self, n_probes: int) -> float:
        """Predicted Monte Carlo standard error of the log likelihood."""
        return self.spread / n_probes**0.5
