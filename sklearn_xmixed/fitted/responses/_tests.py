"""Small samples of many responses: degrees of freedom and adjusted covariance matrices.

Of one level of groups all responses at once, the formulas of
``inference/small_samples`` with an axis of responses; of more levels one by one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

import numpy as np

from ...inference import FreeDirections, Reference, t_p_value
from ...inference.small_samples import Coordinates, SmallSample, check_method
from ...likelihood import LevelResponses, OneLevel, Sensitivity, VarianceModel
from .._fitted import FittedModel

__all__ = ["ManySmallSamples", "OneSmallSample", "ResponseTests"]

Array = np.ndarray

#: smallest eigenvalue of a scaled information that counts as positive
POSITIVE = 1e-10
#: what is answered for all responses at once
AT_ONCE = ("satterthwaite", "kenward-roger", "kenward-roger-linear")
#: methods that look at the design alone
BY_DESIGN = ("residual", "between-within", "containment")


class ResponseTests(Protocol):
    """What tests of the coefficients of some responses refer to."""

    def reference(self, method: str) -> tuple[Array, Array]:
        """Degrees of freedom (B, k) and covariance matrices (B, k, k) of coefficients."""
        ...

    def p_values(self, method: str, L: Array, difference: Array) -> Array:
        """Joint tests that L beta is what it is said to be.

        Parameters
        ----------
        method : str
        L : ndarray of shape (r, k)
            Linearly independent rows.
        difference : ndarray of shape (B, r)
            L beta minus its hypothesised value.

        Returns
        -------
        ndarray of shape (B,)
        """
        ...


@dataclass(frozen=True, eq=False)
class OneSmallSample:
    """Of a response that was fitted alone.

    Parameters
    ----------
    fitted : FittedModel
    """

    fitted: FittedModel

    @classmethod
    def lent(cls, fitted: FittedModel, other: FittedModel) -> OneSmallSample:
        """Of a fit that came from a worker without its rows.

        Parameters
        ----------
        other : FittedModel
            Of another response in the same rows, made in this process.
        """
        own, known = fitted.small_sample, other.small_sample.sensitivity
        if own.sensitivity is None and not own.refusal and known is not None:
            own.lender = partial(_laid_again, fitted, known)
        return cls(fitted)

    def reference(self, method: str) -> tuple[Array, Array]:
        """See ``ResponseTests``."""
        reference = self.fitted.reference(method)
        assert reference is not None
        gone = np.isin(self.fitted.results.fixed_names, self.fitted.results.omitted)
        df = np.full((1, len(gone)), np.nan)
        df[0, ~gone] = reference.df(np.eye(len(gone))[~gone])
        return df, reference.vcov[None]

    def p_values(self, method: str, L: Array, difference: Array) -> Array:
        """See ``ResponseTests``."""
        reference = self.fitted.reference(method)
        assert reference is not None
        return np.array([reference.test(L, difference[0]).p_value])


def _laid_again(fitted: FittedModel, known: Sensitivity) -> Sensitivity:
    """Derivatives at the estimates of a fit, in the rows of another response."""
    to = [np.linalg.inv(block.metric) for block in known.model.blocks]
    D_blocks = [
        A @ (e.Sigma / fitted.sigma2) @ A.T
        for A, e in zip(to, fitted.equations, strict=True)
    ]
    posterior = fitted.posterior
    F = posterior.pieces.root.F
    return known.of_fit(D_blocks, fitted.errors.psi, F, posterior.tree)


@dataclass(frozen=True, eq=False)
class ManySmallSamples:
    """Of responses that were fitted together.

    Parameters
    ----------
    template : SmallSample
        Of one of them.
    level : OneLevel or None
        Their design, where they have one level.
    model : VarianceModel
    D_blocks : tuple of ndarray of shape (q, q, B)
    D : ndarray of shape (q, q, B)
        That of the lowest floor.
    root : ndarray of shape (B, k, p)
        sigma2 root root' is the covariance matrix of coefficients.
    basis, half : ndarray of shape (B, a, a)
        As of ``FreeDirections``; zero where a parameter is held, nan without standard
        errors.
    sigma2 : ndarray of shape (B,)
    """

    template: SmallSample
    level: OneLevel | None
    model: VarianceModel
    D_blocks: tuple[Array, ...]
    D: Array
    root: Array
    basis: Array
    half: Array
    sigma2: Array

    def take(self, which: Array) -> ManySmallSamples:
        """Some of the responses."""
        return replace(
            self,
            D_blocks=tuple(D[..., which] for D in self.D_blocks),
            D=self.D[..., which],
            root=self.root[which],
            basis=self.basis[which],
            half=self.half[which],
            sigma2=self.sigma2[which],
        )

    @classmethod
    def concatenate(cls, parts: list[ManySmallSamples]) -> ManySmallSamples:
        """Several batches of one design, one after another."""
        blocks = zip(*(part.D_blocks for part in parts), strict=True)
        return replace(
            parts[0],
            D_blocks=tuple(np.concatenate(D, axis=-1) for D in blocks),
            D=np.concatenate([part.D for part in parts], axis=-1),
            root=np.concatenate([part.root for part in parts]),
            basis=np.concatenate([part.basis for part in parts]),
            half=np.concatenate([part.half for part in parts]),
            sigma2=np.concatenate([part.sigma2 for part in parts]),
        )

    def reference(self, method: str) -> tuple[Array, Array]:
        """See ``ResponseTests``.

        Raises
        ------
        ValueError
            If there is no such method, or it is not defined for these fits.
        """
        check_method(method)
        model = self._model_vcov()
        if method in BY_DESIGN:
            named = self.template.reference(method)
            unit = np.eye(self.root.shape[1])
            return np.repeat(named.df(unit)[None], len(self.sigma2), axis=0), model
        self.template.reference(method)  # refusals in its words
        if self.level is None or method not in AT_ONCE:
            return self._one_by_one(method)
        return self._satterthwaite() if method == AT_ONCE[0] else self._kenward_roger()

    def p_values(self, method: str, L: Array, difference: Array) -> Array:
        """See ``ResponseTests``: one hypothesis at once, several one by one."""
        if len(L) == 1 and self.level is not None and method in AT_ONCE:
            self.template.reference(method)  # refusals in its words
            rows = replace(self, root=L @ self.root)  # what is asked of L beta alone
            df, vcov = rows.reference(method)
            with np.errstate(divide="ignore", invalid="ignore"):
                t = difference[:, 0] / np.sqrt(vcov[:, 0, 0])
            return t_p_value(t, df[:, 0])
        check_method(method)
        tests = (
            self._single(b, method).test(L, difference[b])
            for b in range(len(self.sigma2))
        )
        return np.array([test.p_value for test in tests])

    def _model_vcov(self) -> Array:
        return self.sigma2[:, None, None] * (self.root @ self.root.swapaxes(1, 2))

    def _one_by_one(self, method: str) -> tuple[Array, Array]:
        """By the methods of a single fit, at the estimates of each response."""
        k = self.root.shape[1]
        df, vcov = np.empty((len(self.sigma2), k)), np.empty((len(self.sigma2), k, k))
        for b in range(len(self.sigma2)):
            one = self._single(b, method)
            df[b], vcov[b] = one.df(np.eye(k)), one.vcov
        df[:, ~self.root.any(axis=(0, 2))] = np.nan
        return df, vcov

    def _single(self, b: int, method: str) -> Reference:
        """What the methods of a single fit say at the estimates of a response."""
        root = self.root[b]
        free = self.basis[b].any(axis=0)
        kept = self.template.place
        return replace(
            self.template,
            sensitivity=self.template.derivatives.moved(
                [D[..., b] for D in self.D_blocks], self.template.R @ root[kept]
            ),
            free=FreeDirections(self.basis[b][:, free], self.half[b][free]),
            at=Coordinates(root, float(self.sigma2[b])),
            vcov=self.sigma2[b] * (root @ root.T),
            _made={},
            _moments=None,
        ).reference(method)

    # -- one level, all at once --------------------------------------------------------

    def _satterthwaite(self) -> tuple[Array, Array]:
        slopes = self._level.slopes([self.D], self._directions)
        half = self.basis @ self.half  # half half' is W of all parameters
        return self._df(slopes, half), self._model_vcov()

    def _kenward_roger(self) -> tuple[Array, Array]:
        """Eqs. 4-6 of the small_samples page; of one coefficient m is 2 / A1."""
        slopes = self._level.slopes([self.D], self._directions)
        half = self._expected()
        W = half @ half.swapaxes(1, 2)
        m = len(slopes)
        own = W[:, :m, :m].transpose(1, 2, 0)
        products = np.einsum(
            "ixyB,iyzB->xzB", slopes, np.einsum("ijB,jyzB->iyzB", own, slopes)
        )
        Q = self._level.quadratics([self.D], self._directions, own)
        p = slopes.shape[1]
        inner = np.eye(p) + 2.0 * (Q - products).transpose(2, 0, 1)
        inner = 0.5 * (inner + inner.swapaxes(1, 2))
        adjusted = self.root @ inner @ self.root.swapaxes(1, 2)
        return self._df(slopes, half), self.sigma2[:, None, None] * adjusted

    @property
    def _level(self) -> LevelResponses:
        """The design with a response of nothing: what is asked for does not depend on it."""
        assert self.level is not None
        merge = self.level.merge
        design = self.level if merge is None else merge.design
        B = len(self.sigma2)
        return LevelResponses(
            design,
            np.zeros((design.q, design.C.shape[2], B)),
            np.zeros((design.p, B)),
            np.ones(B),
        )

    @property
    def _directions(self) -> list[tuple[int, Array]]:
        return [
            (floor, np.broadcast_to(M[..., None], (*M.shape, len(self.sigma2))))
            for floor, M in self.model.elements()
        ]

    def _expected(self) -> Array:
        """Root of W from the expected information; nan where it is singular."""
        level = self._level
        at = level.pieces([self.D], reml=True, directions=self._directions)
        assert at.l_2 is not None
        m, B = len(at.l_2), len(self.sigma2)
        info = np.zeros((B, m + 1, m + 1))
        info[:, :m, :m] = -0.5 * at.l_2.transpose(2, 0, 1)
        first = [np.einsum("abB,abB->B", at.l_D[0], M) for _, M in self._directions]
        info[:, m, :m] = info[:, :m, m] = 0.5 * np.array(first).T
        info[:, m, m] = 0.5 * (level.design.n - level.p)
        N = self.basis
        inner = N.swapaxes(1, 2) @ info @ N
        held = np.logical_not(N.any(axis=1))
        inner[held[:, :, None] & np.eye(m + 1, dtype=bool)] = 1.0
        size = np.sqrt(np.abs(np.einsum("Bii->Bi", inner)))
        size = np.where(size > 0, size, 1.0)
        values, vectors = np.linalg.eigh(inner / (size[:, :, None] * size[:, None]))
        half = N @ (vectors / np.sqrt(np.abs(values))[:, None] / size[..., None])
        half[~(values[:, 0] > POSITIVE)] = np.nan
        return half

    def _df(self, slopes: Array, half: Array) -> Array:
        """2 (l'Phi l)^2 / (g'W g) for every coefficient (Eq. 7), (B, k)."""
        unit = np.eye(slopes.shape[1])[None, ..., None]
        P = np.concatenate([slopes, np.broadcast_to(unit, (1, *slopes.shape[1:]))])
        moved = self.root[:, None] @ P.transpose(3, 0, 1, 2)  # (B, a, k, p)
        g = np.einsum("Bakp,Bkp->Bka", moved, self.root)
        spread = ((g @ half) ** 2).sum(axis=2)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(2.0 * (self.root**2).sum(axis=2) ** 2 / spread)
