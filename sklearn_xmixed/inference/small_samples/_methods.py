"""Which method for small samples a name stands for: the one place that knows all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from ...likelihood import Sensitivity
from .._reference import Reference
from ..variances._free_directions import FreeDirections
from ._coordinates import Coordinates
from ._kenward_roger import KenwardRoger
from ._moments import Moments
from ._partition import Contained, Partition, between_within, containment
from ._satterthwaite import Satterthwaite

__all__ = ["METHODS", "SmallSample", "check_method"]

Array = np.ndarray


@dataclass(eq=False, kw_only=True)
class SmallSample:
    """What a fit keeps for its small-sample methods; they are made when asked for.

    Parameters
    ----------
    sensitivity : Sensitivity or None
        None where the fit left no residual.
    free : FreeDirections or None
        None without standard errors.
    at : Coordinates
    R : ndarray of shape (p, p)
        X in the pool's basis, the constant first.
    place : ndarray of int, shape (p,)
        Place of each column of X among all coefficients.
    vcov : ndarray of shape (p_all, p_all)
        Covariance matrix of all coefficients that a large sample has.
    coefficients : tuple of Contained
        Every random coefficient.
    reml : bool
    refusal : str
        Why there are no degrees of freedom at all; empty where there are.
    sandwich : bool
        Whether ``vcov`` is a sandwich.
    robust : Reference or None
        Its degrees of freedom, where it has corrections for few clusters.
    lender : callable, optional
        Lays the rows over the fit once more, where it came without them.
    """

    sensitivity: Sensitivity | None
    free: FreeDirections | None
    at: Coordinates
    R: Array
    place: Array
    vcov: Array
    coefficients: tuple[Contained, ...]
    reml: bool
    refusal: str = ""
    sandwich: bool = False
    robust: Reference | None = None
    lender: Callable[[], Sensitivity] | None = None
    _made: dict[str, Reference] = field(default_factory=dict)
    _moments: Moments | None = None

    def __getstate__(self) -> dict:
        kept = None if self.sensitivity is None else self.sensitivity.portable
        gone = {"_moments": None, "lender": None, "sensitivity": kept}
        return {**self.__dict__, **gone}

    def reference(self, method: Any) -> Reference:
        """The method of this name.

        Raises
        ------
        ValueError
            If there is none of this name, or it is not defined for this fit.
        """
        name = check_method(method)
        assert name is not None
        if self.refusal:
            raise ValueError(self.refusal)
        if name not in self._made:
            self._made[name] = METHODS[name](self)
        return self._made[name]

    @property
    def derivatives(self) -> Sensitivity:
        """The sensitivity.

        Raises
        ------
        ValueError
            Where it was not saved.
        """
        if self.sensitivity is None and self.lender is not None:
            self.sensitivity = self.lender()
        if self.sensitivity is None:
            raise ValueError(
                "This model was saved without its rows, or came from another process, "
                "and where residuals have a structure these degrees of freedom are "
                "computed from the rows. Ask for them before saving, or set df_method in "
                "the constructor."
            )
        return self.sensitivity

    @property
    def moments(self) -> Moments:
        """Derivatives and information, made once for all methods."""
        if self._moments is None:
            found = Moments(self.derivatives, self.free) if self.free else None
            # parameters may be told apart by nothing, as long as V is known
            unknown = found is None or (
                found.free.flat is not None and not found.leaves_V(found.free.flat)
            )
            if found is None or unknown:
                raise ValueError(
                    "These degrees of freedom come from the covariance matrix of the "
                    "variance parameters, which this fit has not. Fit with "
                    "std_errors=True; if it was, the message about convergence says "
                    "which parameter is not identified. df='residual' and "
                    "'containment' do without."
                )
            self._moments = found
        return self._moments

    def no_sandwich(self, name: str) -> None:
        """Refuse robust standard errors with a method that has its own.

        Raises
        ------
        ValueError
        """
        if self.sandwich:
            raise ValueError(
                f"df={name!r} is about standard errors of the model, and this fit has "
                "robust ones. Fit with vce='oim', or with vce='CR2' and "
                "df='satterthwaite'."
            )

    def among_all(self, kept: Array) -> Array:
        """Degrees of freedom of the columns of X among those of all coefficients."""
        out = np.full(len(self.at.root), np.nan)
        out[self.place] = kept
        return out


def _residual(fit: SmallSample) -> Reference:
    p = fit.R.shape[1]
    df = np.full(p, fit.derivatives.n - p)
    return Partition("residual", fit.vcov, fit.among_all(df))


def _between_within(fit: SmallSample) -> Reference:
    df = between_within(fit.derivatives, fit.R)
    return Partition("between-within", fit.vcov, fit.among_all(df))


def _containment(fit: SmallSample) -> Reference:
    df = containment(fit.derivatives, fit.R, fit.coefficients)
    return Partition("containment", fit.vcov, fit.among_all(df))


def _satterthwaite(fit: SmallSample) -> Reference:
    if fit.robust is not None:
        return fit.robust
    fit.no_sandwich("satterthwaite")
    return Satterthwaite(fit.moments, fit.at)


def _kenward_roger(name: str, fit: SmallSample) -> Reference:
    fit.no_sandwich(name)
    if not fit.reml:
        raise ValueError(
            f"df={name!r} is defined for REML, and this fit is by ML. Fit with "
            "method='REML', or use df='satterthwaite'."
        )
    return KenwardRoger(fit.moments, fit.at, name)


#: by the user's word
METHODS: dict[str, Callable[[SmallSample], Reference]] = {
    "residual": _residual,
    "between-within": _between_within,
    "containment": _containment,
    "satterthwaite": _satterthwaite,
    **{
        name: partial(_kenward_roger, name)
        for kind in ("kenward-roger", "kenward-roger-linear", "kenward-roger-2009")
        for name in (kind, f"{kind}-observed")
    },
}


def check_method(method: Any) -> str | None:
    """The name of a method, or None.

    Raises
    ------
    ValueError
        If it is neither.
    """
    if method is None or (isinstance(method, str) and method in METHODS):
        return method
    raise ValueError(
        f"df must be None, 'asymptotic' or one of {', '.join(map(repr, METHODS))}; got "
        f"{method!r}."
    )
