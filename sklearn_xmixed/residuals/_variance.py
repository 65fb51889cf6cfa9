"""Standard deviations of the residuals that vary: by category, or with a covariate.

In every case log sd = log sd_0 + sum over k of psi_k h_k of the row's value, so that
derivatives are sums of rows.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import partial

import numpy as np

from ._structure import (
    DEGENERATE,
    ResidualParameter,
    error_name,
    mean_log_sd,
    shown_time,
)

__all__ = [
    "ByCategory",
    "ByCovariate",
    "Spread",
    "by_category",
    "by_covariate",
]

Array = np.ndarray


class Spread(ABC):
    """Log standard deviations over that of a reference, linear in psi."""

    n_params: int
    #: words of the output
    label: str
    #: whether variances are the parameters themselves
    linear: bool = False
    #: of the categories that values number; empty without
    names: tuple[str, ...] = ()

    @abstractmethod
    def logs(self, psi: Array, values: Array) -> Array:
        """Log of sd over the reference's, for values of any shape."""

    @abstractmethod
    def columns(self, values: Array) -> list[Array]:
        """Its derivative in each element of psi."""

    @abstractmethod
    def near(self, residual: Array, count: Array, values: Array) -> tuple[float, Array]:
        """Log sd of the reference and psi to begin with."""

    @property
    @abstractmethod
    def parameters(self) -> tuple[ResidualParameter, ...]:
        """What takes the place of the standard deviation in the output."""

    @abstractmethod
    def estimates(self, log_sd: complex, psi: Array) -> Array:
        """These in the metric of their ``transform``; log_sd is the reference's."""

    @abstractmethod
    def natural(self, log_sd: complex, psi: Array) -> Array:
        """Variances, or the exponent and the variance."""

    def degenerate(self, psi: Array) -> bool:
        """Whether some standard deviation is all but zero beside another."""
        return False


class ByCategory(Spread):
    """A standard deviation for each category; the reference is the first one's.

    Parameters
    ----------
    codes : ndarray of shape (K,)
        Categories that occur, ascending, as numbers of all.
    names : tuple of str
        Of all categories.
    variable : str
    """

    linear = True

    def __init__(self, codes: Array, names: tuple[str, ...], variable: str):
        self.codes, self.names, self.variable = codes, names, variable
        self.n_params = len(codes) - 1
        self.label = f"variances by {variable}"

    @classmethod
    def of(cls, values: Array, names: tuple[str, ...], variable: str) -> ByCategory:
        """Those of given rows."""
        return cls(np.unique(values), names, variable)

    def _number(self, values: Array) -> Array:
        lost = np.unique(values[~np.isin(values, self.codes)])
        if len(lost):
            known = ", ".join(shown_time(c, self.names) for c in self.codes)
            raise ValueError(
                f"There is no variance for {self.variable} = "
                f"{', '.join(shown_time(c, self.names) for c in lost)}: the rows that "
                f"the model was fitted to have {known} there."
            )
        return np.searchsorted(self.codes, values)

    def logs(self, psi: Array, values: Array) -> Array:
        return np.append(np.zeros(1, dtype=psi.dtype), psi)[self._number(values)]

    def near(self, residual: Array, count: Array, values: Array) -> tuple[float, Array]:
        number = self._number(values)
        size = np.bincount(number, count)
        v = np.bincount(number, count * residual**2) / size
        few = (size < 2) | (v <= 1e-8 * v.max())  # one row says little
        v = np.where(few, v.mean() if v.any() else 1.0, v)
        return 0.5 * float(np.log(v[0])), 0.5 * np.log(v[1:] / v[0])

    def columns(self, values: Array) -> list[Array]:
        number = self._number(values)
        return [number == k for k in range(1, len(self.codes))]

    @property
    def parameters(self) -> tuple[ResidualParameter, ...]:
        return tuple(
            ResidualParameter("sd", (error_name(shown_time(c, self.names)),), "log")
            for c in self.codes
        )

    def estimates(self, log_sd: complex, psi: Array) -> Array:
        return log_sd + np.append(np.zeros(1, dtype=psi.dtype), psi)

    def natural(self, log_sd: complex, psi: Array) -> Array:
        return np.exp(2.0 * self.estimates(log_sd, psi))

    def degenerate(self, psi: Array) -> bool:
        return bool(np.ptp(np.append(0.0, psi)) > -np.log(DEGENERATE))


class ByCovariate(Spread):
    """log sd = log sd_0 + psi (h - centre) / width, with delta = psi / width.

    The reference is at the centre of the data, where its log is best known; what is
    reported is at h = 0.

    Parameters
    ----------
    centre, width : float
    label : str
    """

    n_params = 1

    def __init__(self, centre: float, width: float, label: str):
        self.centre, self.width, self.label = centre, width, label

    @classmethod
    def of(cls, h: Array, label: str) -> ByCovariate:
        """Centred among given rows."""
        width = float(h.std())
        return cls(float(h.mean()), width if width > 0 else 1.0, label)

    def logs(self, psi: Array, values: Array) -> Array:
        return psi[0] * self.columns(values)[0]

    def near(self, residual: Array, count: Array, values: Array) -> tuple[float, Array]:
        (x,) = self.columns(values)
        square = residual**2
        logs = 0.5 * np.log(np.maximum(square, 1e-6 * square.mean() + 1e-300))
        middle = (count @ x) / count.sum()
        x = x - middle
        spread = count @ x**2
        psi = np.array([(count @ (x * logs)) / spread if spread > 0 else 0.0])
        return mean_log_sd(residual * np.exp(-psi[0] * (x + middle)), count), psi

    def columns(self, values: Array) -> list[Array]:
        return [(values - self.centre) / self.width]

    @property
    def parameters(self) -> tuple[ResidualParameter, ...]:
        return (
            ResidualParameter("coef", ("delta",), "natural"),
            ResidualParameter("sd", ("e",), "log"),
        )

    def estimates(self, log_sd: complex, psi: Array) -> Array:
        delta = psi[0] / self.width
        return np.array([delta, log_sd - delta * self.centre])

    def natural(self, log_sd: complex, psi: Array) -> Array:
        delta, log_sd = self.estimates(log_sd, psi)
        return np.array([delta, np.exp(2.0 * log_sd)])


def by_category(names: tuple[str, ...], variable: str) -> partial[ByCategory]:
    """What makes the standard deviations of given rows."""
    return partial(ByCategory.of, names=names, variable=variable)


def by_covariate(label: str) -> partial[ByCovariate]:
    """What makes the standard deviations of given rows."""
    return partial(ByCovariate.of, label=label)
