"""Expressions in a text of the user's: one machine for all that reads them.

A language says which operators, functions and names it has; the tokens with their places,
precedence, the tree, the bounds on depth and length and the walk over the tree are
here.  Nothing is run as code: a tree has numbers, texts, names, operators and calls of
listed functions, and nothing else.
"""

from ._cursor import Cursor
from ._language import Language
from ._token import Span, Token
from ._tree import (
    Algebra,
    Binary,
    Call,
    Expression,
    Literal,
    Unary,
    Variable,
)

__all__ = [
    "Algebra",
    "Binary",
    "Call",
    "Cursor",
    "Expression",
    "Language",
    "Literal",
    "Span",
    "Token",
    "Unary",
    "Variable",
]
