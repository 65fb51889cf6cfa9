"""Finite-sample distribution of the likelihood-ratio statistic of one variance.

With one variance besides that of the residuals the statistic is a function of a few
independent normal numbers and of the eigenvalues of Z'Z and Z'PZ, P projecting away
the fixed part (Crainiceanu and Ruppert 2004), so that it can be drawn without a fit:
the greatest value, over lambda >= 0, of

    n log(1 + N / D) - sum log(1 + lambda xi),
    N = sum lambda mu w^2 / (1 + lambda mu),  D = sum w^2 / (1 + lambda mu) + rest,

xi being the eigenvalues of Z'Z and mu those of Z'PZ.  Under REML n - p stands for n
and mu for xi.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from ..design._design import Design, Equation

__all__ = ["Spectrum", "effect_columns"]

Array = np.ndarray

#: columns of Z above which eigenvalues would take minutes
MOST = 4000
#: values of lambda that are tried, and draws that are looked at together
GRID, CHUNK = 200, 1000


def effect_columns(
    design: Design, equation: Equation, which: Array
) -> sparse.csr_array:
    """Columns of Z of some effects of an equation, one for each group and effect.

    Rows with precision weights are divided by their standard deviations.
    """
    n = design.n_rows
    if equation.terms:
        group: tuple[Array, int] = _of_term(design, equation)
    else:
        level = design.levels[equation.level]
        group = level.codes, level.n_groups
    codes, n_groups = group
    raw = np.column_stack([np.ones(n), design.X, design.extra])
    raw *= design.row_roots[:, None]
    positions = np.array(equation.positions or (0,))[which]
    parts = [
        sparse.csr_array((raw[:, p], (np.arange(n), codes)), shape=(n, n_groups))
        for p in positions
    ]
    return sparse.csr_array(sparse.hstack(parts))


def _of_term(design: Design, equation: Equation) -> tuple[Array, int]:
    term = design.terms[equation.terms[0]]
    return term.codes, term.n_groups


@dataclass(frozen=True, eq=False)
class Spectrum:
    """What the distribution depends on.

    Parameters
    ----------
    mu, xi : ndarray of shape (K,)
        Eigenvalues of Z'PZ and of Z'Z.
    n, p : int
        Rows, and coefficients of the larger model.
    """

    mu: Array
    xi: Array
    n: int
    p: int

    @classmethod
    def of(cls, design: Design, Z: sparse.csr_array) -> Spectrum:
        """From the fixed part of a design and the columns of the tested effects.

        Raises
        ------
        ValueError
            If there are too many columns.
        """
        if Z.shape[1] > MOST:
            raise ValueError(
                f"method='exact' needs the eigenvalues of a matrix with a row for each "
                f"tested effect; there are {Z.shape[1]}, and at most {MOST} are "
                "supported. With so many groups method='asymptotic' is accurate."
            )
        X = np.column_stack([np.ones(design.n_rows), design.X])
        X *= design.row_roots[:, None]
        Q, _ = np.linalg.qr(X[:, 1 - design.intercept :])
        QZ = Z.T @ Q
        ZZ = (Z.T @ Z).toarray()
        xi = np.linalg.eigvalsh(ZZ)[::-1].clip(0.0)
        mu = np.linalg.eigvalsh(ZZ - QZ @ QZ.T)[::-1].clip(0.0)
        mu[mu < 1e-10 * xi[0]] = 0.0
        kept = min(len(mu), design.n_rows - Q.shape[1])
        mu[kept:] = 0.0
        return cls(mu, xi, design.n_rows, Q.shape[1])

    def draw(
        self, n_draws: int, rng: np.random.Generator, *, reml: bool, n_coefficients: int
    ) -> Array:
        """Statistics under the null hypothesis.

        Parameters
        ----------
        n_coefficients : int
            Coefficients that are zero under it as well; only without ``reml``.
        """
        parts = [
            self._some(min(CHUNK, n_draws - at), rng, reml, n_coefficients)
            for at in range(0, n_draws, CHUNK)
        ]
        return np.concatenate(parts)

    def _some(
        self, n_draws: int, rng: np.random.Generator, reml: bool, n_coefficients: int
    ) -> Array:
        mu, own = self.mu[self.mu > 0], self.mu if reml else self.xi
        factor = float(self.n - self.p) if reml else float(self.n)
        w2 = rng.standard_normal((n_draws, len(mu))) ** 2
        rest = (
            rng.chisquare(self.n - self.p - len(mu), n_draws)
            if (self.n - self.p > len(mu))
            else np.zeros(n_draws)
        )
        total = w2.sum(axis=1) + rest
        scale = mu.max(initial=1.0)
        grid = np.concatenate([[0.0], np.geomspace(1e-6, 1e6, GRID) / scale * len(mu)])
        shrunk = 1.0 / (1.0 + np.outer(mu, grid))
        penalty = np.log1p(np.outer(own, grid)).sum(axis=0)
        # 1 + N / D is the whole sum of squares over D
        D = w2 @ shrunk + rest[:, None]
        height = factor * np.log(total[:, None] / D) - penalty
        out = _peaks(height)
        if n_coefficients:
            left_out = rng.chisquare(n_coefficients, n_draws)
            out = out + self.n * np.log1p(left_out / total)
        return out


def _peaks(height: Array) -> Array:
    """Greatest values, by a parabola through the highest point and its neighbours."""
    rows, at = np.arange(len(height)), height.argmax(axis=1)
    inner = at.clip(2, height.shape[1] - 2)  # the first point is not on the log scale
    a, b, c = (height[rows, inner + k] for k in (-1, 0, 1))
    bend = a - 2.0 * b + c
    rise = np.where(bend < 0, (a - c) ** 2 / np.where(bend < 0, -8.0 * bend, 1.0), 0.0)
    best = height[rows, at]
    return np.where(inner == at, best + rise, best).clip(0.0)
