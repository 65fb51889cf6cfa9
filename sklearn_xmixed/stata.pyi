# what type checkers cannot see: __init__.py gives the room this name
from .languages.stata import (
    Command,
    CommandRegressor,
    Recipe,
    generate,
    parse,
    plan,
    to_code,
    to_command,
    xtmixed,
)

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
