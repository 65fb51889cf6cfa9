"""What a fitted kind of model says of its random effects: one contract for all kinds."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ._basis import Pool
from ._pieces import Pieces

__all__ = ["Posterior", "Stage"]

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class Stage:
    """What a row goes through on one floor: its random effects given those above.

    Parameters
    ----------
    own : ndarray of shape (q, q, G)
        Their variance over sigma^2.
    above : list of ndarray of shape (q, q_above, G)
        What a row with z on this floor loses of its columns of every floor above, the
        nearest first: z'above.
    x : ndarray of shape (q, p, G)
        The same of X in the basis Q.
    """

    own: Array
    above: list[Array]
    x: Array


class Posterior(ABC):
    """Random effects of every group at fixed variance parameters.

    Attributes
    ----------
    kind : str
        Which kind of model it is of, for rooms that hold something for each.
    tree : Tree or Crossing
        Cross-products of the groups.
    D : list of ndarray
        Sigma / sigma^2 of each floor or term in the tree's basis.
    pieces : Pieces
    pool : Pool
    sigma2 : float
    refusals : mapping of str to str
        What is not there for this kind, and the sentence that says so.
    elsewhere : bool
        Whether the groups are not in this process.
    """

    kind: ClassVar[str]
    refusals: ClassVar[Mapping[str, str]] = {}
    elsewhere: ClassVar[bool] = False
    tree: Any
    D: list[Array]
    pieces: Pieces
    pool: Pool
    sigma2: float

    @property
    def n(self) -> float:
        """Number of observations (sum of weights)."""
        return float(self.tree.n)

    def require(self, what: str) -> None:
        """Say no to what is not there for this kind.

        Raises
        ------
        NotImplementedError
        """
        if what in self.refusals:
            raise NotImplementedError(self.refusals[what])

    @abstractmethod
    def effects(
        self,
        floor: int,
        T_block: Array,
        Sigma: Array,
        *,
        fixed_known: bool | None = None,
    ) -> tuple[Array, Array]:
        """BLUPs of one equation and their standard errors, (G, q) each.

        Parameters
        ----------
        floor : int
            Floor of the tree, or term.
        T_block : ndarray of shape (q_floor, q)
            From the equation's effects to the tree's basis.
        Sigma : ndarray of shape (q, q)
            Covariance matrix in the user's columns.
        fixed_known : bool
            Whether beta counts as known.
        """

    @abstractmethod
    def linear(self, codes: Sequence[Array], Z: Sequence[Array]) -> Array:
        """Sum of Z u over the floors or terms with a known group.

        Parameters
        ----------
        codes : sequence of ndarray of int, shape (n,)
            Group of each row per floor or term, -1 where unknown.
        Z : sequence of ndarray of shape (n, q)
            Rows in the tree's basis.
        """

    @abstractmethod
    def variance(self, codes: Sequence[Array], Z: Sequence[Array], X: Array) -> Array:
        """Variance of x'beta + sum z'u about its prediction.

        Includes the uncertainty of beta, and the whole prior variance where the group
        is not known.

        Parameters
        ----------
        codes, Z
            As in ``linear``.
        X : ndarray of shape (n, p)
            Rows in the basis Q.
        """

    def stages(self) -> list[Stage]:
        """What leads rows through the elimination, where one floor follows another."""
        self.require("stages")
        raise NotImplementedError("Only trees have floors.")

    def sums(
        self, own: int, common: int, parents: Array, *, fixed_known: bool
    ) -> tuple[Array, Array]:
        """Effects of term ``own`` plus those of their groups, and standard errors."""
        raise NotImplementedError("Only factors share effects with their groups.")
