"""Free directions: where variance parameters can go from an estimate."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["FreeDirections", "free_directions"]

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class FreeDirections:
    """Where the variance parameters can go from an estimate.

    Coordinates are the elements of the D_b = Sigma_b / sigma^2, psi and log sigma^2.

    Parameters
    ----------
    basis : ndarray of shape (m, f)
        Columns span the directions that do not leave the boundary.
    half : ndarray of shape (f, r)
        half half' is the covariance matrix of the moves along them by the observed
        information.
    flat : ndarray of shape (f, k) or None
        Moves along which the likelihood does not change, left out of ``half``: what
        parameters can do that the data do not tell apart.
    """

    basis: Array
    half: Array
    flat: Array | None = None


def free_directions(
    steps: Array, half: Array, flat: Array, inside: Array
) -> FreeDirections:
    """In the elements, psi and log sigma^2; parameters at their end are held."""
    scale = np.ones(len(steps))
    scale[-1] = 2.0  # of log sigma
    held = np.append(np.ones(steps.shape[1] - len(inside), dtype=bool), inside)
    return FreeDirections(
        scale[:, None] * steps[:, held],
        np.sqrt(2.0) * half[held],
        flat[held] if flat.shape[1] else None,
    )
