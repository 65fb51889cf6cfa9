"""The residual term of a formula: ``residuals(ar, order=2, time=week, by=arm | id)``.

Before the bar stands what ``Residuals`` takes, without quotes; behind it the variable
within whose groups the residuals are correlated.  Its words are read, never evaluated.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..._spec import Residuals
from ...residuals import STRUCTURES, Exponential, Power, VarianceFunction
from ._error import FormulaError
from ._foreign import structure_of
from ._lone_term import parentheses_of
from ._text import NAME, Span, read_groupings, stripped

__all__ = ["ResidualTerm", "read_residual_term"]

#: what ``Residuals`` takes, in its order; a parameter that it gets is one here too
PARAMETERS = tuple(inspect.signature(Residuals).parameters)
NUMBERS = frozenset(("order",))
FUNCTIONS = {"Power": Power, "Exponential": Exponential}
EXAMPLE = (
    "As in residuals(ar, order=2, time=week, by=arm | id), or without by= and order=."
)

_KEYWORD = re.compile(r"(\w+)\s*=\s*(.*)", re.DOTALL)
_FUNCTION = re.compile(rf"({'|'.join(FUNCTIONS)})\s*\(\s*({NAME.pattern})\s*\)")
_PLACES = re.compile(
    rf"\(\s*(?:{NAME.pattern})(?:\s*,\s*(?:{NAME.pattern}))*\s*,?\s*\)"
)
_ORDERED = re.compile(r"([^\W\d]\w*)\s*\(?\s*(\d+)\s*\)?")


@dataclass(frozen=True)
class ResidualTerm:
    """What a formula says of its residuals.

    Parameters
    ----------
    parameters : mapping of str to str, int, list or function of a covariate
        Of ``Residuals``.
    grouping : tuple of str
        Variables whose combinations are the groups; empty where none are named, which
        independent residuals allow.
    span, grouping_span : tuple of int
    spans : mapping of str to tuple of int
        Where the value of each parameter stands.
    """

    parameters: Mapping[str, Any]
    grouping: tuple[str, ...]
    span: Span = field(default=(0, 0), compare=False)
    grouping_span: Span = field(default=(0, 0), compare=False)
    spans: Mapping[str, Span] = field(default_factory=dict, compare=False)

    @property
    def structure(self) -> str:
        """The structure's name."""
        return self.make().structure

    def make(self) -> Residuals:
        """The parameter of the estimator, a new one each time."""
        return Residuals(**self.parameters)

    def check_variables(self, text: str, columns: Collection[str]) -> None:
        """Refuse variables that the data do not have."""
        for role, name in self.make().variables.items():
            if name not in columns:
                raise FormulaError(
                    f"The data have no variable {name!r}, the {role} of the residuals.",
                    text,
                    self.spans.get(role, self.spans.get("time", self.span)),
                    f"The columns are {[str(c) for c in columns]}.",
                )


def read_residual_term(
    text: str, depths: list[int], start: int, stop: int
) -> ResidualTerm | None:
    """The residual term that a summand is; None for any other.

    Raises
    ------
    FormulaError
        If it is part of another term, or cannot be read.
    """
    found = parentheses_of(
        "residuals",
        text,
        depths,
        (start, stop),
        "A residual term stands alone, joined to others by '+'.",
        "It is no function of a variable: it says how the residuals are correlated. "
        + EXAMPLE,
    )
    if found is None:
        return None
    opening, closing = found
    inside = [i for i in range(opening + 1, closing) if depths[i] == 1]
    bars = [i for i in inside if text[i] == "|"]
    if len(bars) > 1:
        raise FormulaError(
            "A residual term has one bar.", text, (bars[1], bars[1] + 1), EXAMPLE
        )
    bar = bars[0] if bars else closing
    commas = [i for i in inside if text[i] == "," and i < bar]
    ends = zip([opening, *commas], [*commas, bar], strict=True)
    parameters, spans = _read_parameters(
        text, [stripped(text, a + 1, b) for a, b in ends]
    )
    grouping_span = stripped(text, bar + 1, closing) if bars else (closing, closing)
    grouping = _read_grouping(text, bar, grouping_span) if bars else ()
    term = ResidualTerm(parameters, grouping, (start, stop), grouping_span, spans)
    _check(term, text)
    return term


def _read_parameters(
    text: str, pieces: list[Span]
) -> tuple[dict[str, Any], dict[str, Span]]:
    """What stands before the bar, by parameter, and where."""
    parameters: dict[str, Any] = {}
    spans: dict[str, Span] = {}
    for number, (start, stop) in enumerate(pieces):
        piece = text[start:stop]
        if not piece.strip():
            raise FormulaError(
                "A word is missing in the residual term.",
                text,
                (stop, stop + 1),
                EXAMPLE,
            )
        found = _KEYWORD.fullmatch(piece)
        if found is None and number:
            raise FormulaError(
                f"{piece!r} stands without saying what it is.",
                text,
                (start, stop),
                f"After the structure write name=value, with one of {_listed()}. "
                + EXAMPLE,
            )
        role, value = (PARAMETERS[0], piece) if found is None else found.groups()
        if role not in PARAMETERS:
            raise FormulaError(
                f"{role!r} is nothing that residuals have.",
                text,
                (start, start + len(role)),
                f"They have {_listed()}. {EXAMPLE}",
            )
        if role in parameters:
            raise FormulaError(
                f"The {role} of the residuals is said twice.", text, (start, stop)
            )
        spans[role] = stop - len(value), stop
        parameters[role] = _value(role, value, text, spans[role])
    return parameters, spans


def _listed() -> str:
    return ", ".join(f"{name}=" for name in PARAMETERS[1:])


def _value(
    role: str, value: str, text: str, span: Span
) -> str | int | list[str] | VarianceFunction:
    """A number of those that are, a name of all others."""
    if role == PARAMETERS[0]:
        return _structure(value, text, span)
    if role in NUMBERS:
        if re.fullmatch(r"[0-9]{1,9}", value):
            return int(value)
        raise FormulaError(
            f"The {role} of residuals is a whole number, found {value!r}.", text, span
        )
    if NAME.fullmatch(value):
        return value.strip("`")
    if role == "time" and _PLACES.fullmatch(value):
        return [name.strip("`") for name in NAME.findall(value)]
    if role == "variance" and (found := _FUNCTION.fullmatch(value)):
        return FUNCTIONS[found[1]](found[2].strip("`"))
    allowed = {
        "time": ", or several in parentheses, (x, y)",
        "variance": ", or Power(x) or Exponential(x)",
    }.get(role, "")
    raise FormulaError(
        f"The {role} of residuals is one name{allowed}, found {value!r}.",
        text,
        span,
        "Names stand without quotes, odd ones in backticks; make a column of anything "
        "else before.",
    )


def _structure(value: str, text: str, span: Span) -> str:
    """The name of a structure; that of other programs, and what is near, is corrected."""
    if value in STRUCTURES:
        return value
    hint = f"Those that there are: {', '.join(STRUCTURES)}."
    ordered = _ORDERED.fullmatch(value)
    bare = value.strip("\"'").lower()
    if ordered and ordered[1].lower() in STRUCTURES:
        hint = f"Write {ordered[1].lower()}, order={ordered[2]}."
    elif bare in STRUCTURES:
        hint = f"Write {bare}, without quotes and in small letters."
    elif structure_of(bare):
        hint += f" What is called {bare} elsewhere is {structure_of(bare)}."
    raise FormulaError(f"{value!r} is no structure of residuals.", text, span, hint)


def _read_grouping(text: str, bar: int, span: Span) -> tuple[str, ...]:
    """The variable behind the bar, or several for their combinations."""
    piece = text[slice(*span)]
    if not piece.strip():
        raise FormulaError(
            "No grouping variable stands behind the bar.",
            text,
            (bar, bar + 1),
            EXAMPLE,
        )
    groupings = read_groupings(text, *span)
    if len(groupings) > 1:
        *above, own = groupings[-1]
        raise FormulaError(
            f"{piece} has two readings behind the bar of a residual structure.",
            text,
            span,
            f"For parameters of each {above[-1]}, as mmrm has it, write by={above[-1]} "
            f"| {own}; for {own} numbered within {above[-1]}, as lme4 has it, write "
            f"| {':'.join(groupings[-1])}.",
        )
    return groupings[0]


def _check(term: ResidualTerm, text: str) -> None:
    """Refuse what the structure does not have, or lacks."""
    kind, name = STRUCTURES[term.structure], term.structure
    if isinstance(term.parameters.get("time"), list) and not kind.several_times:
        takers = " or ".join(k for k, s in STRUCTURES.items() if s.several_times)
        raise FormulaError(
            f"{name} residuals have one time.",
            text,
            term.spans["time"],
            f"Residuals by the distance of places are {takers}.",
        )
    if "order" in term.parameters and not kind.ordered:
        raise FormulaError(
            f"{name} residuals have no order.",
            text,
            term.spans["order"],
            f"Those with one: {', '.join(k for k, v in STRUCTURES.items() if v.ordered)}.",
        )
    if kind.time_kind is not None and "time" not in term.parameters:
        raise FormulaError(
            f"{name} residuals need the time.",
            text,
            term.span,
            f"Write residuals({name}, time=variable | group).",
        )
    if kind.within_groups and not term.grouping:
        raise FormulaError(
            f"{name} residuals are correlated within groups, and none are named.",
            text,
            term.span,
            "Name the variable of the groups behind a bar: residuals(..., time=variable "
            "| group).",
        )
