"""The largest of several correlated t statistics, exactly: Dunnett and any other set.

T = r A u with u uniform on the sphere of as many dimensions as R = A A' has rank, and
r^2 / rank ~ F(rank, df).  The radius is integrated in closed form; what is left is an
average of a smooth function over directions, the same directions for all statistics,
degrees of freedom and quantiles.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import brentq
from scipy.special import chdtr, chdtrc, fdtr, fdtrc, ndtri

from ...compat import sobol

__all__ = ["LargestT"]

Array = np.ndarray

#: directions are 2 ** POWER points, taken in blocks; what is kept of them are the means
#: of so many neighbours in order of size
POWER, BLOCK, KEPT = 17, 2**13, 2**12


class LargestT:
    """Distribution of max |T_i| for T of a multivariate t distribution.

    Parameters
    ----------
    R : ndarray of shape (m, m)
        Correlations, singular ones too.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_xmixed.means.multiplicity._multivariate_t import LargestT
    >>> two = LargestT(np.array([[1.0, 0.5], [0.5, 1.0]]))
    >>> round(two.quantile(0.95, 20.0), 3)  # Dunnett's table
    2.379
    """

    def __init__(self, R: Array):
        values, vectors = np.linalg.eigh(R)
        used = values > 1e-10 * values[-1]
        self.rank = int(used.sum())
        A = vectors[:, used] * np.sqrt(values[used])
        u = _directions(self.rank)
        #: largest |a_i'u| for every direction u, in order
        reach = np.concatenate(
            [
                np.abs(A @ u[start : start + BLOCK].T).max(axis=0)
                for start in range(0, len(u), BLOCK)
            ]
        )
        reach.sort()
        self.reach = reach.reshape(min(KEPT, len(reach)), -1).mean(axis=1)

    def tail(self, t: float, df: float) -> float:
        """P(max |T_i| > t)."""
        if not df > 0 or not np.isfinite(t):
            return np.nan
        x = (t / self.reach) ** 2
        if np.isinf(df):
            return float(chdtrc(self.rank, x).mean())
        return float(fdtrc(self.rank, df, x / self.rank).mean())

    def quantile(self, level: float, df: float) -> float:
        """t with P(max |T_i| <= t) = level."""
        if not df > 0:
            return np.nan
        high = 4.0
        while self.tail(high, df) > 1.0 - level:
            high *= 2.0
        return float(brentq(lambda t: self._body(t, df) - level, 0.0, high))

    def _body(self, t: float, df: float) -> float:
        x = (t / self.reach) ** 2
        if np.isinf(df):
            return float(chdtr(self.rank, x).mean())
        return float(fdtr(self.rank, df, x / self.rank).mean())


def _directions(d: int) -> Array:
    """Points spread evenly over the sphere, shape (2 ** POWER, d)."""
    n = 2**POWER
    if d == 1:
        return np.ones((1, 1))
    if d == 2:
        angle = (np.arange(n) + 0.5) * (np.pi / n)  # t and -t are the same
        return np.column_stack([np.cos(angle), np.sin(angle)])
    points = sobol(d, n, np.random.default_rng(0))
    z = ndtri(np.clip(points, 1e-16, 1.0 - 1e-16))
    return z / np.linalg.norm(z, axis=1, keepdims=True)
