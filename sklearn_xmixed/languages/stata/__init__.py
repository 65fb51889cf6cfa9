"""The command: tokens, grammar, factor variables, and the estimator they describe."""

from ._code import to_code
from ._command import xtmixed
from ._estimator import CommandRegressor
from ._generate import generate
from ._parser import parse
from ._plan import plan
from ._recipe import Recipe
from ._syntax import Command
from ._unparse import to_command

__all__ = [
    "Command",
    "CommandRegressor",
    "Recipe",
    "generate",
    "parse",
    "plan",
    "to_code",
    "to_command",
    "xtmixed",
]
