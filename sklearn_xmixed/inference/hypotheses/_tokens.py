"""Expressions in estimates cut into tokens: names may have any characters."""

from __future__ import annotations

import difflib
import re
from typing import NoReturn, Protocol

from ...exceptions import ExpressionError
from ...expressions import Token
from ._dual import FUNCTIONS, Dual

__all__ = ["Names", "tokens"]


class Names(Protocol):
    """Where an expression looks names up."""

    def find(self, name: str, equation: str | None = None) -> int | None:
        """Number of a name, of one equation or of any; None if there is none."""
        ...

    def value(self, number: int) -> Dual:
        """The estimate."""
        ...

    def known(self) -> list[str]:
        """All names, for suggestions."""
        ...

    @property
    def size(self) -> int:
        """Number of parameters."""
        ...


_SPACE = re.compile(r"\s+")
_BRACKETED = re.compile(r"_b\[")
_NUMBER = re.compile(r"(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?(?![\w.#])")
_RUN = re.compile(r"[\w.#]+")
_OPERATOR = re.compile(r"\*\*|==|[-+*/^(),=]")
_BASE = re.compile(r"\b(\d+)b\.")  # 0b.girl: the base level of a factor variable


def tokens(text: str, names: Names) -> list[Token]:
    """Cut an expression into tokens."""
    out: list[Token] = []
    at = 0
    while at < len(text):
        if space := _SPACE.match(text, at):
            at = space.end()
            continue
        if text[at] == "`":
            end = text.find("`", at + 1)
            if end < 0:
                raise ExpressionError("A ` is not closed:", text, (at, at + 1))
            out.append(_name(text[at + 1 : end], text, at, end + 1, names))
        elif bracket := _BRACKETED.match(text, at):
            end = _closing(text, bracket.end() - 1)
            out.append(_name(text[bracket.end() : end], text, at, end + 1, names))
        elif text[at] == "[":  # [equation]name, [equation]_b[name]
            end = _closing(text, at)
            if bracket := _BRACKETED.match(text, end + 1):
                last = _closing(text, bracket.end() - 1)
                whole = f"{text[at + 1 : end]}:{text[bracket.end() : last]}"
                out.append(_name(whole, text, at, last + 1, names))
                at = last + 1
                continue
            run = _RUN.match(text, end + 1)
            if run is None:
                raise ExpressionError(
                    "A name must follow [equation]:", text, (at, end + 1)
                )
            whole = f"{text[at + 1 : end]}:{run.group()}"
            out.append(_name(whole, text, at, run.end(), names))
        elif number := _NUMBER.match(text, at):
            out.append(Token("number", number.group(), at, number.end()))
        elif whole := _bracketed(text, at, names):
            out.append(_name(whole, text, at, at + len(whole), names))
        elif run := _RUN.match(text, at):
            word = run.group()
            called = text[run.end() :].lstrip().startswith("(")
            if called and word in FUNCTIONS:
                out.append(Token("function", word, at, run.end()))
            elif called and names.find(word) is None:
                _unknown_function(word, text, at, run.end(), names)
            else:
                out.append(_name(word, text, at, run.end(), names))
        elif operator := _OPERATOR.match(text, at):
            word = {"**": "^", "==": "="}.get(operator.group(), operator.group())
            out.append(Token("op", word, at, operator.end()))
        else:
            raise ExpressionError(
                f"{text[at]!r} has no meaning in an expression:",
                text,
                (at, at + 1),
                "Names with other characters than letters, digits, '_', '.' and '#' go "
                "between backticks: `my column`.",
            )
        at = out[-1].end
    return out


def _bracketed(text: str, at: int, names: Names) -> str:
    """A name such as color[T.red]; empty where there is no such estimate."""
    run = _RUN.match(text, at)
    if run is None or not text.startswith("[", run.end()):
        return ""
    name = text[at : _closing(text, run.end()) + 1]
    return "" if names.find(name) is None else name


def _closing(text: str, opened: int) -> int:
    """Where the bracket at ``opened`` is closed; brackets inside are paired."""
    depth = 0
    for at in range(opened, len(text)):
        depth += {"[": 1, "]": -1}.get(text[at], 0)
        if not depth:
            return at
    raise ExpressionError("A [ is not closed:", text, (opened, opened + 1))


def _name(word: str, text: str, start: int, end: int, names: Names) -> Token:
    number = names.find(word)
    if number is None:
        number = names.find(_BASE.sub(r"\1.", word))
    if number is None and ":" in word:
        for cut in (at for at, c in enumerate(word) if c == ":"):
            number = names.find(_BASE.sub(r"\1.", word[cut + 1 :]), word[:cut])
            if number is not None:
                break
    if number is None:
        known = names.known()
        close = difflib.get_close_matches(word, known, n=3, cutoff=0.6)
        hint = f"Did you mean {' or '.join(map(repr, close))}? " if close else ""
        shown = ", ".join(known[:12]) + (", ..." if len(known) > 12 else "")
        raise ExpressionError(
            f"There is no estimate {word!r}:",
            text,
            (start, end),
            f"{hint}Names: {shown}.",
        )
    return Token("name", str(number), start, end)


def _unknown_function(
    word: str, text: str, start: int, end: int, names: Names
) -> NoReturn:
    terms = [name for name in names.known() if f":{word}(" in name]
    hint = f"Functions are {', '.join(sorted(FUNCTIONS))}."
    if terms:
        hint = f"Parameters of the random part are written {', '.join(terms[:4])}."
    raise ExpressionError(f"There is no function {word!r}:", text, (start, end), hint)
