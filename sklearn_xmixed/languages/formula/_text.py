"""The text of a formula: its brackets, its summands, its groupings, with their places."""

from __future__ import annotations

import re

from ._error import FormulaError

__all__ = ["NAME", "Span", "bracket_depths", "read_groupings", "stripped", "summands"]

Span = tuple[int, int]

NAME = re.compile(r"[^\W\d][\w.]*|`[^`]+`")


def bracket_depths(text: str) -> list[int]:
    """How many parentheses are open at each character; -1 inside quotes."""
    depths: list[int] = []
    opened: list[int] = []
    quote = ""
    pairs = {")": "(", "]": "[", "}": "{"}
    for i, c in enumerate(text):
        if quote:
            depths.append(-1)
            if c == quote:
                quote = ""
            continue
        if c in "\"'`":
            quote = c
            depths.append(-1)
            begun = i
            continue
        if c in "([{":
            opened.append(i)
        depths.append(len(opened))
        if c in pairs:
            if not opened or text[opened[-1]] != pairs[c]:
                raise FormulaError(
                    f"This {c!r} closes nothing that is open.", text, (i, i + 1)
                )
            opened.pop()
    if quote:
        raise FormulaError("This quote is not closed.", text, (begun, begun + 1))
    if opened:
        at = opened[-1]
        raise FormulaError("This parenthesis is not closed.", text, (at, at + 1))
    return depths


def summands(text: str, depths: list[int], first: int) -> list[tuple[str, int, int]]:
    """Terms of the right side with their signs: (sign, start, stop)."""
    out: list[tuple[str, int, int]] = []
    sign, start = "+", first
    for i in range(first, len(text)):
        if depths[i] == 0 and text[i] in "+-":
            if out or text[start:i].strip():
                out.append((sign, *stripped(text, start, i)))
            sign, start = text[i], i + 1
    out.append((sign, *stripped(text, start, len(text))))
    return out


def stripped(text: str, start: int, stop: int) -> Span:
    """A piece without the spaces around it."""
    piece = text[start:stop]
    if not piece.strip():
        return start, stop
    return start + len(piece) - len(piece.lstrip()), start + len(piece.rstrip())


def read_groupings(text: str, start: int, stop: int) -> list[tuple[str, ...]]:
    """``a/b/c`` is a, a:b and a:b:c; ``a:b`` the combinations of both."""
    out: list[tuple[str, ...]] = []
    names: list[str] = []
    at = start
    while True:
        while at < stop and text[at].isspace():
            at += 1
        found = NAME.match(text, at, stop)
        if found is None:
            raise FormulaError(
                "A grouping variable is expected here.",
                text,
                (min(at, stop - 1), min(at, stop - 1) + 1),
                "Groupings are names, a:b for their combinations and a/b for b within a.",
            )
        name = found.group().strip("`")
        if name in names:
            raise FormulaError(
                f"{name!r} stands twice in one grouping.", text, found.span()
            )
        names.append(name)
        at = found.end()
        while at < stop and text[at].isspace():
            at += 1
        if at == stop:
            return [*out, tuple(names)]
        if text[at] == "/":
            out.append(tuple(names))
        elif text[at] != ":":
            raise FormulaError(
                f"{text[at]!r} is not understood in a grouping.",
                text,
                (at, at + 1),
                "Groupings are names, a:b for their combinations and a/b for b within "
                "a; write one term for each grouping.",
            )
        at += 1
