"""Columns of the model from the user's data, at fit and at predict."""

from ._codings import codings_of
from ._columns import Cell, Column, Layout, columns_of
from ._data import Data, Labelled
from ._generate import generate
from ._names import Names
from ._recipe import Reader, Recipe
from ._series import Lag, read_xtset
from ._terms import Term, Unit, expand, label

__all__ = [
    "Cell",
    "Column",
    "Data",
    "Labelled",
    "Lag",
    "Layout",
    "Names",
    "Reader",
    "Recipe",
    "Term",
    "Unit",
    "codings_of",
    "columns_of",
    "expand",
    "generate",
    "label",
    "read_xtset",
]
