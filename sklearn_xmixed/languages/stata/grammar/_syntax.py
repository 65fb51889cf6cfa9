"""What a command says, before any data are looked at.

Frozen trees.  Spans point into the command and do not count in comparisons.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NoReturn

from ....exceptions import CommandError
from ....expressions import Span
from ._expressions import Expression

__all__ = [
    "Command",
    "Continuous",
    "Cross",
    "EquationSyntax",
    "Factor",
    "Group",
    "Item",
    "Operator",
    "Option",
    "Pattern",
    "Prefixed",
    "Random",
    "Range",
    "ResidualSyntax",
    "Rows",
    "Series",
    "Weight",
]


# -- lists of variables ------------------------------------------------------------


@dataclass(frozen=True)
class Pattern:
    """A variable, an abbreviation of one, or names with ``*``, ``?`` and ``~``."""

    text: str
    span: Span = field(default=(0, 0), compare=False, repr=False)


@dataclass(frozen=True)
class Range:
    """``a-c``: variables from one to another in the order of the data."""

    first: Pattern
    last: Pattern
    span: Span = field(default=(0, 0), compare=False, repr=False)


@dataclass(frozen=True)
class Factor:
    """``i.``, ``ib2.``, ``ibn.``, ``2.``, ``i(2 3).``

    Parameters
    ----------
    levels : tuple of int or None
        None is all.
    base : int, str or None
        A level, "first", "last", "freq", "none", or "#k" for the k-th; None is not said.
    """

    levels: tuple[int, ...] | None = None
    base: int | str | None = None


@dataclass(frozen=True)
class Continuous:
    """``c.``"""


@dataclass(frozen=True)
class Series:
    """``L.``, ``F2.``, ``D.``, ``S12.``: a letter and its numbers."""

    letter: str
    numbers: tuple[int, ...] = (1,)


@dataclass(frozen=True)
class Random:
    """``R.``"""


Operator = Factor | Continuous | Series | Random


@dataclass(frozen=True)
class Prefixed:
    """Operators before a variable or a list in parentheses."""

    operators: tuple[Operator, ...]
    inner: Item
    span: Span = field(default=(0, 0), compare=False, repr=False)


@dataclass(frozen=True)
class Group:
    """A list in parentheses."""

    items: tuple[Item, ...]
    span: Span = field(default=(0, 0), compare=False, repr=False)


@dataclass(frozen=True)
class Cross:
    """``a#b``, or with ``full`` ``a##b``: the factors themselves too."""

    full: bool
    left: Item
    right: Item
    span: Span = field(default=(0, 0), compare=False, repr=False)


Item = Pattern | Range | Prefixed | Group | Cross


# -- the command -------------------------------------------------------------------


@dataclass(frozen=True)
class Rows:
    """``in first/last``; negative numbers count from the end, -1 is the last."""

    first: int
    last: int
    span: Span = field(default=(0, 0), compare=False, repr=False)


@dataclass(frozen=True)
class Weight:
    """``[pw=exp]``, or the argument of ``pweight()``.

    Parameters
    ----------
    kind : {"frequency", "sampling", "precision"}
    expression : Expression
    text : str
        The expression as written.
    """

    kind: str
    expression: Expression
    text: str = field(compare=False)
    span: Span = field(default=(0, 0), compare=False, repr=False)


@dataclass(frozen=True)
class ResidualSyntax:
    """``residuals(structure order, by() t())``."""

    structure: str
    order: int | None = None
    by: Pattern | None = None
    time: Pattern | None = None


@dataclass(frozen=True)
class Option:
    """An option by its full name.

    Parameters
    ----------
    name : str
    value : object
        Its argument, read; True where it takes none.
    """

    name: str
    value: Any = True
    span: Span = field(default=(0, 0), compare=False, repr=False)


@dataclass(frozen=True)
class EquationSyntax:
    """``levelvar: varlist, options``.

    Parameters
    ----------
    level : Pattern
        The text is ``_all`` for one group of all rows.
    items : tuple of Item
    factor : Pattern or None
        Of ``R.varname``.
    options : tuple of Option
        Those of the equation.
    """

    level: Pattern
    items: tuple[Item, ...] = ()
    factor: Pattern | None = None
    options: tuple[Option, ...] = ()
    span: Span = field(default=(0, 0), compare=False, repr=False)


@dataclass(frozen=True)
class Command:
    """A whole command.

    Parameters
    ----------
    text : str
        As it was given.
    name : str
        ``xtmixed``, ``xmixed`` or ``mixed``.
    quietly : bool
        Whether nothing is to be printed.
    target : Item
        The response.
    items : tuple of Item
        The fixed part.
    constant : bool
    condition : Expression or None
        Of ``if``; ``condition_text`` as written.
    rows : Rows or None
        Of ``in``.
    weight : Weight or None
    equations : tuple of EquationSyntax
    options : tuple of Option
        Those of the whole command.
    """

    text: str = field(compare=False)
    name: str
    quietly: bool
    target: Item
    items: tuple[Item, ...] = ()
    constant: bool = True
    condition: Expression | None = None
    condition_text: str = field(default="", compare=False)
    rows: Rows | None = None
    weight: Weight | None = None
    equations: tuple[EquationSyntax, ...] = ()
    options: tuple[Option, ...] = ()

    def option(self, name: str) -> Option | None:
        """An option of the whole command, None where it was not given."""
        return next((o for o in self.options if o.name == name), None)

    def value(self, name: str, default: Any = None) -> Any:
        """Its argument."""
        found = self.option(name)
        return default if found is None else found.value

    def fail(self, problem: str, hint: str = "", span: Span | None = None) -> NoReturn:
        """Raise its error."""
        raise CommandError(problem, self.text, span, hint)
