"""V of all patterns of one by-category at given parameters, with derivatives.

With n the number of groups of a pattern and Q = V^-1, all that -2 L and its derivatives
ask of a direction dV is Q dV Q, and of two directions tr(B dV Q dV') (Eqs. 9-10 of the
residuals page).  Directions are those of D, dV = Z M Z', and those of psi.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ...residuals import NotPositiveDefiniteError
from .._pieces import STEP
from ._matrices import DIFFERENCE, CategoryMatrices, slope_of
from ._tensors import PatternTensors, between

__all__ = ["ErrorVariances", "PatternVariances"]

Array = np.ndarray

#: elements of one kind of matrices that are held at once
WORKSPACE = 1 << 18


@dataclass(frozen=True, eq=False)
class ErrorVariances:
    """Lambda of one category at psi.

    Parameters
    ----------
    tensors : PatternTensors
    matrices : CategoryMatrices
    whole : ndarray of shape (T, T)
        Lambda over all times.
    own : ndarray of shape (P, T, T)
        Lambda by pattern, the identity at the times that are not there.
    """

    tensors: PatternTensors
    matrices: CategoryMatrices
    whole: Array
    own: Array

    @classmethod
    def of(cls, tensors: PatternTensors, matrices: CategoryMatrices) -> ErrorVariances:
        """At the category's coordinates."""
        z, lookup = matrices.z, tensors.lookup
        if lookup is None:
            Lambda = matrices.value(tensors.times[None])[0]
        else:
            Lambda = np.exp(z[0]) * lookup.table(z[1:])[lookup.places]
        return cls(tensors, matrices, Lambda, tensors.submatrices(Lambda))

    @cached_property
    def inverse(self) -> tuple[Array, float]:
        """Its inverse, and the sum of log|Lambda| over all groups."""
        return _inverse(self.tensors, self.own)

    def with_effects(self, D: Array | None) -> PatternVariances:
        """V = Lambda + Z D Z'; Lambda itself for None.

        Raises
        ------
        NotPositiveDefiniteError
        """
        if D is None:
            return PatternVariances(self, self.own, *self.inverse)
        Z = self.tensors.Z
        V = self.own + (Z @ D) @ Z.transpose(0, 2, 1)
        return PatternVariances(self, V, *_inverse(self.tensors, V))

    @cached_property
    def moving(self) -> Array:
        """The elements of psi that move it."""
        return np.flatnonzero(self.matrices.places[:, :-1].any(axis=0))

    @cached_property
    def slopes(self) -> Array:
        """Derivatives of Lambda over all times in these, shape (k, T, T)."""
        places = self.matrices.places[:, self.moving]
        return np.tensordot(places.T, self._slopes_in_z, axes=1)

    @cached_property
    def _slopes_in_z(self) -> Array:
        z, lookup = self.matrices.z, self.tensors.lookup
        if lookup is None:
            return self.matrices.first(self.tensors.times[None])[:, 0]
        out = np.empty((len(z), *self.whole.shape))
        out[0] = self.whole
        scale = np.exp(z[0]) / STEP
        for k in range(1, len(z)):
            moved = z[1:].astype(complex)
            moved[k - 1] += 1j * STEP
            out[k] = scale * lookup.table(moved).imag[lookup.places]
        return out

    def bend(self, weight: Array) -> Array:
        """tr(weight d2Lambda) in the moving elements of psi, weight of shape (T, T)."""
        places = self.matrices.places[:, self.moving]
        return places.T @ self._bend_in_z(weight) @ places

    def _bend_in_z(self, weight: Array) -> Array:
        z = self.matrices.z
        k = len(z)
        out = np.zeros((k, k))
        # the log of the variance is a factor
        out[0] = out[:, 0] = np.tensordot(self._slopes_in_z, weight, axes=2)
        if k > 1:
            own = self._bend_of_shape(weight)
            out[1:, 1:] = 0.5 * (own + own.T)
        return out

    def _bend_of_shape(self, weight: Array) -> Array:
        matrices, lookup, z = self.matrices, self.tensors.lookup, self.matrices.z
        columns = []
        if lookup is None:
            for j in range(1, len(z)):
                step = np.zeros(len(z))
                step[j] = DIFFERENCE
                there = [
                    matrices.first(self.tensors.times[None], z + i * step)[1:, 0]
                    for i in (-2, -1, 1, 2)
                ]
                columns.append(np.tensordot(slope_of(there), weight, axes=2))
            return np.array(columns)
        n_table, places = len(lookup.table(z[1:])), lookup.places.ravel()
        own = np.exp(z[0]) * np.bincount(places, weight.ravel(), minlength=n_table)
        for j in range(len(z) - 1):
            moved = z[1:].astype(complex)
            moved[j] += 1j * STEP
            columns.append(lookup.pull(moved, own).imag / STEP)
        return np.array(columns)


@dataclass(frozen=True, eq=False)
class PatternVariances:
    """V of one category at D and psi.

    Parameters
    ----------
    errors : ErrorVariances
    V : ndarray of shape (P, T, T)
        The identity at the times that are not there.
    Q : ndarray of shape (P, T, T)
        Its inverse, zero at the times that are not there.
    log_det : float
        Sum of log|V| over all groups.
    """

    errors: ErrorVariances
    V: Array
    Q: Array
    log_det: float

    @property
    def tensors(self) -> PatternTensors:
        return self.errors.tensors

    @cached_property
    def inflation(self) -> float:
        """Largest factor by which the other times inflate a variance."""
        variances = np.diagonal(self.V, axis1=1, axis2=2)
        return float((variances * np.diagonal(self.Q, axis1=1, axis2=2)).max())

    def against(self, Phi: Array) -> Array:
        """Q M Q with M[t, u] = tr(Phi C[t, u]), (h, m, m) -> (h, P, T, T)."""
        return self.Q @ self.tensors.against(Phi) @ self.Q

    @cached_property
    def weighted(self) -> Array:
        """n Q of every pattern."""
        return self.tensors.count[:, None, None] * self.Q

    def in_D(self, N: Array) -> Array:
        """Sum over patterns of Z' N Z, (q, q)."""
        Z = self.tensors.Z
        flat = Z.reshape(Z.shape[0] * Z.shape[1], Z.shape[2])
        return flat.T @ (N @ Z).reshape(flat.shape)

    def portions(self, M: Array) -> Iterator[tuple[slice, Moves]]:
        """Patterns by as many as fit the workspace, with the moves of V there.

        Parameters
        ----------
        M : ndarray of shape (d, q, q)
            Directions of D, which come before those of psi.
        """
        P, T = self.tensors.present.shape
        k = len(M) + len(self.errors.moving)
        step = max(1, WORKSPACE // max(1, T * T * k))
        for a in range(0, P, step):
            some = slice(a, min(a + step, P))
            yield some, Moves.of(self, M, some)

    def _moved(self, M: Array) -> Array:
        """Q dV Q of the pairs of times along each direction, (k, N)."""
        pattern, first, second = (
            getattr(self.tensors, name) for name in ("pattern", "first", "second")
        )
        out = np.empty((len(M) + len(self.errors.moving), len(pattern)))
        for some, moves in self.portions(M):
            a, b = np.searchsorted(pattern, [some.start, some.stop])
            at = pattern[a:b] - some.start
            out[:, a:b] = moves.between[at, first[a:b], :, second[a:b]].T
        return out

    def _many(self, M: Array) -> bool:
        """Whether psi has more elements than there are times, by far."""
        return not len(M) and len(self.errors.moving) > 2 * len(self.tensors.times)

    def moved_sums(self, M: Array) -> Array:
        """Sums of C Q dV Q along each direction, (k, m, m)."""
        if self._many(M):
            E = self.tensors.moved(self.Q)
            return np.tensordot(self.errors.slopes, E, axes=2)
        return self.tensors.sums(self._moved(M))

    def moved_times(self, M: Array, v: Array) -> Array:
        """The same times v, (k, m)."""
        if self._many(M):
            E = between(self.Q, self.tensors.times_vector(v))
            return np.tensordot(self.errors.slopes, E, axes=2)
        return self._moved(M) @ self.tensors.along(v)

    def traces(self, B: Array, M: Array) -> Array:
        """Sum over patterns of tr(B dV_i Q dV_j), B symmetric."""
        if self._many(M):
            return self._traces_in_psi(B)
        k = len(M) + len(self.errors.moving)
        out = np.zeros((k, k))
        for some, moves in self.portions(M):
            out += moves.traces(B[some])
        return 0.5 * (out + out.T)

    def trace(self, K: Array, M: Array) -> Array:
        """Sum over patterns of tr(K dV) along each direction."""
        on_D = np.tensordot(M, self.in_D(K), axes=2)
        on_psi = np.tensordot(self.errors.slopes, K.sum(axis=0).T, axes=2)
        return np.concatenate([on_D, on_psi])

    def products(self, W: Array, M: Array) -> Array:
        """Sum of W_ij Q dV_i Q dV_j Q, W symmetric, (P, T, T)."""
        out = np.empty(self.Q.shape)
        for some, moves in self.portions(M):
            out[some] = moves.products(W)
        return out

    def traces_in_D(self, B: Array, M: Array) -> Array:
        """The same along directions of D alone."""
        Z, q = self.tensors.Z, self.tensors.Z.shape[2]
        inner = (Z.transpose(0, 2, 1) @ self.Q @ Z).reshape(-1, q * q)
        outer = (Z.transpose(0, 2, 1) @ B @ Z).reshape(-1, q * q)
        both = (outer.T @ inner).reshape(q, q, q, q)
        out = np.einsum("abcd,ibc,jda->ij", both, M, M)
        return 0.5 * (out + out.T)

    def _traces_in_psi(self, B: Array) -> Array:
        """``traces`` in psi alone where it has many elements."""
        slopes, Q = self.errors.slopes, self.Q
        k, T = len(slopes), slopes.shape[1]
        # sum of B[w, t] Q[u, v] over patterns, met by dLambda[t, u] and dLambda[v, w]
        both = (B.reshape(len(B), -1).T @ Q.reshape(len(Q), -1)).reshape(T, T, T, T)
        both = both.transpose(1, 2, 3, 0).reshape(T * T, T * T)
        flat = slopes.reshape(k, T * T)
        H = flat @ both @ flat.T
        return 0.5 * (H + H.T)


@dataclass(frozen=True, eq=False)
class Moves:
    """Moves of V of some patterns along all directions.

    Parameters
    ----------
    Q : ndarray of shape (P, T, T)
    dV : ndarray of shape (P, T, k, T)
    """

    Q: Array
    dV: Array

    @classmethod
    def of(cls, variances: PatternVariances, M: Array, some: slice) -> Moves:
        """Along the directions M of D and the elements of psi that move Lambda."""
        tensors, slopes = variances.tensors, variances.errors.slopes
        Z, Q = tensors.Z[some], variances.Q[some]
        P, T = Z.shape[:2]
        dV = np.empty((P, T, len(M) + len(slopes), T))
        for i, direction in enumerate(M):
            dV[:, :, i] = (Z @ direction) @ Z.transpose(0, 2, 1)
        dV[:, :, len(M) :] = slopes.transpose(1, 0, 2)
        return cls(Q, dV)

    @cached_property
    def left(self) -> Array:
        """Q dV, (P, T, k, T)."""
        return self._from_left(self.Q)

    def _from_left(self, B: Array) -> Array:
        P, T, k, _ = self.dV.shape
        return (B @ self.dV.reshape(P, T, k * T)).reshape(P, T, k, T)

    @property
    def between(self) -> Array:
        """Q dV Q, (P, T, k, T)."""
        P, T, k, _ = self.dV.shape
        return (self.left.reshape(P, T * k, T) @ self.Q).reshape(P, T, k, T)

    def traces(self, B: Array) -> Array:
        """Sum of tr(B dV_i Q dV_j)."""
        P, T, k, _ = self.dV.shape
        one = self._from_left(B).transpose(2, 0, 1, 3).reshape(k, P * T * T)
        return one @ self.left.transpose(2, 0, 3, 1).reshape(k, P * T * T).T

    def products(self, W: Array) -> Array:
        """Sum of W_ij Q dV_i Q dV_j Q, (P, T, T)."""
        P, T, k, _ = self.dV.shape
        right = np.tensordot(self.left, W, axes=(2, 1))  # (P, T, T, k)
        right = right.transpose(0, 3, 1, 2).reshape(P, k * T, T)
        out = self.left.reshape(P, T, k * T) @ right @ self.Q
        return 0.5 * (out + out.transpose(0, 2, 1))


def _inverse(tensors: PatternTensors, V: Array) -> tuple[Array, float]:
    """Inverses by pattern, zero at the times that are not there, and log|V| of all.

    Raises
    ------
    NotPositiveDefiniteError
    """
    try:
        L = np.linalg.cholesky(V)
    except np.linalg.LinAlgError:
        raise NotPositiveDefiniteError from None
    diagonal = np.diagonal(L, axis1=1, axis2=2)
    if not np.isfinite(diagonal).all():
        raise NotPositiveDefiniteError
    A = np.linalg.inv(L)
    Q = np.matmul(A.transpose(0, 2, 1), A)
    log_det = 2.0 * float(tensors.count @ np.log(diagonal).sum(axis=1))
    return Q * tensors.present[:, :, None], log_det
