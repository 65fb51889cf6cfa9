"""Random effects given the data where factors cross.

What ``Posterior`` is for a tree: with one elimination at the optimum a row that has
coefficients on random effects and on X is led through the same elimination, and what
is left of it at every stage gives its variance.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy import sparse

from .._basis import Pool, constant_size
from .._pieces import Pieces
from .._posterior import Posterior
from ._crossing import Crossing
from ._elimination import Elimination
from ._exact import Exact, Frame
from ._iterative import Iterative, Probes

__all__ = ["CrossedPosterior"]

Array = np.ndarray

#: rows that are made dense together
CHUNK = 2048
#: of the standard errors of random effects in an iterative fit
PROBES = 200


@dataclass(frozen=True, eq=False)
class Led:
    """Rows that were led through the elimination.

    Parameters
    ----------
    own : ndarray of shape (n, q)
        Coefficients on their group of the first term.
    gain : ndarray of shape (n, q)
        The same times K of that group.
    left : ndarray of shape (n, N)
        What remains on the other terms' columns.
    x : ndarray of shape (n, h)
        What remains on [X y] after these.
    """

    own: Array
    gain: Array
    left: Array
    x: Array


@dataclass(eq=False)
class CrossedPosterior(Posterior):
    """Random effects of every group at fixed variance parameters.

    Parameters
    ----------
    tree : Crossing
    D : list of ndarray
        Per term.
    pieces : Pieces
    pool : Pool
    sigma2 : float
    probes : (int, int), optional
        Number and seed of the probes of an iterative fit.
    """

    kind: ClassVar[str] = "crossed"
    refusals: ClassVar[Mapping[str, str]] = {
        "replicates": "crossed factors",
        "stages": (
            "Standard errors of predictions of a lazy table are not there for models with "
            "crossed factors, where they hang on every pair of groups. Read the rows into "
            "memory in parts and predict these, or set kind='fixed'."
        ),
        "lags": "Correlations by lag are not there for models with crossed factors.",
        "one step": (
            "One-step variance parameters are not there for crossed factors. "
            "Coefficients without a group (coef) are, and refit() fits again."
        ),
        "studentized": "Every row would have to be taken away in turn.",
    }
    tree: Crossing
    D: list[Array]
    pieces: Pieces
    pool: Pool
    sigma2: float
    probes: tuple[int, int] | None = None
    _sweep: Elimination | None = None
    _means: list[Array] | None = None

    def __getstate__(self) -> dict:
        return {**self.__dict__, "_sweep": None, "_means": None}

    @property
    def sweep(self) -> Elimination:
        """The elimination, done when first asked for."""
        if self._sweep is None:
            if self.probes is None:
                self._sweep = Exact(Frame(self.tree), self.D)
            else:
                count, seed = self.probes
                probes = Probes(self.tree, max(count, PROBES), seed)
                self._sweep = Iterative(probes, self.D)
        return self._sweep

    @property
    def means(self) -> list[Array]:
        """BLUPs of every term in its basis, shape (G, q)."""
        if self._means is None:
            v = self.pieces.root.v[:, None]
            self._means = [
                self.sweep.E(t, v)[:, :, 0] @ self.D[t] for t in range(len(self.D))
            ]
        return self._means

    def effects(
        self,
        floor: int,
        T_block: Array,
        Sigma: Array,
        *,
        fixed_known: bool | None = None,
    ) -> tuple[Array, Array]:
        """BLUPs of one equation and their standard errors."""
        G = self.tree.G[floor]
        if not self.sigma2 > 0:
            return np.zeros((G, Sigma.shape[0])), np.zeros((G, Sigma.shape[0]))
        p, root = self.tree.p, self.pieces.root
        Phi = np.zeros((p + 1, p + 1))
        Phi[:, 0] = root.v
        Phi[:p, 1:] = root.F
        E = self.sweep.E(floor, Phi)
        gain = Sigma @ T_block.T / self.sigma2
        half = gain @ E
        taken = np.einsum("ia,gab,ib->gi", gain, self.sweep.T(floor), gain)
        variance = np.diagonal(Sigma) - self.sigma2 * taken
        if not fixed_known:
            variance = variance + self.sigma2 * (half[:, :, 1:] ** 2).sum(axis=2)
        return half[:, :, 0], np.sqrt(variance.clip(0.0))

    def sums(
        self, own: int, common: int, parents: Array, *, fixed_known: bool
    ) -> tuple[Array, Array]:
        """Own effects plus that of the group above, and their standard errors."""
        k = len(parents)
        codes, Z = [], []
        depth = len(self.pool.levels)
        one = 1.0 / constant_size(self.pool.terms[own - depth])
        for t, q in enumerate(self.tree.q):
            mine = t in (own, common)
            known = np.arange(k) if t == own else parents
            codes.append(known if mine else np.full(k, -1))
            Z.append(np.full((k, q), one) if mine else np.zeros((k, q)))
        X = np.zeros((k, self.tree.p))
        variance = self.variance(codes, Z, X, fixed_known=fixed_known)
        return self.linear(codes, Z), np.sqrt(variance.clip(0.0))

    def linear(self, codes: Sequence[Array], Z: Sequence[Array]) -> Array:
        """Sum of Z u over the terms with a known group."""
        out = np.zeros(len(codes[0]))
        if not self.sigma2 > 0:
            return out
        for mean, code, z in zip(self.means, codes, Z, strict=True):
            u = mean[np.where(code >= 0, code, 0)]
            out += np.where(code >= 0, np.einsum("na,na->n", z, u), 0.0)
        return out

    def variance(
        self,
        codes: Sequence[Array],
        Z: Sequence[Array],
        X: Array,
        *,
        fixed_known: bool = False,
    ) -> Array:
        """Variance of x'beta + sum z'u about its prediction.

        Includes the whole prior variance of terms whose group is not known.
        """
        n = len(X)
        out = np.zeros(n)
        if not self.sigma2 > 0:
            return out
        for start in range(0, n, CHUNK):
            part = slice(start, start + CHUNK)
            out[part] = self._variance(
                [c[part] for c in codes], [z[part] for z in Z], X[part], fixed_known
            )
        return self.sigma2 * out

    def _variance(
        self, codes: list[Array], Z: list[Array], X: Array, fixed_known: bool
    ) -> Array:
        out = np.zeros(len(X))
        for code, z, D in zip(codes, Z, self.D, strict=True):
            out += np.where(code >= 0, 0.0, np.einsum("na,ab,nb->n", z, D, z))
        led = self.lead(codes, Z, X)
        out += np.einsum("na,na->n", led.gain, led.own)
        out += np.einsum("nj,jn->n", led.left, self.sweep.times_K_rest(led.left.T))
        if not fixed_known:
            half = led.x @ self.pieces.root.F
            out += np.einsum("nj,nj->n", half, half)
        return out

    def lead(self, codes: Sequence[Array], Z: Sequence[Array], X: Array) -> Led:
        """Lead rows through the elimination.

        Parameters
        ----------
        codes, Z
            As for ``variance``.
        X : ndarray of shape (n, h)
            Rows in the first h of the columns [X y].
        """
        tree, sweep = self.tree, self.sweep
        k, h = X.shape
        known = [
            np.where(c >= 0, 1.0, 0.0)[:, None] * z
            for c, z in zip(codes, Z, strict=True)
        ]
        s = tree.first
        at = np.where(codes[s] >= 0, codes[s], 0)
        gain = np.einsum("na,nab->nb", known[s], sweep.K_first[at])
        q = tree.q[s]
        rows = np.repeat(np.arange(k), q)
        pick = sparse.csr_array(
            (gain.ravel(), (rows, (at[:, None] * q + np.arange(q)).ravel())),
            shape=(k, tree.A_cross.shape[0]),
        )
        if h > tree.p:  # y about the effects that were taken off
            X = X.copy()
            for t, (u, _) in sweep.about.kept.items():
                own = u[np.where(codes[t] >= 0, codes[t], 0)]
                X[:, -1] -= np.einsum("na,na->n", known[t], own)
        x = X - pick @ sweep.about.B_first[:, :h]
        if not tree.rest:
            return Led(known[s], gain, np.zeros((k, 0)), x)
        parts = []
        for t in tree.rest:
            q = tree.q[t]
            at = np.where(codes[t] >= 0, codes[t], 0)
            where = (at[:, None] * q + np.arange(q)).ravel()
            place = (np.repeat(np.arange(k), q), where)
            shape = (k, tree.G[t] * q)
            parts.append(sparse.csr_array((known[t].ravel(), place), shape=shape))
        left = (sparse.hstack(parts) - pick @ tree.A_cross).toarray()
        return Led(known[s], gain, left, x - left @ sweep.U[:, :h])
