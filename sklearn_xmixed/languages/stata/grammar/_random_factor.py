"""``R.variable`` of a random-effects equation, and what is no such thing but looks like it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NoReturn

from ....expressions import Span
from ._cursor import Cursor
from ._syntax import (
    Continuous,
    Cross,
    Factor,
    Group,
    Item,
    Operator,
    Pattern,
    Prefixed,
    Random,
    Range,
    Series,
)

__all__ = ["combined", "read_factor"]

#: variables of a product, with the operators before them
Leaf = tuple[Pattern | Range, tuple[Operator, ...]]


def read_factor(
    cursor: Cursor, level: Pattern, items: tuple[Item, ...]
) -> Pattern | None:
    """The variable of ``R.variable``, where an equation has it; None where it has none.

    Raises
    ------
    CommandError
        If ``R.`` stands before anything but one variable, or not alone.
    """
    for item in items:
        leaves = _leaves(item)
        if not any(_random(operators) for _, operators in leaves):
            continue
        if _is_factor(item) and len(items) == 1:
            ((variable, _),) = leaves
            assert isinstance(variable, Pattern)
            return variable
        _Refusal(cursor, level.text, items, item, leaves).explain()
    return None


def combined(names: Sequence[str]) -> str:
    """How to number the combinations of several variables."""
    listed = ", ".join(f'"{name}"' for name in names)
    return f'data["{"_".join(names)}"] = data.groupby([{listed}]).ngroup()'


def _random(operators: tuple[Operator, ...]) -> bool:
    return any(isinstance(o, Random) for o in operators)


def _leaves(item: Item) -> list[Leaf]:
    """Variables of an item from left to right, with all operators that reach them."""
    if isinstance(item, Cross):
        return _leaves(item.left) + _leaves(item.right)
    if isinstance(item, Group):
        return [leaf for inner in item.items for leaf in _leaves(inner)]
    if isinstance(item, Prefixed):
        inner = _leaves(item.inner)
        return [(variable, (*item.operators, *more)) for variable, more in inner]
    return [(item, ())]


def _crosses(item: Item) -> list[Cross]:
    """All products in an item."""
    if isinstance(item, Cross):
        return [item, *_crosses(item.left), *_crosses(item.right)]
    if isinstance(item, Group):
        return [cross for inner in item.items for cross in _crosses(inner)]
    return _crosses(item.inner) if isinstance(item, Prefixed) else []


def _is_factor(item: Item) -> bool:
    """Whether it is ``R.`` and one name."""
    return (
        isinstance(item, Prefixed)
        and len(item.operators) == 1
        and isinstance(item.inner, Pattern)
        and not any(c in item.inner.text for c in "*?~")
    )


class _Refusal:
    """What is wrong with an item that has ``R.``, and how to write what was meant."""

    def __init__(
        self,
        cursor: Cursor,
        level: str,
        items: tuple[Item, ...],
        item: Item,
        leaves: list[Leaf],
    ):
        self.cursor, self.level, self.items = cursor, level, items
        self.item, self.leaves = item, leaves
        self.span: Span = item.span
        self.names = list(dict.fromkeys(self._text(v.span) for v, _ in leaves))

    def _text(self, span: Span) -> str:
        return self.cursor.text[slice(*span)]

    def _equations(self, *names: str) -> str:
        return " ".join(f"|| {self.level}: R.{name}" for name in names)

    def _fail(self, problem: str, hint: str) -> NoReturn:
        self.cursor.fail(problem, hint, self.span)

    def explain(self) -> NoReturn:
        """Raise the error that fits."""
        crosses = _crosses(self.item)
        if crosses:
            self._interaction(full=any(cross.full for cross in crosses))
        if _is_factor(self.item):
            others = [self._text(i.span) for i in self.items if i is not self.item]
            rest = " ".join(f"|| {self.level}: {other}" for other in others)
            self._fail(
                "R.variable stands alone in its equation.",
                f"Repeat the level: || {self.level}: {self._text(self.span)} {rest}",
            )
        if any(isinstance(v, Range) or set("*?~") & {*v.text} for v, _ in self.leaves):
            self._fail(
                "R. takes one variable, by its name.",
                f"Give each an equation: {self._equations('a', 'b')}",
            )
        if len(self.leaves) > 1:
            self._fail(
                "R. takes one variable, not a list.",
                f"Give each an equation: {self._equations(*self.names)}",
            )
        self._operators(self.leaves[0][1])

    def _interaction(self, *, full: bool) -> NoReturn:
        """``R.a#b``, ``R.a##b``, and with a continuous variable among them."""
        shown = self._text(self.span)
        slopes = [
            self._text(variable.span)
            for variable, operators in self.leaves
            if any(isinstance(o, Continuous) for o in operators)
        ]
        if slopes:
            factor = next((n for n in self.names if n not in slopes), "factor")
            above = "" if self.level == "_all" else f"|| {self.level}: "
            self._fail(
                f"R. takes one variable, and {shown} is a coefficient of "
                f"{slopes[0]} for each level of a factor.",
                "Coefficients that vary between the levels of a variable are an "
                f"equation of it: {above}|| {factor}: {' '.join(slopes)}, noconstant",
            )
        plain = all(
            isinstance(variable, Pattern)
            and all(isinstance(o, Random) or o == Factor() for o in operators)
            for variable, operators in self.leaves
        )
        names = self.names
        if not plain or len(names) < len(self.leaves):
            names = ["a", "b"]
        new = "_".join(names)
        wanted = self._equations(*(names if full else ()), new)
        hint = f"Number the combinations, {combined(names)}, and write {wanted}"
        if self.level == "_all" and len(names) == 2 and not full:
            hint += f"; the same without a new variable: || {names[0]}: R.{names[1]}"
        self._fail(
            f"R. takes one variable, and {shown} is an interaction of factors.", hint
        )

    def _operators(self, operators: tuple[Operator, ...]) -> NoReturn:
        """``R.i.a``, ``i.R.a``, ``R.c.x``, ``R.L.x``, ``R.R.a``."""
        name = self.names[0]
        others = [o for o in operators if not isinstance(o, Random)]
        if any(isinstance(o, Continuous) for o in others):
            self._fail(
                "R. takes a variable as a factor, c. as a continuous variable.",
                f"Write R.{name} for an effect of each of its values, "
                f"|| {self.level}: {name} for a coefficient of it.",
            )
        if any(isinstance(o, Series) for o in others):
            self._fail(
                "R. takes a variable as it is, without lags and differences.",
                "Make a column of the lag or difference first.",
            )
        if any(isinstance(o, Factor) and o != Factor() for o in others):
            self._fail(
                "R. takes all levels of a variable, and none of them as a base.",
                f"Write R.{name}, which is an effect of each of them.",
            )
        if len(operators) == 1:
            self._fail("R. takes one variable, by its name.", f"Write R.{name}")
        self._fail(
            "R. takes a variable as a factor already.",
            f"Write R.{name}, without i. or another R.",
        )
