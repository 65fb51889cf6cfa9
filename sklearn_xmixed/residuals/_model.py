"""All by-categories together, relative to one variance.

The residuals of category b have covariance sigma^2 exp(2 s_b) Lambda_b(shape_b)
within a group; s of the first category is zero, so that sigma is its standard deviation
(of the first time, where they differ by time) and is profiled out.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ._groups import Groups
from ._structure import FAR, STEP, Kernel, ResidualParameter, ResidualStructure

__all__ = ["LOG_END", "Part", "ResidualModel"]

Array = np.ndarray

#: log of a category's standard deviation over that of the first where it counts as zero;
#: rows over smaller ones have not enough digits left
LOG_END = float(np.log(1e-4))


@dataclass(frozen=True, eq=False)
class Part:
    """One by-category."""

    rows: slice | Array
    groups: Groups
    n_rows: float
    structure: ResidualStructure
    kernel: Kernel


@dataclass(frozen=True, eq=False)
class ResidualModel:
    """Residual covariance of all rows as a function of psi."""

    parts: tuple[Part, ...]
    categories: tuple[str, ...] = ("",)

    @cached_property
    def slices(self) -> list[tuple[int | None, slice]]:
        """Place of each category's log scale (None of the first) and shape in psi."""
        out: list[tuple[int | None, slice]] = []
        at = 0
        for b, part in enumerate(self.parts):
            scale = None if b == 0 else at
            at += b > 0
            out.append((scale, slice(at, at + part.structure.n_shape)))
            at += part.structure.n_shape
        return out

    @cached_property
    def n_params(self) -> int:
        """Length of psi."""
        return self.slices[-1][1].stop

    def over(
        self, layout: list[tuple[slice | Array, Groups]], count: Array | None
    ) -> ResidualModel:
        """The same structures over other rows."""
        parts = []
        for part, (rows, groups) in zip(self.parts, layout, strict=True):
            n_rows = groups.n_rows if count is None else float(count[rows].sum())
            kernel = part.structure.kernel(groups)
            parts.append(Part(rows, groups, n_rows, part.structure, kernel))
        return ResidualModel(tuple(parts), self.categories)

    def start(self) -> Array:
        """psi to begin with."""
        psi = np.zeros(self.n_params)
        for part, (_, s) in zip(self.parts, self.slices, strict=True):
            psi[s] = part.structure.start()
        return psi

    def near(self, residual: Array) -> Array:
        """psi to begin with, from the residuals of linear regression."""
        psi, first = np.zeros(self.n_params), 0.0
        for part, (at, s) in zip(self.parts, self.slices, strict=True):
            log_sd, psi[s] = part.structure.near(residual[part.rows], part.groups)
            if at is None:
                first = log_sd
            else:
                psi[at] = log_sd - first
        return psi

    def beyond(self, psi: Array) -> bool:
        """Whether a search has left all sensible parameters behind."""
        return any(
            part.structure.beyond(psi[s]) or (at is not None and abs(psi[at]) > FAR)
            for part, (at, s) in zip(self.parts, self.slices, strict=True)
        )

    def whiten(self, psi: Array, W: Array) -> tuple[Array, complex]:
        """Lambda^-1/2 W and log|Lambda|; safe for complex steps.

        Raises
        ------
        NotPositiveDefiniteError
        """
        if len(self.parts) == 1:
            part = self.parts[0]
            return part.kernel.whiten(psi[self.slices[0][1]], W)
        out = np.empty(W.shape, dtype=np.result_type(W, psi))
        log_det: complex = 0.0
        for part, (at, s) in zip(self.parts, self.slices, strict=True):
            w, logs = part.kernel.whiten(psi[s], W[part.rows])
            log_det = log_det + logs
            if at is not None:
                w = w * np.exp(-psi[at])
                log_det = log_det + 2.0 * part.n_rows * psi[at]
            out[part.rows] = w
        return out, log_det

    def slope(self, psi: Array, left: Array, right: Array, *, log_det: bool) -> Array:
        """Gradient in psi of sum tr(right' Lambda^-1 left) [+ log|Lambda|].

        This is the gradient of -2 L when ``left`` and ``right`` are held fixed as the
        residuals and standardised random effects given the data (Eqs. 4-5 of the
        residuals page).
        """
        out = np.zeros(
            self.n_params, dtype=np.result_type(psi, left.dtype, right.dtype)
        )
        for part, (at, s) in zip(self.parts, self.slices, strict=True):
            scale = 1.0 if at is None else np.exp(-2.0 * psi[at])
            trace, slope = part.kernel.slope(
                psi[s], left[part.rows] * scale, right[part.rows], log_det=log_det
            )
            out[s] = slope
            if at is not None:
                out[at] = -2.0 * trace
                if log_det:
                    out[at] += 2.0 * part.n_rows
        return out

    def slopes(
        self,
        psi: Array,
        left: Array,
        right: Array,
        owner: Array,
        count: Array | None,
    ) -> Array:
        """The gradient, log|Lambda| included, apart for each owner of groups.

        Parameters
        ----------
        owner : ndarray of int, shape (n,)
            What each row's group belongs to, numbered from 0.
        count : ndarray of shape (n,) or None
            As for ``Within.model``.

        Returns
        -------
        ndarray of shape (owners, n_params)
        """
        out = np.zeros((int(owner.max()) + 1, self.n_params))
        for part, (at, s) in zip(self.parts, self.slices, strict=True):
            rows = part.rows
            mine = owner[rows][part.groups.starts[:-1]]
            scale = 1.0 if at is None else np.exp(-2.0 * psi[at])
            traces, slopes = part.kernel.slopes(psi[s], left[rows] * scale, right[rows])
            np.add.at(out[:, s], mine, slopes)
            if at is not None:
                one = np.ones(part.groups.n_rows) if count is None else count[rows]
                size = part.groups.sums(one)
                np.add.at(out[:, at], mine, 2.0 * (size - traces))
        return out

    def solve(self, psi: Array, x: Array) -> Array:
        """Lambda^-1 x for x of shape (n, k)."""
        out = np.empty(x.shape)
        for part, (at, s) in zip(self.parts, self.slices, strict=True):
            scale = 1.0 if at is None else np.exp(-2.0 * psi[at])
            out[part.rows] = scale * part.kernel.solve(psi[s], x[part.rows])
        return out

    # -- what is reported ----------------------------------------------------------

    @cached_property
    def parameters(self) -> tuple[tuple[int, ResidualParameter], ...]:
        """(category, parameter) in the order of the output."""
        return tuple(
            (b, q)
            for b, part in enumerate(self.parts)
            for q in part.structure.parameters
        )

    def log_sd(self, log_sigma: float, psi: Array, b: int) -> float:
        """Log of a category's standard deviation."""
        at = self.slices[b][0]
        return log_sigma if at is None else log_sigma + psi[at]

    def estimates(self, log_sigma: float, psi: Array) -> Array:
        """All reported parameters in the metrics of their standard errors."""
        return np.concatenate(
            [
                part.structure.estimates(self.log_sd(log_sigma, psi, b), psi[s])
                for b, (part, (_, s)) in enumerate(
                    zip(self.parts, self.slices, strict=True)
                )
            ]
        )

    def at_boundary(self, psi: Array) -> Array:
        """Which elements of psi have gone to the end of their range."""
        out = np.zeros(self.n_params, dtype=bool)
        for part, (at, s) in zip(self.parts, self.slices, strict=True):
            out[s] = part.structure.at_boundary(psi[s])
            if at is not None:
                out[at] = psi[at] <= LOG_END
        return out

    def limit(self, psi: Array) -> Array:
        """psi with elements that are on their way to the end of their range put there."""
        out = psi.copy()
        for part, (_, s) in zip(self.parts, self.slices, strict=True):
            out[s] = part.structure.limit(psi[s])
        return out

    @property
    def scales(self) -> Array:
        """Which elements of psi are log scales of categories."""
        out = np.zeros(self.n_params, dtype=bool)
        out[[at for at, _ in self.slices if at is not None]] = True
        return out

    def degenerate(self, psi: Array) -> bool:
        """Whether the covariance matrix of some category is all but singular."""
        return any(
            part.structure.degenerate(psi[s])
            for part, (_, s) in zip(self.parts, self.slices, strict=True)
        )

    def jacobian(self, log_sigma: float, psi: Array) -> Array:
        """Derivative of ``estimates`` in (psi, log sigma)."""
        x = np.append(psi, log_sigma).astype(complex)
        columns = []
        for k in range(len(x)):
            moved = x.copy()
            moved[k] += 1j * STEP
            columns.append(self.estimates(moved[-1], moved[:-1]).imag / STEP)
        return np.stack(columns, axis=1)

    @property
    def named(self) -> bool:
        """Whether times are numbers of occasions that have names."""
        return bool(self.parts[0].structure.names)

    @property
    def occasions(self) -> tuple[str, ...]:
        """Occasions with parameters of their own, in their order, of all categories."""
        structures = [part.structure for part in self.parts]
        times = np.unique(np.concatenate([s.times for s in structures]))
        return tuple(structures[0].shown(t) for t in times)

    @property
    def label(self) -> str:
        """Words of the output, without the by-variable."""
        return self.parts[0].structure.label

    @property
    def variance_categories(self) -> tuple[str, ...]:
        """Categories that have standard deviations of their own; empty without."""
        spread = getattr(self.parts[0].structure, "spread", None)
        return () if spread is None else spread.names

    def variances(self, psi: Array, b: int, places: Array) -> Array:
        """Variances over sigma^2 of errors of category b at times."""
        at, s = self.slices[b]
        scale = 1.0 if at is None else float(np.exp(2.0 * psi[at]))
        return scale * self.parts[b].structure.variances(psi[s], places)

    def covariance(self, psi: Array, b: int, a: Array, c: Array) -> Array:
        """Covariance over sigma^2 of different errors of one group of category b.

        Parameters
        ----------
        a, c : ndarray
            Their times (broadcast against each other).
        """
        at, s = self.slices[b]
        scale = 1.0 if at is None else float(np.exp(2.0 * psi[at]))
        return scale * self.parts[b].structure.covariance(psi[s], a, c)
