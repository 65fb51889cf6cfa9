"""A line that follows a command: its terms and options."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, NoReturn, Self

from ....exceptions import CommandError

__all__ = ["Line"]

# what stands in parentheses: values may be ranges within a list, x=(0(2)6)
_FLAT = r"[^()]*"
_ONCE = rf"{_FLAT}(?:\({_FLAT}\){_FLAT})*"
_TWICE = rf"{_FLAT}(?:\({_ONCE}\){_FLAT})*"
_OPTION = re.compile(rf"\s*([a-z]+)\s*(?:\(({_TWICE})\))?\s*,?")


@dataclass
class Line:
    """A line: its terms, and its options with what stands in their parentheses."""

    text: str
    method: str
    terms: list[str] = field(default_factory=list)
    options: dict[str, str] = field(default_factory=dict)
    #: every at() of the line
    repeated: list[str] = field(default_factory=list)

    @classmethod
    def read(cls, text: Any, command: str, method: str, known: set[str]) -> Self:
        if not isinstance(text, str):
            raise TypeError(f"The line must be text, got {type(text).__name__}.")
        line = cls(text, method)
        head, _, tail = text.partition(",")
        words = head.split()
        line.terms = words[1:] if words[:1] == [command] else words
        at = 0
        while tail[at:].strip():
            found = _OPTION.match(tail, at)
            if found is None:
                line.fail(f"{tail[at:].strip()!r} is not understood.")
            if found[1] not in known:
                line.fail(f"The option {found[1]!r} is not understood.")
            value = (found[2] or "").strip()
            if found[1] == "at":
                line.repeated.append(value)
            line.options[found[1]] = value
            at = found.end()
        return line

    def fail(self, problem: str) -> NoReturn:
        at = self.text.find(problem.split("'")[1]) if "'" in problem else -1
        span = None if at < 0 else (at, at + len(problem.split("'")[1]))
        raise CommandError(
            problem,
            self.text,
            span,
            f"The method {self.method} does the same and more.",
        )

    @property
    def level(self) -> float:
        try:
            return float(self.options.get("level") or 95) / 100.0
        except ValueError:
            self.fail(f"{self.options['level']!r} is no level.")

    def factors(self, term: str) -> list[str]:
        """Variables of a#b, prefixes i. and c. taken away."""
        return [re.sub(r"^[ic]\.", "", word) for word in term.split("#") if word]
