"""Lines after a command: which there are, and what a fit answers."""

from __future__ import annotations

import argparse
from typing import Any

from ._usage import UsageError

__all__ = ["LINES", "answers_to", "check_lines"]

#: lines after a command, methods of its fit
LINES = ("margins", "contrast", "pwcompare", "test", "lincom", "estat")


def check_lines(options: argparse.Namespace) -> None:
    """Before the fit, which may take long."""
    if options.then and options.formula:
        raise UsageError(
            "--then takes lines after a command, and a formula has none; its fit answers "
            "marginal_means, wald_test and other methods in Python."
        )
    for line in options.then:
        if _word(line) not in LINES:
            raise UsageError(
                f"--then {line!r} is not understood: a line begins with one of "
                f"{', '.join(LINES)}."
            )


def _word(line: str) -> str:
    return line.replace(",", " ").strip().partition(" ")[0]


def answers_to(fit: Any, options: argparse.Namespace) -> list[tuple[str, Any]]:
    """Lines after the command, and what they give."""
    return [(line, getattr(fit, _word(line))(line)) for line in options.then]
