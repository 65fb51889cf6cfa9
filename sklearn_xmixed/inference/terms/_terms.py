"""Terms of the fixed part: columns that belong together, and how they are coded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

__all__ = ["CONSTANT", "Coding", "Product", "Term", "single_columns"]

Array = np.ndarray
#: the term of the constant, which is not tested
CONSTANT = "_cons"


@dataclass(frozen=True)
class Term:
    """A term of the fixed part.

    Attributes
    ----------
    name : str
    factors : tuple of str
        Categorical variables in it.
    covariates : tuple of str
        Continuous variables in it; one that stands twice is squared.
    columns : tuple of str
        Its columns, by the names in ``fixed_names_``.
    """

    name: str
    factors: tuple[str, ...] = ()
    covariates: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()

    def contains(self, other: Term) -> bool:
        """Whether the other is marginal to it.

        Both have the same covariates, and this one has all factors of the other and more.

        Parameters
        ----------
        other : Term
            A term of the same model.

        Returns
        -------
        bool
        """
        return sorted(self.covariates) == sorted(other.covariates) and (
            set(self.factors) > set(other.factors)
        )


@dataclass(frozen=True, eq=False)
class Product:
    """A column as a product of functions of factors and of columns of covariates.

    Parameters
    ----------
    weights : tuple of ndarray
        Per factor of the term its value at each level.
    covariates : tuple of int
        Per covariate of the term which of its columns.
    scale : float
    """

    weights: tuple[Array, ...] = ()
    covariates: tuple[int, ...] = ()
    scale: float = 1.0


@dataclass(frozen=True, eq=False)
class Coding:
    """A term and what its columns are.

    Parameters
    ----------
    term : Term
    n_levels : tuple of int
        Of each factor.
    widths : tuple of int
        Number of columns of each covariate; more than one for polynomials and splines.
    products : tuple of Product
        One per column of the term.
    empty : tuple of Product
        Products that are zero in every row and for that reason are no columns.
    """

    term: Term
    n_levels: tuple[int, ...] = ()
    widths: tuple[int, ...] = ()
    products: tuple[Product, ...] = (Product(),)
    empty: tuple[Product, ...] = ()

    @classmethod
    def of_columns(cls, name: str, columns: Sequence[str]) -> Coding:
        """Columns that are tested as they are."""
        return cls(
            Term(name, (), (name,), tuple(columns)),
            widths=(len(columns),),
            products=tuple(Product((), (k,)) for k in range(len(columns))),
        )

    @classmethod
    def of_factor(cls, name: str, columns: Sequence[str], coding: Array) -> Coding:
        """Columns of one factor, with their values at its levels (rows of ``coding``)."""
        return cls(
            Term(name, (name,), (), tuple(columns)),
            n_levels=(len(coding),),
            products=tuple(Product((column,)) for column in coding.T),
        )


def single_columns(names: Sequence[str]) -> tuple[Coding, ...]:
    """Every column as a term of its own."""
    return tuple(Coding.of_columns(name, [name]) for name in names)
