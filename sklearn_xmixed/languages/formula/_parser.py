"""Formulas in lme4's notation: ``y ~ x + (x | g) + (1 | a/b) + (0 + z || h)``.

The text is cut into the response, the fixed part, which is left to formulaic, the
random terms in parentheses with a bar, and the structure of the residuals, which no
random term can be mistaken for.  Every piece knows where it stood.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ._error import FormulaError
from ._foreign import refuse_word
from ._offset_term import OffsetTerm, read_offset_term
from ._residual_term import ResidualTerm, read_residual_term
from ._text import NAME, Span, bracket_depths, read_groupings, stripped, summands

__all__ = ["ParsedFormula", "RandomTerm", "parse_formula"]

#: words before a random term that say its covariance, and mean that in all programs
STRUCTURES = {"diag": "independent"}


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
        With a grouping that only the residuals have, as ``(0 | g)``.
    residual : ResidualTerm or None
    offsets : tuple of OffsetTerm
        They add up.
    functions : mapping of str to callable
        The user's own, by the names that the formula calls them by.
    """

    text: str
    response: str
    fixed: str
    random: tuple[RandomTerm, ...]
    residual: ResidualTerm | None = None
    offsets: tuple[OffsetTerm, ...] = ()
    functions: Mapping[str, Callable[..., Any]] = field(default_factory=dict)

    @property
    def parts(self) -> tuple[str, ...]:
        """All parts that make columns, in formulaic's notation."""
        effects = (term.effects for term in self.random)
        return self.response, self.fixed, *effects, *(o.column for o in self.offsets)

    @property
    def offset_name(self) -> str | None:
        """Name of the offset's column; None without one."""
        return " + ".join(term.text for term in self.offsets) or None

    @property
    def effects_text(self) -> str:
        """What lme4 understands of it: neither residuals nor groupings without effects."""
        if self.residual is None and not any(term.empty for term in self.random):
            return self.text
        spans = dict.fromkeys(term.span for term in self.random if not term.empty)
        terms = [
            self.fixed,
            *(term.text for term in self.offsets),
            *(self.text[slice(*span)] for span in spans),
        ]
        return f"{self.response} ~ {' + '.join(terms)}"


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
    depths = bracket_depths(text)
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
    right = _Summands(text, depths)
    for sign, start, stop in summands(text, depths, tildes[0] + 1):
        right.read(sign, start, stop)
    return right.parsed(response)


@dataclass
class _Summands:
    """The right side of a formula, read summand by summand."""

    text: str
    depths: list[int]
    fixed: list[str] = field(default_factory=list)
    random: list[RandomTerm] = field(default_factory=list)
    offsets: list[OffsetTerm] = field(default_factory=list)
    residual: ResidualTerm | None = None

    def read(self, sign: str, start: int, stop: int) -> None:
        """Put one summand where it belongs."""
        text, depths = self.text, self.depths
        piece = text[start:stop]
        if not piece.strip():
            raise FormulaError(
                "A term is missing.",
                text,
                (min(start, len(text) - 1), max(start, stop)),
                "Terms are joined by '+'.",
            )
        said = read_residual_term(text, depths, start, stop)
        offset = None if said else read_offset_term(text, depths, start, stop)
        found = None if said or offset else _random(text, depths, start, stop)
        if said is None and offset is None and found is None:
            self.fixed.append(f"{sign} {piece.strip()}")
            return
        if sign == "-":
            what = "A residual" if said else "An offset" if offset else "A random"
            raise FormulaError(
                f"{what} term cannot be taken away.", text, (start, stop)
            )
        if said is not None and self.residual is not None:
            raise FormulaError(
                "The structure of the residuals is said twice.",
                text,
                (start, stop),
                "A formula has one residuals(...); by=variable gives each category of a "
                "variable its own parameters.",
            )
        self.residual = said or self.residual
        self.offsets += [offset] if offset else []
        self.random += found or []

    def parsed(self, response: str) -> ParsedFormula:
        """All of it."""
        joined = " ".join(self.fixed).removeprefix("+ ") or "1"
        random = [*self.random, *_grouping_of(self.residual, self.random)]
        return ParsedFormula(
            self.text,
            response,
            joined,
            tuple(random),
            self.residual,
            tuple(self.offsets),
        )


def _grouping_of(
    residual: ResidualTerm | None, random: list[RandomTerm]
) -> list[RandomTerm]:
    """The term ``(0 | g)`` of a grouping that only the residuals have."""
    if residual is None or not residual.grouping:
        return []
    if any(set(term.grouping) == set(residual.grouping) for term in random):
        return []
    return [RandomTerm("0", residual.grouping, "unstructured", residual.grouping_span)]


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
        refuse_word(text, start, opening, bar, closing)
    double = text[bar : bar + 2] == "||"
    after = bar + 1 + double
    others = [i for i in bars if i >= after]
    if others:
        raise FormulaError(
            "A random term has one bar, or one double bar.",
            text,
            (others[0], others[0] + 1),
        )
    effects = stripped(text, opening + 1, bar)
    groups = stripped(text, after, stop - 1)
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
        for grouping in read_groupings(text, *groups)
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
