"""The grammar of the command: from text to a tree, nothing of which knows data."""

from ._abbreviations import choose
from ._arguments import RESIDUALS
from ._cursor import Cursor
from ._dfmethods import INFORMATION, METHODS, word_of
from ._expressions import Expression, Variable, parse_expression
from ._functions import FUNCTIONS, is_text, ordered
from ._option_rules import RULES, is_option
from ._parser import NAMES, parse
from ._syntax import (
    Command,
    Continuous,
    Cross,
    EquationSyntax,
    Factor,
    Group,
    Item,
    Operator,
    Option,
    Pattern,
    Prefixed,
    Random,
    Range,
    ResidualSyntax,
    Series,
    Weight,
)
from ._varlist import parse_items

__all__ = [
    "FUNCTIONS",
    "INFORMATION",
    "METHODS",
    "NAMES",
    "RESIDUALS",
    "RULES",
    "Command",
    "Continuous",
    "Cross",
    "Cursor",
    "EquationSyntax",
    "Expression",
    "Factor",
    "Group",
    "Item",
    "Operator",
    "Option",
    "Pattern",
    "Prefixed",
    "Random",
    "Range",
    "ResidualSyntax",
    "Series",
    "Variable",
    "Weight",
    "choose",
    "is_option",
    "is_text",
    "ordered",
    "parse",
    "parse_expression",
    "parse_items",
    "word_of",
]
