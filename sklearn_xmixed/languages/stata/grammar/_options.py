"""Options of a command, read from the words after a comma."""

from __future__ import annotations

import difflib
from typing import Any

from ....expressions import Span, Token
from ._abbreviations import choose, shortest
from ._cursor import Cursor
from ._option_rules import RULES, OptionRule
from ._syntax import Option

__all__ = ["parse_options"]


def parse_options(
    cursor: Cursor, *, fixed: bool = False, only_command: bool = False
) -> tuple[tuple[Option, ...], tuple[Option, ...]]:
    """What stands after a comma: options of the equation, and of the command.

    Parameters
    ----------
    fixed : bool
        Whether the equation is the fixed part, of which ``noconstant`` is the only one.
    only_command : bool
        Whether there is no equation.
    """
    own: list[Option] = []
    common: list[Option] = []
    while cursor.now.kind != "end" and not cursor.sees("||", ")"):
        token = cursor.now
        if token.kind != "name":
            cursor.fail(
                f"An option is expected here, found {cursor.found()}.",
                "Commas stand before the first option only."
                if token.text == ","
                else "",
            )
        rule = _rule(cursor, token)
        cursor.advance()
        if rule.refused:
            cursor.fail(
                f"The option {rule.name} is not available.", rule.refused, token.span
            )
        value: Any = True
        if rule.read is not None:
            cursor.expect("(", f"the option {rule.name}")
            value = rule.read(cursor)
            if not cursor.sees(")"):
                cursor.fail(
                    f"')' is expected after the argument of {rule.name}(), found "
                    f"{cursor.found()}."
                )
            cursor.advance()
        elif cursor.sees("("):
            cursor.fail(f"The option {rule.name} takes no argument.")
        option = Option(rule.name, value, cursor.span_from(token.start))
        if rule.equation and (only_command or (fixed and rule.name != "noconstant")):
            cursor.fail(
                f"The option {rule.name} belongs to a random-effects equation.",
                "Write it after the comma of that equation: || id: x, ...",
                option.span,
            )
        place = own if rule.equation else common
        if any(o.name == rule.name for o in place):
            cursor.fail(f"The option {rule.name} is given twice.", "", option.span)
        place.append(option)
    return tuple(own), tuple(common)


def _rule(cursor: Cursor, token: Token) -> OptionRule:
    word = token.text
    for rule in RULES:
        if choose(word, (rule.spelling,)) is not None:
            return rule
    longer = [r for r in RULES if r.name.startswith(word)]
    span: Span = token.span
    if longer:
        least = ", ".join(f"{shortest(r.spelling)} ({r.name})" for r in longer)
        cursor.fail(
            f"{word!r} abbreviates no option.", f"Write at least {least}.", span
        )
    close = difflib.get_close_matches(word, [r.name for r in RULES], n=1, cutoff=0.6)
    hint = f"Did you mean {close[0]!r}?" if close else ""
    cursor.fail(f"There is no option {word!r}.", hint, span)
