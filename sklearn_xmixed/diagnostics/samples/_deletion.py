"""What the estimates would be without a unit, the variance parameters held fixed.

In the columns [X F, y - X beta] the cross-products of the whole sample are the identity,
zero and c, so with the unit's factor L = [L_x L_r]

    N = I - L_x L_x',     delta = -F L_x' N^-1 L_r,     c_(u) = c - L_r' N^-1 L_r

(Eqs. 3-5 of the diagnostics page).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from ...likelihood._eliminate import forward

__all__ = ["Deletion", "at_root", "batches", "joined"]

Array = np.ndarray

#: numbers in one batch of units
BATCH = 1 << 22
#: a smaller pivot means that X loses rank without the unit
RANK = 1e-10


@dataclass(frozen=True, eq=False)
class Deletion:
    """Units taken away one at a time.

    nan where the others do not determine the coefficients.

    Parameters
    ----------
    delta : ndarray of shape (p, u)
        Change of the coefficients of X F.
    c : ndarray of shape (u,)
        Residual sum of squares of the others.
    leverage : ndarray of shape (u,)
        tr(L_x L_x'): the unit's share of the information about the coefficients.
    cooks_distance, mdffits, covtrace, covratio : ndarray of shape (u,)
    residual : ndarray
        Of each row about its prediction from the others.
    residual_variance : ndarray
        Of rows alone: its variance over sigma^2.
    """

    delta: Array
    c: Array
    leverage: Array
    cooks_distance: Array
    mdffits: Array
    covtrace: Array
    covratio: Array
    residual: Array
    residual_variance: Array


class Whole(Protocol):
    """What deletion asks of all rows together."""

    @property
    def p(self) -> int:
        """Number of fixed effects that are estimated."""
        ...

    @property
    def c(self) -> float:
        """Residual sum of squares in the metric of V."""
        ...

    @property
    def fitted(self) -> Any:
        """The model."""
        ...


def at_root(whole: Whole, L: Array) -> dict[str, Array]:
    """Everything that follows from the factors; nan where X loses rank."""
    p = whole.p
    x = L[:, :p]
    N = -np.einsum("spu,tpu->stu", x, x)
    N[np.arange(len(L)), np.arange(len(L))] += 1.0
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        pivots, half = forward(N, L)
        lost = ~(pivots**2 > RANK).all(axis=0)
        hx, hr = half[:, :p], half[:, p]
        delta = -np.einsum("spu,su->pu", hx, hr)
        size = (delta**2).sum(axis=0)
        own = (np.einsum("spu,pu->su", x, delta) ** 2).sum(axis=0)
        found = {
            "delta": delta,
            "c": whole.c - (hr**2).sum(axis=0),
            "cooks_distance": size / (p * whole.fitted.sigma2) if p else size,
            "mdffits": (size - own) / (p * whole.fitted.sigma2) if p else size,
            "covtrace": (hx**2).sum(axis=(0, 1)),
            "covratio": np.prod(pivots, axis=0) ** -2,
        }
    found = {k: np.where(lost, np.nan, v) for k, v in found.items()}
    found["leverage"] = (x**2).sum(axis=(0, 1))
    found["residual"] = found["residual_variance"] = np.zeros(0)
    return found


def batches(n: int, width: int) -> Iterator[slice]:
    step = max(1, BATCH // max(1, width))
    for start in range(0, n, step):
        yield slice(start, min(start + step, n))


def joined(parts: list[dict[str, Array]]) -> Deletion:
    return Deletion(
        **{k: np.concatenate([x[k] for x in parts], axis=-1) for k in parts[0]}
    )
