"""Names in a command to columns of the data: abbreviations, wildcards, ranges."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Sequence
from typing import NoReturn

from ....expressions import Span
from ..grammar import Pattern, Range

__all__ = ["Fail", "Names"]

#: raises the error: from problem, hint and span
Fail = Callable[[str, str, Span], NoReturn]


class Names:
    """The columns of the data, in their order.

    Parameters
    ----------
    columns : sequence of str
    fail : callable
    options : callable, default=None
        Whether a word is an option, which is then said of a name that is not known.
    """

    def __init__(
        self,
        columns: Sequence[str],
        fail: Fail,
        options: Callable[[str], bool] | None = None,
    ):
        self.columns = list(columns)
        self.fail = fail
        self.options = options or (lambda word: False)

    def one(self, text: str, span: Span) -> str:
        """The column that a name or an unambiguous abbreviation stands for."""
        if text in self.columns:
            return text
        found = [c for c in self.columns if c.startswith(text)]
        if len(found) == 1:
            return found[0]
        if found:
            self.fail(
                f"{text!r} is ambiguous.", f"It abbreviates {_some(found)}.", span
            )
        if self.options(text):
            self.fail(
                f"The data have no variable {text!r}.",
                "It is an option: a comma stands before the first one.",
                span,
            )
        close = difflib.get_close_matches(text, self.columns, n=1)
        hint = f"Did you mean {close[0]!r}? " if close else ""
        self.fail(
            f"The data have no variable {text!r}.",
            f"{hint}Their variables are {_some(self.columns)}.",
            span,
        )

    def of(self, item: Pattern | Range) -> list[str]:
        """The columns that a pattern or a range stands for."""
        if isinstance(item, Range):
            first = self.one(item.first.text, item.first.span)
            last = self.one(item.last.text, item.last.span)
            begin, end = self.columns.index(first), self.columns.index(last)
            if end < begin:
                self.fail(
                    f"{last!r} comes before {first!r} in the data.",
                    "A range goes in the order of the columns.",
                    item.span,
                )
            return self.columns[begin : end + 1]
        text = item.text
        if text == "_all":
            return list(self.columns)
        if not any(c in text for c in "*?~"):
            return [self.one(text, item.span)]
        ways = {"*": ".*", "~": ".*", "?": "."}
        pattern = "".join(ways.get(c, re.escape(c)) for c in text)
        found = [c for c in self.columns if re.fullmatch(pattern, c)]
        if not found:
            self.fail(
                f"No variable matches {text!r}.",
                f"The variables are {_some(self.columns)}.",
                item.span,
            )
        if "~" in text and len(found) > 1:
            self.fail(
                f"{text!r} is ambiguous.",
                f"~ stands for one variable, here it matches {_some(found)}.",
                item.span,
            )
        return found


def _some(names: Sequence[str], most: int = 12) -> str:
    """Names for a message."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
