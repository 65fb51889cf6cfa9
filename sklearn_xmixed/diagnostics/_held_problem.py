"""The likelihood with one variance parameter held fixed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import brentq, minimize
from scipy.special import expit

from ..estimation._estimate import Estimate
from ..likelihood import Objective
from ..residuals import NotPositiveDefiniteError
from ._held import HeldCovariance

__all__ = ["HeldProblem"]

Array = np.ndarray

#: where some residual covariance matrix is not positive definite
NOWHERE = 1e20


@dataclass(eq=False)
class HeldProblem:
    """-2L, not profiled in sigma, minimised over all parameters but one.

    The free parameters are log sigma (over its estimate), those of each equation's
    covariance matrix over sigma^2 at the estimate, and psi of structured residuals.
    Called with a value of the one that is held, it starts from the last.

    Parameters
    ----------
    objective : Objective
    sigma : float
        Estimate of the residual standard deviation.
    parts : list of HeldCovariance
    kind : {"equation", "sigma", "scale", "psi"}
        What is held: a parameter of an equation, sigma, sigma times the exponential of
        one psi, or one psi.
    at : int
        Which equation, or which psi.
    row : int
        Of the residuals' parameters the one that is held.
    transform : str
        From the metric of its standard error to the parameter.
    start, last : ndarray
    """

    objective: Objective
    sigma: float
    parts: list[HeldCovariance]
    kind: str
    at: int
    row: int
    transform: str
    psi: Array
    start: Array
    last: Array

    @classmethod
    def of(
        cls, found: Estimate, held: Any, effects: tuple[str, ...], row: int
    ) -> HeldProblem:
        """The problem at an estimate.

        Parameters
        ----------
        held : VarianceParameter
        effects : tuple of str
            Of its equation.
        row : int
            Place among the residuals' parameters, of those.
        """
        objective, sigma2 = found.objective, found.sigma2
        parts, start = [], [0.0]
        for k, (block, Sigma) in enumerate(
            zip(objective.model.blocks, found.Sigmas, strict=True)
        ):
            part = HeldCovariance(block.structure)
            if k == held.equation:
                at = [effects.index(held.effects[j]) for j in range(len(held.effects))]
                at = at[:1] if held.kind == "sd" else at[:2]
                part = HeldCovariance(block.structure, held.kind, tuple(at))
            parts.append(part)
            start += list(part.free(Sigma / sigma2))
        psi = found.psi
        kind, at_psi = "equation", -1 if held.equation is None else held.equation
        if held.equation is None:
            kind, at_psi = _place(found, row)
        free = [*start[kind == "sigma" :], *psi]
        if kind in ("psi", "scale"):
            del free[len(free) - len(psi) + at_psi]
        first = np.array(free)
        sigma = float(np.sqrt(sigma2))
        return cls(
            objective,
            sigma,
            parts,
            kind,
            at_psi,
            row,
            held.transform,
            psi,
            first,
            first,
        )

    @property
    def range(self) -> tuple[float, float]:
        """Ends of the range of a parameter that is a function of one psi."""
        return {
            "atanh": (-1.0, 1.0),
            "logit": (0.0, 1.0),
            "log": (0.0, np.inf),
        }.get(self.transform, (-np.inf, np.inf))

    def restart(self) -> None:
        """Begin at the estimate again."""
        self.last = self.start

    def __call__(self, value: float) -> float:
        best, at = np.inf, self.last
        if self.kind == "psi":
            low, high = self.range
            if not low < value < high:
                return np.inf
            value = self._psi_of(value)
            if not np.isfinite(value):
                return np.inf
        for start in (self.last, self.start):
            if not len(start):
                return self._value(start, value)[0]
            found = minimize(
                self._value,
                start,
                args=(value,),
                jac=True,
                method="BFGS",
                options={"gtol": 1e-6, "maxiter": 500},
            )
            if found.fun < best - 1e-9:
                best, at = float(found.fun), found.x
        self.last = at
        return best if best < NOWHERE else np.inf

    def _psi_of(self, value: float) -> float:
        """The psi at which the parameter has a value; nan where it never has."""
        residual = self.objective.residual
        back = {"atanh": np.tanh, "logit": expit, "log": np.exp}.get(
            self.transform, float
        )

        def gap(x: float) -> float:
            psi = self.psi.copy()
            psi[self.at] = x
            return float(back(residual.estimates(0.0, psi)[self.row])) - value

        here = float(self.psi[self.at])
        for width in 2.0 ** np.arange(-3.0, 6.0):
            if gap(here - width) * gap(here + width) <= 0:
                return float(brentq(gap, here - width, here + width, xtol=1e-12))
        return np.nan

    def _value(self, free: Array, value: float) -> tuple[float, Array]:
        objective, k_psi = self.objective, len(self.psi)
        n_free = k_psi - (self.kind in ("psi", "scale"))
        own_psi = free[len(free) - n_free :]
        if self.kind == "sigma":
            log_sigma, x = float(np.log(max(value, 1e-300) / self.sigma)), free
        else:
            log_sigma, x = float(free[0]), free[1:]
        psi = own_psi
        if self.kind == "psi":
            psi = np.insert(own_psi, self.at, value)
        elif self.kind == "scale":
            scale = np.log(max(value, 1e-300) / self.sigma) - log_sigma
            psi = np.insert(own_psi, self.at, scale)
        D_blocks, slopes = self._covariances(x, value, np.exp(-2.0 * log_sigma))
        weight = np.exp(-2.0 * log_sigma) / self.sigma**2
        try:
            pieces, on_psi = objective.held(D_blocks, psi, weight)
        except NotPositiveDefiniteError:
            return NOWHERE, np.zeros(len(free))
        assert pieces.c_D is not None
        assert pieces.l_D is not None
        nn, c = objective.nn, pieces.c
        deviance = (
            nn * np.log(2.0 * np.pi)
            + 2.0 * nn * (log_sigma + np.log(self.sigma))
            + weight * c
            + pieces.l
            + objective.constant
        )
        G = objective.model.pull(
            [weight * a + b for a, b in zip(pieces.c_D, pieces.l_D, strict=True)]
        )
        parts = [np.tensordot(dS, W, axes=2) for dS, W in zip(slopes, G, strict=True)]
        if self.kind != "sigma":
            along = sum(np.sum(W * D) for W, D in zip(G, D_blocks, strict=True))
            on_sigma = 2.0 * nn - 2.0 * weight * c - 2.0 * along
            if self.kind == "scale":
                on_sigma = on_sigma - on_psi[self.at]
            parts.insert(0, np.array([on_sigma]))
        if self.kind in ("psi", "scale"):
            on_psi = np.delete(on_psi, self.at)
        return float(deviance), np.concatenate([*parts, on_psi])

    def _covariances(
        self, x: Array, value: float, ratio: float
    ) -> tuple[list[Array], list[Array]]:
        """D of each equation, and its slopes along the free parameters."""
        D_blocks, slopes, place = [], [], 0
        for k, (part, block) in enumerate(
            zip(self.parts, self.objective.model.blocks, strict=True)
        ):
            own = x[place : place + part.size]
            place += part.size
            mine = self.kind == "equation" and self.at == k and part.kind == "sd"
            S, dS = part.build(own, value / self.sigma if mine else value)
            lift = np.linalg.inv(block.metric)
            D_blocks.append(ratio * lift @ S @ lift.T)
            slopes.append(ratio * lift @ dS @ lift.T)
        return D_blocks, slopes


def _place(found: Estimate, row: int) -> tuple[str, int]:
    """What has to be held for one of the residuals' parameters."""
    residual, psi = found.objective.residual, found.psi
    slope = residual.jacobian(0.5 * np.log(found.sigma2), psi)[row]
    moves = np.flatnonzero(np.abs(slope[:-1]) > 1e-12)
    if not len(moves) and abs(slope[-1] - 1.0) < 1e-9:
        return "sigma", -1
    if len(moves) == 1 and abs(slope[-1]) < 1e-12:
        return "psi", int(moves[0])
    if len(moves) == 1 and np.allclose(slope[[moves[0], -1]], 1.0):
        return "scale", int(moves[0])
    raise NotImplementedError(
        "This parameter of the residuals is no function of a single number of the "
        "search, so that it cannot be held fixed."
    )
