"""Text to tokens, which remember where they stood."""

from __future__ import annotations

import re

from ....exceptions import CommandError
from ....expressions import Token

__all__ = ["tokenize"]

_SPACE = re.compile(
    r"""(?:
        \s+
      | ///[^\n]*(?:\n|$)       # the line goes on
      | //[^\n]*
      | /\*.*?\*/
    )+""",
    re.VERBOSE | re.DOTALL,
)
_PROMPT = re.compile(r"[ \t]*\.[ \t]")  # a log shows ". " before a command
_CONTINUED = re.compile(
    r"[ \t]*>(?:[ \t]|$)", re.MULTILINE
)  # and "> " on its later lines
_TOKEN = re.compile(
    r"""
        (?P<name>[^\W\d]\w*)
      | (?P<number>(?:\d+(?:\.\d+)?|\.\d+)(?:[eE][+-]?\d+)?)
      | (?P<string>`"[^\n]*?"'|"[^"\n]*")
      | (?P<op>\|\||\#\#|==|~=|!=|>=|<=|&&|\S)
    """,
    re.VERBOSE,
)


def tokenize(text: str) -> list[Token]:
    """Cut a command into tokens, the last of kind "end".

    Comments, ``///`` and the ``. `` and ``> `` of logs count as space.

    Raises
    ------
    CommandError
        Where quotes do not close, or a second command begins.
    """
    tokens: list[Token] = []
    prompt = _PROMPT.match(text, len(text) - len(text.lstrip()))
    at = prompt.end() if prompt else 0
    while True:
        space = _SPACE.match(text, at)
        if space is not None:
            at = space.end()
            if "\n" in space.group():
                at = _line_start(text, at, space.group())
                if at < len(text) and _SPACE.match(text, at):
                    continue
        if at >= len(text):
            break
        found = _TOKEN.match(text, at)
        assert found is not None
        assert found.lastgroup is not None
        kind, word = found.lastgroup, found.group()
        if word in ('"', "`"):
            raise CommandError(
                "A quote does not close."
                if word == '"'
                else "Macros (`name') are not known here.",
                text,
                (at, at + 1),
                'Close it with " on the same line.'
                if word == '"'
                else "Put the value in, with an f-string for instance.",
            )
        glued = bool(tokens) and tokens[-1].end == at
        tokens.append(Token(kind, word, at, found.end(), glued))
        at = found.end()
    tokens.append(Token("end", "", len(text.rstrip()), len(text.rstrip())))
    return tokens


def _line_start(text: str, at: int, space: str) -> int:
    """Step over what a log puts before a line."""
    begin = text.rfind("\n", 0, at) + 1
    if _PROMPT.match(text, begin):
        where = (text.index(".", begin), len(text.rstrip()))
        raise CommandError(
            "A second command begins here.", text, where, "Give one command at a time."
        )
    if "///" not in space and (mark := _CONTINUED.match(text, begin)) is not None:
        return mark.end()
    return at
