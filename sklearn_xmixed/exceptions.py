"""Warnings and errors of this package, each under a root of its own."""

from __future__ import annotations

from sklearn.exceptions import ConvergenceWarning

__all__ = [
    "CommandError",
    "ExactFitWarning",
    "ExpressionError",
    "LinearProbabilityWarning",
    "MixedModelWarning",
    "NotConvergedWarning",
    "TextError",
    "UnboundedLikelihoodWarning",
]


class MixedModelWarning(UserWarning):
    """Root of the warnings of sklearn_xmixed."""


class NotConvergedWarning(MixedModelWarning, ConvergenceWarning):
    """The search ended without a certified optimum."""


class UnboundedLikelihoodWarning(NotConvergedWarning):
    """The likelihood grows without bound towards the border of the parameters.

    What is reported is the best maximum inside, where there is one.
    """


class ExactFitWarning(MixedModelWarning):
    """The fixed part explains the response without a remainder."""


class LinearProbabilityWarning(MixedModelWarning):
    """Two classes are encoded by a linear model of their probability."""


class TextError(ValueError):
    """A text that cannot be understood.

    Prints what is wrong, the line of the text with the place marked, and what was
    expected there.

    Attributes
    ----------
    problem : str
        What is wrong.
    command : str
        The text as it was given.
    span : tuple of int or None
        Where: the first character, and the one after the last.
    hint : str
        What was expected, or what to do; may be empty.
    """

    def __init__(
        self,
        problem: str,
        command: str = "",
        span: tuple[int, int] | None = None,
        hint: str = "",
    ):
        self.problem = problem
        self.command = command
        self.span = span
        self.hint = hint
        lines = [problem, *_marked(command, span)]
        super().__init__("\n".join([*lines, hint] if hint else lines))

    def __reduce__(self):
        return type(self), (self.problem, self.command, self.span, self.hint)


class CommandError(TextError):
    """A command that cannot be understood, or that its data do not fit.

    Attributes
    ----------
    problem, command, span, hint
        As of ``TextError``.
    """


class ExpressionError(TextError):
    """An expression in estimates that cannot be read, or has no value.

    Attributes
    ----------
    problem, command, span, hint
        As of ``TextError``.
    """


def _marked(command: str, span: tuple[int, int] | None) -> list[str]:
    """The line of the command that holds the span, and carets below it."""
    if span is None:
        return [f"    {line}" for line in command.splitlines()]
    start = min(span[0], len(command))
    first = command.rfind("\n", 0, start) + 1
    last = command.find("\n", start)
    line = command[first : len(command) if last < 0 else last]
    width = max(1, min(span[1], first + len(line)) - start)
    shown = "".join(c if c.isprintable() else " " for c in line)
    return [f"    {shown}", f"    {' ' * (start - first)}{'^' * width}"]
