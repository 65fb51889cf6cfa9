"""What a residual structure and its bound form have to offer."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np

from ._groups import Groups
from ._lookup import Lookup

__all__ = [
    "ATANH_END",
    "DEGENERATE",
    "FAR",
    "STEP",
    "Kernel",
    "NotPositiveDefiniteError",
    "ResidualParameter",
    "ResidualStructure",
    "error_name",
    "mean_log_sd",
    "shown_time",
]

Array = np.ndarray
STEP = 1e-30
#: an atanh beyond this is one of +-1
ATANH_END = 8.0
#: no log or atanh is searched for beyond this
FAR = 50.0
#: a standard deviation this small beside another is none; so is that of a combination
#: of the standardised errors
DEGENERATE = 1e-5
#: names of occasions that need no quotes
PLAIN = re.compile(r"[\w.+-]+")


class NotPositiveDefiniteError(ArithmeticError):
    """Parameters that make some group's covariance matrix not positive definite."""


def shown_time(time: float, names: tuple[str, ...]) -> str:
    """A time as messages have it: the name of an occasion, or a number."""
    return names[int(time)] if names else f"{time:.15g}"


def error_name(name: str) -> str:
    """Name of the error of an occasion or category."""
    # other characters would read as two errors, sd(e1 e2), or end the name
    quoted = '"' + name.replace('"', '""') + '"'
    return f"e{name if PLAIN.fullmatch(name) else quoted}"


def mean_log_sd(residual: Array, count: Array) -> float:
    """Log of the root mean square; 0 where all are zero."""
    square = float(np.sum(count * residual**2))
    return 0.5 * float(np.log(square / np.sum(count))) if square > 0 else 0.0


@dataclass(frozen=True)
class ResidualParameter:
    """One reported parameter.

    Parameters
    ----------
    kind : {"sd", "corr", "coef"}
    names : tuple of str
        Of the errors it belongs to; of a coefficient its own name.
    transform : {"log", "atanh", "logit", "natural"}
        Metric in which its standard error and interval are formed.
    """

    kind: str
    names: tuple[str, ...]
    transform: str


class Kernel(Protocol):
    """A structure bound to the rows of some groups; safe for complex steps."""

    def whiten(self, shape: Array, W: Array) -> tuple[Array, complex]:
        """Lambda^-1/2 W and log|Lambda|, the reference variance being one."""
        ...

    def slope(
        self, shape: Array, left: Array, right: Array, *, log_det: bool
    ) -> tuple[complex, Array]:
        """sum tr(right' Lambda^-1 left), and the slope in ``shape`` of it.

        With ``log_det`` the slope is that of the sum plus log|Lambda|.
        """
        ...

    def slopes(self, shape: Array, left: Array, right: Array) -> tuple[Array, Array]:
        """The same traces and slopes (log|Lambda| included) by group.

        Returns
        -------
        traces : ndarray of shape (G,)
        slopes : ndarray of shape (G, n_shape)
        """
        ...

    def solve(self, shape: Array, x: Array) -> Array:
        """Lambda^-1 x."""
        ...


class ResidualStructure(ABC):
    """One structure with its order and times, for one by-category.

    The covariance matrix of a group is ``sd^2 Lambda(shape)`` with an
    unconstrained vector ``shape``; sd is the standard deviation of the errors
    (of those at the first time, where they differ by time).  A time is a number, or
    the coordinates of a place along a last axis.
    """

    name: ClassVar[str]
    #: what the time is: None (not used), "integer", "identifier" or "real"
    time_kind: ClassVar[str | None] = None
    #: whether ``order`` may be given
    ordered: ClassVar[bool] = False
    #: whether by-categories have to be constant within groups
    within_groups: ClassVar[bool] = True
    #: whether only distances between times matter
    lags_only: ClassVar[bool] = True
    #: whether a place may have several coordinates
    several_times: ClassVar[bool] = False
    #: whether it matters which occasions are neighbours
    ordered_times: ClassVar[bool] = False
    #: whether variances differ by time, so that it needs no others
    own_variances: ClassVar[bool] = False
    #: whether Lambda is diagonal
    diagonal: ClassVar[bool] = False
    #: whether the covariance matrix is linear in the ``natural`` parameters
    linear: ClassVar[bool] = False

    n_shape: int
    #: times that have parameters of their own, ascending
    times: Array = np.empty(0)
    #: of the times 0, 1, ..., where they number occasions that have names
    names: tuple[str, ...] = ()
    #: an element of the shape beyond this is at the end of its range
    end: ClassVar[float] = np.inf

    @classmethod
    @abstractmethod
    def of(cls, order: int | None, groups: Groups) -> ResidualStructure:
        """The structure for given groups.

        Raises
        ------
        ValueError
            If the order is out of its range.
        """

    @property
    @abstractmethod
    def label(self) -> str:
        """Words of the output."""

    @property
    @abstractmethod
    def parameters(self) -> tuple[ResidualParameter, ...]:
        """Reported parameters in the order of the output."""

    @abstractmethod
    def start(self) -> Array:
        """Where a search begins."""

    def near(self, residual: Array, groups: Groups) -> tuple[float, Array]:
        """Log sd and shape to begin with, from the residuals of linear regression."""
        return mean_log_sd(residual, groups.row_count), self.start()

    def beyond(self, shape: Array) -> bool:
        """Whether a search has left all sensible parameters behind."""
        return bool(np.abs(shape).max(initial=0.0) > FAR)

    @abstractmethod
    def kernel(self, groups: Groups) -> Kernel:
        """Bind to rows."""

    @abstractmethod
    def estimates(self, log_sd: complex, shape: Array) -> Array:
        """Reported parameters in the metric of their ``transform``."""

    @abstractmethod
    def covariance(self, shape: Array, a: Array, b: Array) -> Array:
        """Lambda between different errors of one group at times a and b (broadcast)."""

    @abstractmethod
    def natural(self, log_sd: complex, shape: Array) -> Array:
        """Parameters of which the covariance matrix is the simplest function.

        Variances and covariances where it is linear in them, else the variance and what
        is reported, in the order of ``parameters``; safe for complex steps.
        """

    def correlations(self) -> ResidualStructure:
        """The same with variances of one."""
        return self

    def variances(self, shape: Array, places: Array) -> Array:
        """Diagonal of Lambda at times of shape (n,) or (n, k)."""
        return np.ones(len(places))

    def number(self, times: Array) -> Array:
        """Places of times among those that have parameters.

        Raises
        ------
        ValueError
            If there are others.
        """
        lost = np.unique(times[~np.isin(times, self.times)])
        if len(lost):
            raise ValueError(
                f"{self.label} residuals have no parameters for time "
                f"{', '.join(map(self.shown, lost))}; the times that they were "
                f"fitted to are {', '.join(map(self.shown, self.times))}."
            )
        return np.searchsorted(self.times, times)

    def matrix(self, shape: Array, times: Array) -> Array:
        """Lambda of whole groups, shape (P, s) -> (P, s, s); safe for complex steps."""
        out = self.covariance(shape, times[:, :, None], times[:, None, :])
        if self.time_kind != "identifier":
            at = np.arange(times.shape[1])
            out[:, at, at] = 1.0
        return out

    def lookup(self, times: Array) -> Lookup | None:
        """Lambda over distinct times as a table; None where it is not made of one."""
        return None

    def shown(self, time: float) -> str:
        """A time as messages have it."""
        return shown_time(time, self.names)

    def at_boundary(self, shape: Array) -> Array:
        """Which elements of ``shape`` have gone to the end of their range."""
        return np.abs(shape) > self.end

    def limit(self, shape: Array) -> Array:
        """The same with elements that are on their way to an end put there."""
        if not np.isfinite(self.end):
            return shape
        far = np.abs(shape) > 0.4 * self.end
        return np.where(far, np.sign(shape) * (self.end + 1.0), shape)

    def degenerate(self, shape: Array) -> bool:
        """Whether Lambda is all but singular."""
        return False
