"""The command: tokens, grammar, factor variables, and the estimator they describe."""

from ._code import to_code
from ._command import xtmixed
from ._estimator import CommandRegressor
from ._plan import plan
from ._unparse import to_command
from .columns import Recipe, generate
from .grammar import Command, parse

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
