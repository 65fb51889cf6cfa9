"""The tree of an expression, and how it is walked."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from ._token import Span

__all__ = [
    "Algebra",
    "Binary",
    "Call",
    "Expression",
    "Literal",
    "Unary",
    "Variable",
]

Value = TypeVar("Value")


class Algebra(Protocol, Generic[Value]):
    """What an expression is evaluated in: numbers with slopes, columns of a table."""

    def literal(self, node: Literal) -> Value:
        """A number, a text or the missing value."""
        ...

    def variable(self, node: Variable) -> Value:
        """What a name stands for."""
        ...

    def unary(self, node: Unary, operand: Value) -> Value:
        """An operator before its operand."""
        ...

    def binary(self, node: Binary, left: Value, right: Value) -> Value:
        """An operator between its operands."""
        ...

    def call(self, node: Call, arguments: list[Value]) -> Value:
        """A function of its arguments."""
        ...


@dataclass(frozen=True)
class Expression(ABC):
    """A node; spans do not count when two of them are compared."""

    @abstractmethod
    def evaluate(self, algebra: Algebra[Value]) -> Value:
        """Its value."""

    def variables(self) -> Iterator[Variable]:
        """All names in it, from left to right."""
        return iter(())


@dataclass(frozen=True)
class Literal(Expression):
    """A number, a text, or None for the missing value."""

    value: float | str | None
    span: Span = field(default=(0, 0), compare=False, repr=False)

    def evaluate(self, algebra: Algebra[Value]) -> Value:
        """Its value."""
        return algebra.literal(self)


@dataclass(frozen=True)
class Variable(Expression):
    """A name, perhaps by an abbreviation."""

    name: str
    span: Span = field(default=(0, 0), compare=False, repr=False)

    def evaluate(self, algebra: Algebra[Value]) -> Value:
        """Its value."""
        return algebra.variable(self)

    def variables(self) -> Iterator[Variable]:
        """Itself."""
        yield self


@dataclass(frozen=True)
class Unary(Expression):
    """An operator before its operand."""

    operator: str
    operand: Expression
    span: Span = field(default=(0, 0), compare=False, repr=False)

    def evaluate(self, algebra: Algebra[Value]) -> Value:
        """Its value."""
        return algebra.unary(self, self.operand.evaluate(algebra))

    def variables(self) -> Iterator[Variable]:
        """Those of the operand."""
        return self.operand.variables()


@dataclass(frozen=True)
class Binary(Expression):
    """An operator between its operands."""

    operator: str
    left: Expression
    right: Expression
    span: Span = field(default=(0, 0), compare=False, repr=False)

    def evaluate(self, algebra: Algebra[Value]) -> Value:
        """Its value."""
        left, right = self.left.evaluate(algebra), self.right.evaluate(algebra)
        return algebra.binary(self, left, right)

    def variables(self) -> Iterator[Variable]:
        """Those of both sides."""
        yield from self.left.variables()
        yield from self.right.variables()


@dataclass(frozen=True)
class Call(Expression):
    """A function of arguments."""

    function: str
    arguments: tuple[Expression, ...]
    span: Span = field(default=(0, 0), compare=False, repr=False)

    def evaluate(self, algebra: Algebra[Value]) -> Value:
        """Its value."""
        return algebra.call(self, [a.evaluate(algebra) for a in self.arguments])

    def variables(self) -> Iterator[Variable]:
        """Those of the arguments."""
        for argument in self.arguments:
            yield from argument.variables()
