"""Arguments of options: a reader for each kind of them."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from ._abbreviations import choose
from ._cursor import Cursor
from ._dfmethods import INFORMATION, METHODS
from ._expressions import parse_expression
from ._syntax import Pattern, ResidualSyntax, Weight
from ._varlist import parse_name

__all__ = [
    "COVARIANCES",
    "RESIDUALS",
    "SCALINGS",
    "Reader",
    "among",
    "read_degrees_of_freedom",
    "read_format",
    "read_integer",
    "read_level",
    "read_number",
    "read_offset",
    "read_residual",
    "read_technique",
    "read_vce",
    "read_weight",
]

Reader = Callable[[Cursor], Any]
COVARIANCES = ("INDependent", "EXchangeable", "IDentity", "UNstructured")
RESIDUALS = (
    "INDependent",
    "EXchangeable",
    "AR",
    "MA",
    "UNstructured",
    "BAnded",
    "TOeplitz",
    "EXPonential",
)
SCALINGS = ("SIZE", "EFFECTIVE", "GK")
TECHNIQUES = ("NR", "BFGS", "DFP", "BHHH")


def among(spellings: tuple[str, ...], what: str) -> Reader:
    def read(cursor: Cursor) -> str:
        token = cursor.now
        found = choose(token.text, spellings) if token.kind == "name" else None
        if found is None:
            words = ", ".join(s.lower() for s in spellings)
            problem = f"{token.text!r} is no {what}."
            if token.kind != "name":
                problem = f"The {what} is expected here, found {cursor.found()}."
            cursor.fail(problem, f"Choose one of {words}.")
        cursor.advance()
        return found

    return read


def read_integer(cursor: Cursor) -> int:
    token = cursor.now
    if token.kind != "number" or not token.text.isdigit() or len(token.text) > 9:
        cursor.fail(f"A whole number is expected here, found {cursor.found()}.")
    cursor.advance()
    return int(token.text)


def read_number(cursor: Cursor) -> float:
    token = cursor.now
    if token.kind != "number" or len(token.text) > 30:
        cursor.fail(f"A number is expected here, found {cursor.found()}.")
    cursor.advance()
    return float(token.text)


def read_level(cursor: Cursor) -> float:
    token = cursor.now
    value = read_number(cursor)
    if not 10 <= value <= 99.99:
        cursor.fail(
            f"A confidence level of {token.text} is out of range.",
            "It is given in percent, between 10 and 99.99.",
            token.span,
        )
    return value


def read_weight(kind: str) -> Reader:
    def read(cursor: Cursor) -> Weight:
        start, since = cursor.now.start, cursor.at
        expression = parse_expression(cursor)
        return Weight(kind, expression, cursor.written(since), cursor.span_from(start))

    return read


def read_residual(cursor: Cursor) -> ResidualSyntax:
    structure = among(RESIDUALS, "residual structure")(cursor)
    order = None
    if cursor.now.kind == "number":
        if structure not in ("ar", "ma", "banded", "toeplitz"):
            cursor.fail(
                f"{structure} residuals have no order.",
                "Those of ar, ma, banded and toeplitz have one.",
            )
        token = cursor.now
        order = read_integer(cursor)
        if order == 0 and structure != "banded":
            cursor.fail(f"The order of {structure} is at least 1.", "", token.span)
    roles: dict[str, Any] = {}
    if cursor.take(","):
        while not cursor.sees(")"):
            token = cursor.now
            if not cursor.sees_name("by", "t"):
                cursor.fail(
                    f"{cursor.found()} is no option of residuals()."
                    if token.kind != "end"
                    else "')' is missing.",
                    "Its options are by(variable) and t(variable).",
                )
            cursor.advance()
            if token.text in roles:
                cursor.fail(f"{token.text}() is given twice.", "", token.span)
            cursor.expect("(", token.text)
            roles[token.text] = parse_name(cursor, f"The variable of {token.text}()")
            cursor.expect(")", f"the variable of {token.text}()")
    return ResidualSyntax(structure, order, roles.get("by"), roles.get("t"))


def read_vce(cursor: Cursor) -> tuple[str, Any]:
    token = cursor.now
    kind = None
    if token.kind == "name":
        if token.text in ("bootstrap", "boot", "jackknife", "jack"):
            cursor.fail(
                f"vce({token.text}) is not understood.",
                "Bootstrap and jackknife are functions of a fitted model.",
            )
        kind = choose(token.text, ("OIM", "Robust", "Cluster"))
    if kind is None:
        problem = f"vce({token.text}) is not understood."
        if token.kind != "name":
            problem = f"A kind of standard errors is expected, found {cursor.found()}."
        cursor.fail(
            problem,
            "Write vce(oim), vce(robust) or vce(cluster variable).",
        )
    cursor.advance()
    if kind == "cluster":
        return kind, parse_name(cursor, "The variable with the clusters")
    return kind, None


def read_degrees_of_freedom(cursor: Cursor) -> str:
    word = among(tuple(METHODS), "method of degrees of freedom")(cursor)
    method = next(
        name for spelling, name in METHODS.items() if spelling.lower() == word
    )
    if not cursor.take(","):
        return method
    if word not in ("kroger", "satterthwaite"):
        cursor.fail(
            f"dfmethod({word}) has no options.",
            "eim and oim choose the information matrix of kroger.",
        )
    token = cursor.now
    said = among(tuple(INFORMATION), "information matrix")(cursor)
    if word == "kroger":
        return method + INFORMATION[said.upper()]
    if said == "eim":
        cursor.fail(
            "dfmethod(satterthwaite) takes the observed information.",
            "Write dfmethod(satterthwaite, oim), or dfmethod(kroger, eim).",
            token.span,
        )
    return method


def read_offset(cursor: Cursor) -> Pattern:
    return parse_name(cursor, "The variable of the offset")


def read_technique(cursor: Cursor) -> tuple[str, ...]:
    out: list[str] = []
    while not cursor.sees(")"):
        token = cursor.now
        word = among(TECHNIQUES, "optimization technique")(cursor)
        if word == "bhhh":
            cursor.fail("technique(bhhh) may not be specified.", "", token.span)
        out.append(word)
        if cursor.now.kind == "number":
            read_integer(cursor)
    if not out:
        cursor.fail("A technique is expected here.", "nr, bfgs or dfp.")
    return tuple(out)


def read_format(cursor: Cursor) -> str:
    start = cursor.now.start
    while not cursor.sees(")") and cursor.now.kind != "end":
        cursor.advance()
    span = cursor.span_from(start)
    text = cursor.text[slice(*span)]
    if not re.fullmatch(r"%\d{1,2}\.\d{1,2}[fge]", text):
        cursor.fail(f"{text!r} is no format.", "Write such as %9.0g or %8.2f.", span)
    width, digits = map(int, re.findall(r"\d+", text))
    if not 1 <= width <= 12 or digits >= width:
        cursor.fail(
            f"The format {text} is out of range.",
            "Up to 12 characters, and fewer decimals than characters.",
            span,
        )
    return text
