"""The sample of a model with structured residuals."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from ...design._compile import Compiled
from ...design._labels import Source
from ...fitted._fitted import FittedModel
from ...likelihood import Rows, Tree
from ._nested_sample import NestedSample

__all__ = ["StructuredSample"]

Array = np.ndarray

#: columns of an identity matrix that are solved for at once
WIDTH = 32


@dataclass(frozen=True, eq=False)
class StructuredSample(NestedSample):
    """Rows of a nested model that are whitened by psi.

    Parameters
    ----------
    rows : Rows
    moved_psi : ndarray, optional
        Other residual parameters than those of the fit.
    """

    rows: Rows
    moved_psi: Array | None = None

    @classmethod
    def of(
        cls, fitted: FittedModel, compiled: Compiled, source: Source
    ) -> StructuredSample:
        """Lay the rows over the model; not yet checked to be those of the fit."""
        rows = Rows.of(compiled.design, fitted.pool)
        laid = cls._laid(fitted, compiled, source, rows.W)
        return cls(fitted, compiled, *laid, rows)

    @cached_property
    def whitened(self) -> Array:
        """Lambda^-1/2 W, times the square roots of the rows' weights."""
        return self._weighted(self.rows.residual.whiten(self.psi, self.W)[0])

    @property
    def psi(self) -> Array:
        """Parameters of the residuals' structure."""
        return self.fitted.errors.psi if self.moved_psi is None else self.moved_psi

    def at(self, psi: Array) -> StructuredSample:
        """The same rows with other residual parameters, maybe complex."""
        return replace(self, moved_psi=psi)

    def log_det_slopes(self, psi: Array, owner: Array) -> Array:
        """Gradient of log|Lambda| in psi, apart for each owner of groups."""
        nothing = np.zeros((len(owner), 1))
        rows = self.rows
        return rows.residual.slopes(psi, nothing, nothing, owner, rows.share)

    @cached_property
    def tree(self) -> Tree:
        """Cross-products of the groups in the pool's columns."""
        if self.moved_psi is None:
            return self.fitted.posterior.tree
        return self.rows.tree(self.moved_psi)[0]

    @cached_property
    def row_factors(self) -> tuple[Array, Array]:
        """What each row hands up, (n, r), and 1 / Var of it given its group's others.

        Taking a row from a group takes (Lambda^-1 W)_i (Lambda^-1 W)_i' /
        (Lambda^-1)_ii from the group's cross-products.
        """
        if self.rows.residual.parts[0].structure.diagonal:
            precision = self.rows.residual.solve(self.psi, np.ones((len(self.W), 1)))
            w = self._row_weights
            return self.whitened, precision[:, 0] * (1.0 if w is None else w)
        model, within = self.rows.residual, self.compiled.design.residual
        assert within is not None
        codes = within.codes[self.place]
        first = np.flatnonzero(np.append(True, codes[1:] != codes[:-1]))
        sizes = np.diff(np.append(first, len(codes)))
        place = np.arange(len(codes)) - np.repeat(first, sizes)
        precision = np.empty(len(codes))
        for start in range(0, int(sizes.max()), WIDTH):
            mine = np.flatnonzero((place >= start) & (place < start + WIDTH))
            unit = np.zeros((len(codes), min(WIDTH, int(sizes.max()) - start)))
            unit[mine, place[mine] - start] = 1.0
            solved = model.solve(self.psi, unit)
            precision[mine] = solved[mine, place[mine] - start]
        factors = model.solve(self.psi, self.W) / np.sqrt(precision)[:, None]
        return factors, precision

    # -- V ------------------------------------------------------------------------------

    @cached_property
    def _by(self) -> Array:
        """By-category of each row."""
        within = self.compiled.design.residual
        assert within is not None
        n = len(self.W)
        return np.zeros(n, int) if within.by is None else within.by[self.place]

    @property
    def times(self) -> Array | None:
        """Times of the rows, where the structure has them, as numbers."""
        within = self.compiled.design.residual
        assert within is not None
        if len(within.coordinates) != 1:
            return None
        return within.coordinates[0][self.place].astype(float)

    @cached_property
    def _places(self) -> Array | None:
        """What the structure is told of each row."""
        within = self.compiled.design.residual
        assert within is not None
        return None if within.place is None else within.place[self.place]

    def _error_variances(self) -> Array:
        return self.fitted.errors.variance(self._places, self._by) / self.fitted.sigma2

    def _error_covariances(self, i: Array, j: Array) -> Array:
        out = np.zeros(len(i))
        within, by = self.compiled.design.residual, self._by
        assert within is not None
        codes = within.codes[self.place]
        same = (codes[i] == codes[j]) & (by[i] == by[j])
        times = np.zeros(len(codes)) if self._places is None else self._places
        for b in np.unique(by):
            mine = np.flatnonzero(same & (by[i] == b))
            out[mine] = self.rows.residual.covariance(
                self.psi, int(b), times[i[mine]], times[j[mine]]
            )
        return out
