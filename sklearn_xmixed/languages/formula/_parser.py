"""Formulas in lme4's notation: ``y ~ x + (x | g) + (1 | a/b) + (0 + z || h)``.

The text is cut into the response, the fixed part, which is left to formulaic, and the
random terms in parentheses with a bar.  Every piece knows where it stood.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ...exceptions import CommandError

__all__ = ["FormulaError", "ParsedFormula", "RandomTerm", "parse_formula"]

Span = tuple[int, int]

#: words before a random term that say its covariance
STRUCTURES = {"us": "unstructured", "diag": "independent"}
NAME = re.compile(r"[^\W\d][\w.]*|`[^`]+`")


class FormulaError(CommandError):
    """A formula that cannot be understood, or that its data do not fit.

    Prints what is wrong, the formula with the place marked, and what to do; see
    ``CommandError`` for its attributes.
    """


@dataclass(frozen=True)
class RandomTerm:
    """One term ``(effects | grouping)``, or one grouping of those ``a/b`` stands for.

    Parameters
    ----------
    effects : str
        What has random coefficients, in formulaic's notation.
    grouping : tuple of str
        Variables whose combinations are the groups: ``("a", "b")`` for ``a:b``.
    covariance : str
        "unstructured", or "independent" for a double bar.
    span, effects_span : tuple of int
    """

    effects: str
    grouping: tuple[str, ...]
    covariance: str
    span: Span = field(default=(0, 0), compare=False)
    effects_span: Span = field(default=(0, 0), compare=False)

    @property
    def empty(self) -> bool:
        """Whether it groups rows and has no effects: ``(0 | g)``."""
        return self.effects.strip() == "0"


@dataclass(frozen=True)
class ParsedFormula:
    """The parts of a formula.

    Parameters
    ----------
    text : str
    response, fixed : str
        In formulaic's notation; ``response`` is empty without a tilde.
    random : tuple of RandomTerm
    functions : mapping of str to callable
        The user's own, by the names that the formula calls them by.
    """

    text: str
    response: str
    fixed: str
    random: tuple[RandomTerm, ...]
    functions: Mapping[str, Callable[..., Any]] = field(default_factory=dict)

    @property
    def parts(self) -> tuple[str, ...]:
        """All parts that make columns, in formulaic's notation."""
        return self.response, self.fixed, *(term.effects for term in self.random)


def parse_formula(text: str) -> ParsedFormula:
    """Cut a formula into its parts.

    Raises
    ------
    FormulaError
        With the place marked.
    TypeError
        If it is no text.
    """
    if not isinstance(text, str):
        raise TypeError(f"The formula must be text, got {type(text).__name__}.")
    depths = _depths(text)
    tildes = [i for i, c in enumerate(text) if c == "~" and depths[i] == 0]
    if not tildes:
        raise FormulaError(
            "The formula has no '~'.", text, None, "Write response ~ terms."
        )
    if len(tildes) > 1:
        at = tildes[1]
        raise FormulaError("The formula has two '~'.", text, (at, at + 1))
    response = text[: tildes[0]].strip()
    if not response:
        raise FormulaError(
            "Nothing stands before '~'.",
            text,
            (tildes[0], tildes[0] + 1),
            "Write response ~ terms.",
        )
    fixed: list[str] = []
    random: list[RandomTerm] = []
    for sign, start, stop in _summands(text, depths, tildes[0] + 1):
        piece = text[start:stop]
        if not piece.strip():
            raise FormulaError(
                "A term is missing.",
                text,
                (min(start, len(text) - 1), max(start, stop)),
                "Terms are joined by '+'.",
            )
        found = _random(text, depths, start, stop)
        if found is None:
            fixed.append(f"{sign} {piece.strip()}")
            continue
        if sign == "-":
            raise FormulaError(
                "A random term cannot be taken away.", text, (start, stop)
            )
        random += found
    joined = " ".join(fixed).removeprefix("+ ") or "1"
    return ParsedFormula(text, response, joined, tuple(random))


def _depths(text: str) -> list[int]:
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


def _summands(text: str, depths: list[int], first: int) -> list[tuple[str, int, int]]:
    """Terms of the right side with their signs: (sign, start, stop)."""
    out: list[tuple[str, int, int]] = []
    sign, start = "+", first
    for i in range(first, len(text)):
        if depths[i] == 0 and text[i] in "+-":
            if out or text[start:i].strip():
                out.append((sign, *_stripped(text, start, i)))
            sign, start = text[i], i + 1
    out.append((sign, *_stripped(text, start, len(text))))
    return out


def _stripped(text: str, start: int, stop: int) -> Span:
    piece = text[start:stop]
    if not piece.strip():
        return start, stop
    return start + len(piece) - len(piece.lstrip()), start + len(piece.rstrip())


def _random(
    text: str, depths: list[int], start: int, stop: int
) -> list[RandomTerm] | None:
    """The random terms that a summand stands for; None for one of the fixed part."""
    bars = [i for i in range(start, stop) if text[i] == "|" and depths[i] >= 0]
    if not bars:
        return None
    bar = bars[0]
    if depths[bar] == 0:
        raise FormulaError(
            "A '|' stands outside parentheses.",
            text,
            (bar, bar + 1),
            "Write (x | group), in parentheses.",
        )
    opening = text.index("(", start)
    word = text[start:opening].strip()
    closing = next(
        i
        for i in range(opening, stop)
        if text[i] == ")" and depths[i] == depths[opening]
    )
    whole = depths[bar] == depths[opening] == 1 and closing == stop - 1
    if not whole or (word and NAME.fullmatch(word) is None):
        raise FormulaError(
            "A random term stands alone, joined to others by '+'.",
            text,
            (start, stop),
            "It cannot be multiplied, crossed or nested in other terms.",
        )
    if word and word not in STRUCTURES:
        raise FormulaError(
            f"{word!r} is no covariance structure of this package's formulas.",
            text,
            (start, start + len(word)),
            f"Those that are: {', '.join(STRUCTURES)}; without a word, (x | g) is "
            "unstructured and (x || g) independent. Exchangeable and identity "
            "covariances: pass random_effects= to MixedLinearRegressor.",
        )
    double = text[bar : bar + 2] == "||"
    after = bar + 1 + double
    others = [i for i in bars if i >= after]
    if others:
        raise FormulaError(
            "A random term has one bar, or one double bar.",
            text,
            (others[0], others[0] + 1),
        )
    effects = _stripped(text, opening + 1, bar)
    groups = _stripped(text, after, stop - 1)
    _check_sides(text, bar, effects, groups)
    if word and double:
        raise FormulaError(
            f"{word}() and a double bar both say the covariance.",
            text,
            (start, stop),
            "Use one of them.",
        )
    covariance = STRUCTURES.get(word, "independent" if double else "unstructured")
    shown = text[slice(*effects)]
    return [
        RandomTerm(shown, grouping, covariance, (start, stop), effects)
        for grouping in _groupings(text, *groups)
    ]


def _check_sides(
    text: str, bar: int, effects: tuple[int, int], groups: tuple[int, int]
) -> None:
    """Both sides of a bar say something."""
    if not text[slice(*effects)].strip():
        raise FormulaError(
            "Nothing stands before the bar.",
            text,
            (bar, bar + 1),
            "A random intercept is written (1 | group).",
        )
    if not text[slice(*groups)].strip():
        raise FormulaError(
            "No grouping variable stands behind the bar.",
            text,
            (bar, bar + 1),
            "Write (x | group).",
        )


def _groupings(text: str, start: int, stop: int) -> list[tuple[str, ...]]:
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
