"""Minus twice the profiled log likelihood as a function of gamma.

What the optimiser is handed: value, gradient and Hessian, the EM step, and
the sign test at the boundary of the parameter space.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..optimization import eigen
from ..residuals import ResidualModel, WhiteResiduals
from ._model import Block, VarianceModel
from ._noise import Noise
from ._pieces import Direction, Pieces
from ._scoring import scored

__all__ = ["Objective"]

Array = np.ndarray
LOG_2PI = math.log(2.0 * math.pi)
#: an eigenvalue of D below this share of the largest counts as zero
NULL_SHARE = 1e-9
#: an eigenvalue of D below this is no variance at all (columns have unit size)
NULL_SIZE = 1e-10
#: a share of the residual sum of squares that the rows are too coarse to tell from zero
ROUNDING = 1e-14
#: observations up to which the likelihood is searched for more than one maximum
FEW_ROWS = 100
#: and up to which this is done whatever the columns are, if these share one variance
SOME_ROWS = 1000
#: sizes of columns that far apart may give several maxima, however many observations
#: there are: in balanced groups from 3.6 on
UNEVEN = 3.0
#: how much larger and smaller all variances are to begin with
SIZES = 100.0, 0.01


class Objective:
    """-2 L(gamma), Eq. (12) under ML and Eq. (13) under REML.

    A kind of model says how ``pieces`` and ``curvature`` come about; everything else
    follows from them.

    Parameters
    ----------
    tree : Tree or Crossing
    model : VarianceModel
    reml : bool
    log_det_basis : float
        log|det R| of X = Q R; REML is stated for X itself.
    log_det_rows : float
        log|W^-1| of precision weights W, by whose roots the rows were multiplied.
    """

    #: log|Lambda| and structure of the residuals, here independent with one variance
    log_det_Lambda = 0.0
    residual: ResidualModel | WhiteResiduals = WhiteResiduals()

    def __init__(
        self,
        tree: Any,
        model: VarianceModel,
        *,
        reml: bool,
        log_det_basis: float,
        log_det_rows: float = 0.0,
    ):
        self.tree = tree
        self.model = model
        self.reml = reml
        self.nn = tree.n - tree.p if reml else tree.n
        self.constant = log_det_rows + (2.0 * log_det_basis if reml else 0.0)
        self._last: tuple[bytes, Pieces] | None = None
        self._begun: tuple[list[Array], Pieces] | None = None
        self._nulls: tuple[bytes, list[Array]] | None = None

    @property
    def n_params(self) -> int:
        """Length of gamma."""
        return self.model.n_params

    def pieces(self, D_blocks: list[Array], order: int = 1) -> Pieces:
        """c, l and their derivatives in D at given covariances."""
        raise NotImplementedError

    def deviance(self, at: Pieces) -> float:
        """-2 L of an evaluated point; infinite where c is nothing but rounding."""
        nn = self.nn
        if at.c == 0.0 or not nn > 0:
            return -math.inf
        if not at.c > ROUNDING * self.tree.total[-1, -1]:
            return math.inf
        scale = nn * (LOG_2PI + 1.0 - math.log(nn))
        return scale + nn * math.log(at.c) + at.l + self.constant

    def join(self, D_blocks: list[Array], like: Array | None = None) -> Array:
        """gamma of given D_b; ``like`` fills in what these do not determine."""
        return self.model.join(D_blocks)

    def settle(self, gamma: Array) -> None:
        """Make methods that take covariance matrices refer to this gamma."""

    def curvature(
        self, D_blocks: list[Array], directions: Sequence[Direction]
    ) -> Pieces:
        """c, l and their derivatives, the second ones along directions of D."""
        raise NotImplementedError

    def held(
        self, D_blocks: list[Array], psi: Array, weight: float
    ) -> tuple[Pieces, Array]:
        """Pieces at given covariances, and the gradient of weight * c + l in psi.

        Raises
        ------
        NotPositiveDefiniteError
        """
        return self.pieces(D_blocks), np.empty(0)

    def noise(self, D_blocks: list[Array]) -> Noise | None:
        """What was left to chance at given covariances; None where nothing was."""
        return None

    def scale(self, gamma: Array) -> Array:
        """Size of a noticeable change of each gamma, at least one."""
        unit = np.ones(self.n_params)
        for block, s in zip(self.model.blocks, self.model.slices, strict=True):
            unit[s] = self.model.parameterization.scale(block.structure, gamma[s])
        return unit

    def value(self, gamma: Array) -> float:
        """-2 L."""
        return self.deviance(self.pieces(self.model.split(gamma), order=0))

    def gradient(self, gamma: Array) -> tuple[float, Array]:
        """-2 L and its gradient."""
        D_blocks = self.model.split(gamma)
        at = self.pieces(D_blocks)
        first = self.model.first(gamma)
        G = self.block_gradients(at)
        return self.deviance(at), self._chain(first, G)

    def hessian(self, gamma: Array) -> tuple[float, Array, Array]:
        """-2 L, its gradient and its exact Hessian."""
        model, nn = self.model, self.nn
        first = model.first(gamma)
        at = self.curvature(model.split(gamma), model.along(first))
        self._last = gamma.tobytes(), at
        assert at.c_D is not None
        assert at.l_D is not None
        assert at.c_2 is not None
        assert at.l_2 is not None
        C, L = model.pull(at.c_D), model.pull(at.l_D)
        c_1, l_1 = self._chain(first, C), self._chain(first, L)
        G = [nn / at.c * c + l for c, l in zip(C, L, strict=True)]
        r = c_1 / at.c  # c alone may be squared only where y is of moderate size
        H = nn * (at.c_2 / at.c - r[:, None] * r) + at.l_2
        for block, s, W in zip(model.blocks, model.slices, G, strict=True):
            H[s, s] += model.parameterization.second(block.structure, gamma[s], W)
        return self.deviance(at), nn * r + l_1, H

    def last(self, gamma: Array) -> Pieces | None:
        """The evaluation behind the last Hessian, if that was at ``gamma``."""
        if self._last is not None and self._last[0] == gamma.tobytes():
            return self._last[1]
        return None

    def block_gradients(self, at: Pieces) -> list[Array]:
        """d(-2L)/dD_b of each equation, without its structure."""
        assert at.c_D is not None
        assert at.l_D is not None
        share = self.nn / at.c
        G = [share * c + l for c, l in zip(at.c_D, at.l_D, strict=True)]
        return self.model.pull(G)

    def em_step(self, D_blocks: list[Array]) -> tuple[float, list[Array]]:
        """-2 L at D and the D that one EM iteration makes of it.

        The average second moment of the random effects given y is
        D - D G D / M with G the gradient (Eq. 18); averaging it over equal
        elements of the structure is the M step.
        """
        at = None
        if self._begun is not None and self._begun[0] is D_blocks:
            at = self._begun[1]  # of a step of scoring that was not taken
        at = at or self.pieces(D_blocks)
        new = []
        for block, D, G in zip(
            self.model.blocks, D_blocks, self.block_gradients(at), strict=True
        ):
            moment = D - D @ G @ D / block.n_groups
            new.append(block.structure.spread(block.structure.gather(moment)))
        return self.deviance(at), new

    def information(self, at: Pieces) -> Array:
        """Expected information about the elements of the D_b and log sigma^2.

        With V = sigma^2 W it is half of tr(G W_i G W_j), of tr(G W_i) and of tr(G W),
        G = W^-1 - W^-1 X (X'W^-1X)^-1 X'W^-1 under REML and W^-1 under ML.  W is linear
        in the elements, so that these are derivatives of l (Eq. 17).

        Parameters
        ----------
        at : Pieces
            With second derivatives along the elements.
        """
        assert at.l_2 is not None
        assert at.l_D is not None
        m = self.model.n_params
        out = np.empty((m + 1, m + 1))
        out[:m, :m] = -at.l_2
        out[m, :m] = out[:m, m] = self._along_elements(self.model.pull(at.l_D))
        out[m, m] = self.nn
        return 0.5 * out

    def scoring_step(
        self, D_blocks: list[Array]
    ) -> tuple[float, float, list[Array]] | None:
        """-2 L at D, what the step promises twice, and the D that it leads to.

        One step by the expected information in the covariance matrices and sigma^2, in
        which V is linear: moments (MINQUE with D as the prior).  In balanced groups it
        ends at the maximum wherever it begins.  None where it ends near the boundary or
        the data do not tell the parameters apart.
        """
        at = self.curvature(D_blocks, self.model.elements())
        self._begun = D_blocks, at
        slopes = self._along_elements(self.block_gradients(at))
        found = scored(self.model, D_blocks, self.information(at), slopes)
        return None if found is None else (self.deviance(at), *found)

    def _along_elements(self, W: list[Array]) -> Array:
        """Slopes in the elements of the structures from those of the D_b."""
        return self._chain([b.structure.basis for b in self.model.blocks], W)

    def outward(self, gamma: Array) -> list[tuple[int, Array, float]]:
        """Where -2 L still falls beyond a zero variance (section 1.4 of the design).

        Returns
        -------
        list of (equation, direction, slope)
            Positive semidefinite directions of unit size in D_b along which the
            slope of -2 L is negative; empty where the sign test holds.
        """
        spaces = self._null_spaces(gamma)
        if not any(space.size for space in spaces):
            return []
        D_blocks = self.model.split(gamma)
        G = self.block_gradients(self.last(gamma) or self.pieces(D_blocks))
        found = []
        for k, (block, space, W) in enumerate(
            zip(self.model.blocks, spaces, G, strict=True)
        ):
            if not space.size:
                continue
            structure = block.structure
            flat = space.T @ structure.spread(structure.gather(W)) @ space
            values, vectors = eigen(flat)
            # a slope counts when one unit of D moves -2 L noticeably
            if values[0] < -1e-7 * self.nn**0.5:
                d = space @ vectors[:, 0]
                direction = structure.spread(structure.gather(np.outer(d, d)))
                found.append((k, direction, float(values[0])))
        return found

    def interior(self, gamma: Array) -> Array:
        """Basis of the directions of gamma that do not leave a zero variance.

        A symmetric square root with null vectors d moves off the boundary, to
        first order not at all, along d d'; those directions are left to the
        sign test.
        """
        model = self.model
        keep = []
        spaces = self._null_spaces(gamma)
        if not any(space.size for space in spaces):
            return np.eye(self.n_params)[:, : model.n_params]
        for block, s, space in zip(model.blocks, model.slices, spaces, strict=True):
            D = model.parameterization.value(block.structure, gamma[s])
            if not space.size:
                columns = np.eye(self.n_params)[:, s]
            else:
                J = model.parameterization.first(block.structure, gamma[s])
                # directions whose dD vanishes are those that only bend outwards
                flat = J.reshape(len(J), -1)
                _, values, vectors = np.linalg.svd(flat.T, full_matrices=False)
                good = values > 2.5 * np.sqrt(_null_limit(float(np.linalg.norm(D, 2))))
                columns = np.zeros((self.n_params, int(good.sum())))
                columns[s] = vectors[good].T
            keep.append(columns)
        return np.concatenate(keep, axis=1) if keep else np.empty((0, 0))

    def singular(self, gamma: Array) -> bool:
        """Whether some equation's covariance matrix is on the boundary."""
        return any(space.size > 0 for space in self._null_spaces(gamma))

    def _null_spaces(self, gamma: Array) -> list[Array]:
        """Null space of each D_b; kept, because the end of a search asks often."""
        key = gamma.tobytes()
        if self._nulls is None or self._nulls[0] != key:
            self._nulls = key, [null_space(D) for D in self.model.split(gamma)]
        return self._nulls[1]

    def on_boundary(self, D_blocks: list[Array]) -> list[Array]:
        """The same matrices with eigenvalues that are as good as zero set to zero."""
        out = []
        for block, D in zip(self.model.blocks, D_blocks, strict=True):
            values, vectors = eigen(D)
            small = values <= _null_limit(values[-1])
            if small.any():
                D = (vectors * np.where(small, 0.0, values)) @ vectors.T
                D = block.structure.spread(block.structure.gather(D))
            out.append(D)
        return out

    def owner(self, direction: Array) -> int:
        """Equation that a direction of gamma belongs to most."""
        parts = [direction[s] @ direction[s] for s in self.model.slices]
        return int(np.argmax(parts))

    def single_rows(self) -> int | None:
        """Equation of the lowest level if its groups have one row each."""
        return None

    def start(self) -> list[Array]:
        """D_b of each equation to begin with.

        Each level is given as much variance as the residuals have.
        """
        return [
            np.eye(b.structure.q) / (b.structure.q * len(self.model.blocks))
            for b in self.model.blocks
        ]

    def starts(self) -> list[list[Array]]:
        """Start values, several where the likelihood may have several maxima.

        That happens where columns of different size share one variance: what is large
        for one is nothing for another.  And it happens with few observations, which one
        large random effect may explain as well as another: each is then given the lead
        in turn.  In both cases the scale of the equation is tried out on a grid, and
        hollows of -2 L in it are starts.
        """
        usual = self.start()
        out = [usual]
        few = self.nn <= FEW_ROWS
        for k, block in enumerate(self.model.blocks):
            structure = block.structure
            if structure.q == 1:
                continue
            shared = structure.n_variances < structure.q
            # of one parameter the grid says all
            leads = _leads(block, usual[k]) if few and structure.n_params > 1 else []
            out += [[*usual[:k], D, *usual[k + 1 :]] for D in leads]
            if shared and (self.nn <= SOME_ROWS or _uneven(block)):
                found = self._hollows(k, usual)[:3]
                out = [*found, *out]
                if few and structure.n_params > structure.n_variances:
                    out += [
                        [*start[:k], D, *start[k + 1 :]]
                        for start in found
                        for D in _correlated(start[k])
                    ]
            elif few and structure.n_params == structure.n_variances:
                # where a search begins already a hollow is no news
                known = [usual[k][0, 0] * size for size in (1.0, *SIZES)]
                out += [
                    start
                    for start in self._hollows(k, usual)[:2]
                    if min(abs(np.log10(start[k][0, 0] / x)) for x in known) > 0.6
                ]
        return out

    def _hollows(self, k: int, usual: list[Array]) -> list[list[Array]]:
        """Starts with equal variances in equation k where -2 L is low, lowest first."""
        block = self.model.blocks[k]
        least = max(float(_sizes(block).min()), 1e-8)
        grid = 10.0 ** np.arange(-3.0, 2.0 * np.log10(1.0 / min(least, 1.0)) + 3.5, 0.5)
        unit = np.eye(block.structure.q)
        tried = [[*usual[:k], x * unit, *usual[k + 1 :]] for x in grid]
        values = np.array(
            [self.deviance(self.pieces(D_blocks, order=0)) for D_blocks in tried]
        )
        walled = np.concatenate([[np.inf], values, [np.inf]])
        hollow = (values <= walled[:-2]) & (values <= walled[2:]) & np.isfinite(values)
        return [tried[i] for i in np.flatnonzero(hollow)[np.argsort(values[hollow])]]

    def _first(self, gamma: Array) -> list[Array]:
        return self.model.first(gamma)

    @staticmethod
    def _chain(first: list[Array], G: list[Array]) -> Array:
        if not first:
            return np.empty(0)
        return np.concatenate(
            [J.reshape(len(J), -1) @ W.ravel() for J, W in zip(first, G, strict=True)]
        )


def _leads(block: Block, D: Array) -> list[Array]:
    """Starts with all variances large, all small, and each the largest in turn."""
    q = block.structure.q
    out = [size * D for size in SIZES]
    if block.structure.n_variances == q:
        sizes = np.full((q, q), 0.01) + 9.99 * np.eye(q)
        out += [D * np.diag(size) for size in sizes]
    return out


def _correlated(D: Array) -> list[Array]:
    """Starts with the same variances and high correlations of either sign."""
    q, x = len(D), float(D[0, 0])
    unit = np.eye(q)
    return [x * (r + (1.0 - r) * unit) for r in (0.9, -0.9 / (q - 1))]


def _sizes(block: Block) -> Array:
    """Sizes of the columns of an equation."""
    return np.sqrt((block.Lambda**2).sum(axis=0))


def _uneven(block: Block) -> bool:
    """Whether its columns are of different size."""
    sizes = _sizes(block)
    return bool(sizes.max() >= UNEVEN * sizes.min())


def null_space(D: Array) -> Array:
    """Orthonormal basis (columns) of the null space of a covariance matrix."""
    values, vectors = eigen(D)
    return vectors[:, values <= _null_limit(values[-1])]


def _null_limit(largest: float) -> float:
    """Size below which an eigenvalue of a covariance matrix is zero."""
    return max(NULL_SHARE * largest, NULL_SIZE)
