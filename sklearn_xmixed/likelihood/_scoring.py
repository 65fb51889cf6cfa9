"""A step of scoring: moment estimates of the covariance matrices."""

from __future__ import annotations

import numpy as np

from ..optimization import eigen
from ._model import VarianceModel

__all__ = ["scored"]

Array = np.ndarray
#: an eigenvalue of the information, each parameter in its own size, that is none
FLAT = 1e-8
#: a matrix with an eigenvalue below this share of the largest is near the boundary
NEAR = 1e-3
#: a share of sigma^2 that a step must leave of it
LEFT = 0.01


def scored(
    model: VarianceModel, D_blocks: list[Array], information: Array, slopes: Array
) -> tuple[float, list[Array]] | None:
    """What the step promises (times two), and the D_b that it leads to.

    None where it ends near the boundary, or the data do not tell the parameters apart.

    Parameters
    ----------
    model : VarianceModel
    D_blocks : list of ndarray
    information : ndarray of shape (m + 1, m + 1)
        Expected, about the elements of the D_b and log sigma^2.
    slopes : ndarray of shape (m,)
        Of -2 L in the elements; sigma^2 is at its best.
    """
    own = 2.0 * information.diagonal()
    if not (own > 0.0).all():
        return None
    size = np.sqrt(own)
    values, vectors = eigen(2.0 * information / (size[:, None] * size))
    if not values[0] > FLAT:
        return None
    along = vectors[:-1].T @ (slopes / size[:-1])
    step = -(vectors @ (along / values)) / size
    left = 1.0 + step[-1]
    if not left > LEFT:
        return None
    new = []
    for block, s, D in zip(model.blocks, model.slices, D_blocks, strict=True):
        # Sigma moves with sigma^2 where D does not
        moved = D + block.structure.spread(step[s]) / left
        sizes, _ = eigen(moved)
        if not sizes[0] > NEAR * max(1.0, sizes[-1]):
            return None
        new.append(moved)
    return float(along @ (along / values)), new
