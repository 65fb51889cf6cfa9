"""Lists of variables: from tokens to trees."""

from __future__ import annotations

import re

from ....expressions import Span
from ._cursor import Cursor
from ._syntax import (
    Continuous,
    Cross,
    Factor,
    Group,
    Item,
    Operator,
    Pattern,
    Prefixed,
    Random,
    Range,
    Series,
)

__all__ = ["parse_items", "parse_name", "parse_numbers"]

#: words that end a list of variables
_STOP = ("if", "in")
_WILD = ("*", "?", "~")

_NUMBERS = r"\((?P<{0}>[\d\s,/]+)\)"
# operators, tried in this order at every place of a prefix
_OPERATORS: list[tuple[re.Pattern[str], str]] = [
    (re.compile(r"i?b(?P<base>\d+|n)"), "base"),
    (re.compile(r"i?b\(\s*(?P<base>first|last|freq|\#\d+|\d+)\s*\)"), "base"),
    (re.compile(r"i?(?P<level>\d+)(?P<own>bn?)?(?!\d)"), "level"),
    (re.compile(r"i" + _NUMBERS.format("levels")), "levels"),
    (re.compile(r"i(?!o)"), "all"),
    (re.compile(r"c"), "continuous"),
    (re.compile(r"(?P<letter>[LlFfDdSs])(?P<number>\d+)?(?!\()"), "series"),
    (
        re.compile(r"(?P<letter>[LlFfDdSs])" + _NUMBERS.format("numbers")),
        "series",
    ),
    (re.compile(r"i?o"), "omit"),
]
_KNOWN = "Known are i. c. ib#. 2. i(2 3). L. F. D. S., and R. in random effects."
LARGEST = 1_000_000


def parse_items(cursor: Cursor, *, until: tuple[str, ...] = ()) -> tuple[Item, ...]:
    """As many terms as there are; perhaps none."""
    out: list[Item] = []
    while _begins(cursor) and not cursor.sees_name(*until):
        out.append(_item(cursor))
    return tuple(out)


def parse_name(cursor: Cursor, what: str) -> Pattern:
    """The name of one variable.

    Raises
    ------
    CommandError
        Where none comes next.
    """
    if not (_begins(cursor) and not cursor.sees("(")):
        cursor.fail(f"{what} is expected here, found {cursor.found()}.")
    found = _pattern(cursor)
    if any(c in found.text for c in _WILD):
        cursor.fail(f"{what} must be one variable.", span=found.span)
    return found


def _begins(cursor: Cursor) -> bool:
    now = cursor.now
    if now.kind in ("name", "number"):
        return True
    return cursor.sees("(", *_WILD)


def _item(cursor: Cursor) -> Item:
    start = cursor.now.start
    left = _unit(cursor)
    count = 0
    while cursor.sees("#", "##"):
        count += 1
        if count > 8:  # the limit of interactions where the syntax comes from
            cursor.fail("An interaction may have up to eight variables.")
        full = cursor.advance().text == "##"
        if not _begins(cursor):
            cursor.fail(
                f"A variable is expected after {'##' if full else '#'}, found "
                f"{cursor.found()}."
            )
        left = Cross(full, left, _unit(cursor), cursor.span_from(start))
    return left


def _unit(cursor: Cursor) -> Item:
    cursor.enter()
    try:
        start = cursor.now.start
        if (operators := _operators(cursor)) is not None:
            inner = _unit(cursor)
            return Prefixed(operators, inner, cursor.span_from(start))
        if cursor.take("("):
            items = []
            while not cursor.sees(")"):
                if not _begins(cursor):
                    cursor.fail(
                        f"A variable or ')' is expected here, found {cursor.found()}."
                    )
                items.append(_item(cursor))
            cursor.expect(")")
            if not items:
                cursor.fail(
                    "Nothing stands between the parentheses.",
                    span=(start, cursor.last_end),
                )
            return Group(tuple(items), cursor.span_from(start))
        first = _pattern(cursor)
        if cursor.sees("-"):
            cursor.advance()
            if cursor.now.kind != "name":
                cursor.fail(
                    f"A variable is expected after '-', found {cursor.found()}.",
                    "first-last means the variables from first to last.",
                )
            return Range(first, _pattern(cursor), cursor.span_from(start))
        return first
    finally:
        cursor.leave()


def _pattern(cursor: Cursor) -> Pattern:
    """A name with its wildcards, which must not be separated by spaces."""
    start = cursor.now.start
    first = cursor.now
    if first.kind == "number":
        cursor.fail(
            f"A variable is expected here, found {cursor.found()}.",
            "Names do not begin with a digit; a level of a factor is written 2.group.",
        )
    text = cursor.advance().text
    while cursor.now.glued and (
        cursor.now.kind in ("name", "number") or cursor.sees(*_WILD)
    ):
        text += cursor.advance().text
    if cursor.sees(".") and cursor.now.glued:
        end = cursor.now.end
        if cursor.ahead().kind == "name" and cursor.ahead().glued:
            cursor.fail("An operator cannot be used here.", "", (start, end))
        cursor.fail(
            "An operator is followed directly by a variable.", _KNOWN, (start, end)
        )
    return Pattern(text, cursor.span_from(start))


# -- operators ---------------------------------------------------------------------


def _operators(cursor: Cursor) -> tuple[Operator, ...] | None:
    """The prefix that ends with a dot before a variable; None where there is none."""
    steps = 0
    while True:
        token = cursor.ahead(steps)
        if steps and not token.glued:
            return None
        if token.kind in ("name", "number"):
            steps += 1
        elif token.text == "(" and steps and cursor.ahead(steps - 1).kind == "name":
            while cursor.ahead(steps).text != ")":
                if cursor.ahead(steps).kind == "end":
                    return None
                steps += 1
            steps += 1
        elif token.text == "." and steps:
            break
        else:
            return None
    after = cursor.ahead(steps + 1)
    if not after.glued or not (
        after.kind in ("name", "number") or after.text in ("(", *_WILD)
    ):
        return None
    start, end = cursor.now.start, cursor.ahead(steps).start
    text = cursor.text[start:end]
    if text == "R":
        found: list[Operator] = [Random()]
    else:
        found = _read_operators(cursor, text, (start, end + 1))
    cursor.at += steps + 1
    return tuple(found)


def _read_operators(cursor: Cursor, text: str, span: Span) -> list[Operator]:
    out: list[Operator] = []
    at = 0
    if text.startswith("R."):
        cursor.fail(
            "R. takes all levels of a variable, and none of them as a base.",
            "Write R.variable, without a number.",
            span,
        )
    while at < len(text):
        tried = ((p.match(text, at), kind) for p, kind in _OPERATORS)
        found, kind = next(((f, k) for f, k in tried if f is not None), (None, ""))
        if found is None:
            cursor.fail(f"{text!r} is no operator.", _KNOWN, span)
        at = found.end()
        if kind == "omit":
            cursor.fail("The operator o. is not understood.", _KNOWN, span)
        out.append(_operator(cursor, kind, found.groupdict(), span))
    if sum(isinstance(o, Factor | Continuous) for o in out) > 1:
        cursor.fail(f"{text!r} says twice how to take the variable.", _KNOWN, span)
    return out


def _operator(
    cursor: Cursor, kind: str, parts: dict[str, str | None], span: Span
) -> Operator:
    if kind == "base":
        base = parts["base"]
        assert base is not None
        if base == "n":
            return Factor(None, "none")
        return Factor(None, _whole(cursor, base, span) if base.isdigit() else base)
    if kind == "level":
        level = _whole(cursor, parts["level"] or "", span)
        own = parts["own"]
        return Factor((level,), None if not own else "none" if own == "bn" else level)
    if kind == "levels":
        return Factor(parse_numbers(cursor, parts["levels"] or "", span))
    if kind == "all":
        return Factor()
    if kind == "continuous":
        return Continuous()
    letter = (parts["letter"] or "").upper()
    if parts.get("numbers") is not None:
        return Series(letter, parse_numbers(cursor, parts["numbers"] or "", span))
    number = parts.get("number")
    return Series(letter, (1 if number is None else _whole(cursor, number, span),))


def _whole(cursor: Cursor, text: str, span: Span) -> int:
    if len(text) > 7 or int(text) > LARGEST:
        cursor.fail(f"{text} is too large; numbers here go up to {LARGEST}.", "", span)
    return int(text)


def parse_numbers(cursor: Cursor, text: str, span: Span) -> tuple[int, ...]:
    """A list of whole numbers, ``1/3 7``."""
    out: list[int] = []
    for part in text.replace(",", " ").split():
        found = re.fullmatch(r"(\d+)(?:/(\d+))?", part)
        if found is None:
            cursor.fail(f"{part!r} is no number.", "Write numbers as in 1 2 5/7.", span)
        first = _whole(cursor, found[1], span)
        last = first if found[2] is None else _whole(cursor, found[2], span)
        if last < first or last - first > 1000:
            cursor.fail(f"{part!r} is no range of at most 1000 numbers.", "", span)
        out += range(first, last + 1)
    if not out:
        cursor.fail("Numbers are expected in the parentheses.", "As in 1 2 5/7.", span)
    return tuple(out)
