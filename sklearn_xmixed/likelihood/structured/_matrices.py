"""Covariance matrices of the residuals by pattern, with derivatives.

Groups with the same times share Lambda.  A by-category has the coordinates z: the log
of its variance over that of the first category, and its shape.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from ...residuals import Groups, ResidualModel, ResidualStructure
from ...residuals._groups import patterns
from ...residuals._model import Part

__all__ = ["CategoryMatrices", "coordinates", "matrices_of", "slope_of"]

Array = np.ndarray

#: elements of one derivative's matrices that are held at once
WORKSPACE = 1 << 21
#: of complex steps
STEP = 1e-30
#: of differences of derivatives that are exact themselves; the error is of its fourth
#: power
DIFFERENCE = 1e-3


@dataclass(frozen=True, eq=False)
class Chunk:
    """Some patterns of one size, and their groups.

    Parameters
    ----------
    rows : ndarray of int, shape (G, s)
        Rows of each group among all.
    pattern : ndarray of int, shape (G,)
    times : ndarray of shape (P, s) or (P, s, k)
    count : ndarray of shape (P,)
        How many groups have the pattern.
    """

    rows: Array
    pattern: Array
    times: Array
    count: Array

    def apply(self, matrices: Array, x: Array, out: Array) -> None:
        """Add each group's matrix times its rows of x to out."""
        out[self.rows] += matrices[self.pattern] @ x[self.rows]


@dataclass(frozen=True, eq=False)
class CategoryMatrices:
    """One by-category at its coordinates.

    Parameters
    ----------
    structure : ResidualStructure
    z : ndarray of shape (1 + n_shape,)
    places : ndarray of shape (1 + n_shape, n_psi + 1)
        How z moves with psi and log sigma^2.
    chunks : list of Chunk
    """

    structure: ResidualStructure
    z: Array
    places: Array
    chunks: list[Chunk]

    def value(self, times: Array, z: Array | None = None) -> Array:
        """Lambda of some patterns, shape (P, s, s)."""
        at = self.z if z is None else z
        return np.exp(at[0]) * self.structure.matrix(at[1:], times)

    def first(self, times: Array, z: Array | None = None) -> Array:
        """Its derivatives in z, shape (k, P, s, s)."""
        z = self.z if z is None else z
        out = [self.value(times, z)]  # the log of the variance is a factor
        for k in range(1, len(z)):
            moved = z.astype(complex)
            moved[k] += 1j * STEP
            out.append(self.value(times, moved).imag / STEP)
        return np.array(out)

    def second(self, times: Array) -> Iterator[tuple[int, Array]]:
        """(a, derivatives of those along a), a > 0, shape (k, P, s, s) each."""
        for a in range(1, len(self.z)):
            step = np.zeros(len(self.z))
            step[a] = DIFFERENCE
            yield (
                a,
                slope_of(
                    [self.first(times, self.z + j * step) for j in (-2, -1, 1, 2)]
                ),
            )

    def second_along(self, times: Array, weights: Array) -> Array:
        """Sum of weights_ab times the second derivative in a and b, (P, s, s)."""
        first = self.first(times)
        out = weights[0, 0] * first[0]
        if len(self.z) > 1:
            both = weights[0, 1:] + weights[1:, 0]
            out = out + np.tensordot(both, first[1:], axes=1)
        for a, second in self.second(times):
            out = out + np.tensordot(weights[a, 1:], second[1:], axes=1)
        return out

    @cached_property
    def natural(self) -> tuple[Array, Array]:
        """Derivatives of the natural parameters in z, (k, k) and (k, k, k)."""
        steps = DIFFERENCE * np.eye(len(self.z))
        H = [
            slope_of([self._natural_slope(self.z + j * s) for j in (-2, -1, 1, 2)])
            for s in steps
        ]
        return self._natural_slope(self.z), np.array(H).transpose(1, 2, 0)

    def _natural_slope(self, z: Array) -> Array:
        columns = []
        for k in range(len(z)):
            moved = z.astype(complex)
            moved[k] += 1j * STEP
            value = self.structure.natural(0.5 * moved[0], moved[1:])
            columns.append(value.imag / STEP)
        return np.stack(columns, axis=1)

    @cached_property
    def bend(self) -> Array:
        """J^-1 H: second derivatives of the natural parameters as moves of z."""
        J, H = self.natural
        inverse = np.linalg.pinv(J, rcond=1e-12)
        return np.tensordot(inverse, H, axes=1)

    def curvature_weights(self, W: Array) -> tuple[Array, Array]:
        """Sum W_ij V_ij over natural parameters as weights of V_ab and of V_c in z.

        Parameters
        ----------
        W : ndarray of shape (n_psi + 1, n_psi + 1)
            Covariance matrix of psi and log sigma^2.
        """
        own = self.places @ W @ self.places.T
        return own, -np.tensordot(self.bend, own, axes=2)

    def curvature(self, times: Array, W: Array) -> Array:
        """Sum W_ij V_ij over the natural parameters, (P, s, s)."""
        second, first = self.curvature_weights(W)
        out = self.second_along(times, second)
        return out + np.tensordot(first, self.first(times), axes=1)


def slope_of(values: list[Array]) -> Array:
    """Fourth-order difference of values at -2, -1, 1 and 2 steps."""
    far_down, down, up, far_up = values
    return (8.0 * (up - down) - (far_up - far_down)) / (12.0 * DIFFERENCE)


def matrices_of(residual: ResidualModel, psi: Array) -> list[CategoryMatrices]:
    """The matrices of every by-category at psi."""
    return [
        replace(matrices, chunks=list(_chunks(part)))
        for matrices, part in zip(
            coordinates(residual, psi), residual.parts, strict=True
        )
    ]


def coordinates(residual: ResidualModel, psi: Array) -> list[CategoryMatrices]:
    """The same without the patterns of any rows."""
    n = len(psi) + 1
    dtype = psi.dtype
    out = []
    for part, (at, s) in zip(residual.parts, residual.slices, strict=True):
        k = 1 + part.structure.n_shape
        z, places = np.zeros(k, dtype=dtype), np.zeros((k, n))
        z[1:] = psi[s]
        places[0, -1] = 1.0
        places[np.arange(1, k), np.arange(s.start, s.stop)] = 1.0
        if at is not None:
            z[0], places[0, at] = 2.0 * psi[at], 2.0
        out.append(CategoryMatrices(part.structure, z, places, []))
    return out


def _chunks(part: Part) -> Iterator[Chunk]:
    """Its patterns, as many at once as fit the workspace."""
    groups, rows = part.groups, part.rows
    if part.structure.diagonal:  # every row is a group of its own
        each = np.arange(groups.n_rows + 1)
        groups = Groups(each, groups.time, groups.row_count)
    number = np.arange(groups.n_rows) if isinstance(rows, slice) else rows
    for size in patterns(groups, lags_only=part.structure.lags_only):
        P, s = size.times.shape[:2]
        step = max(1, WORKSPACE // (s * s))
        ends = np.append(size.starts, len(size.rows))
        for a in range(0, P, step):
            b = min(a + step, P)
            mine = slice(int(ends[a]), int(ends[b]))
            yield Chunk(
                number[size.rows[mine]],
                size.pattern[mine] - a,
                size.times[a:b],
                size.count[a:b],
            )
