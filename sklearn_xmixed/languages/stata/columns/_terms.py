"""Terms of a list of variables: products of factors and continuous variables.

``a##b`` is an algebra of products: ``#`` multiplies two lists of them, ``##`` adds the
lists themselves.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from ....expressions import Span
from ..grammar import (
    Continuous,
    Cross,
    Factor,
    Group,
    Item,
    Operator,
    Prefixed,
    Random,
    Series,
)
from ._names import Names
from ._series import NO_LAG, Lag

__all__ = ["Term", "Unit", "expand", "label"]

#: more columns than this are a mistake
MOST = 5000


@dataclass(frozen=True)
class Unit:
    """One variable of a product.

    Parameters
    ----------
    name : str
        Its column.
    lag : Lag
    kind : {"bare", "factor", "continuous"}
        "bare" as long as nothing says what it is.
    levels : tuple of int or None
        Those chosen; None is all.
    """

    name: str
    lag: Lag = NO_LAG
    kind: str = "bare"
    levels: tuple[int, ...] | None = None

    @property
    def factor(self) -> bool:
        """Whether it is a factor."""
        return self.kind == "factor"


Term = tuple[Unit, ...]


def label(unit: Unit, level: int | None, alone: bool) -> str:
    """Name of a column: ``2.program``, ``c.age``, ``L.x``."""
    lag = unit.lag.text
    if level is not None:
        return f"{level}{lag}.{unit.name}"
    if alone:
        return f"{lag}.{unit.name}" if lag else unit.name
    return f"c{lag}.{unit.name}"


class _Expansion:
    def __init__(self, names: Names):
        self.names = names
        #: base by variable, where said, and the place
        self.bases: dict[str, tuple[int | str, Span]] = {}

    def terms(self, item: Item) -> list[Term]:
        if isinstance(item, Group):
            return [term for inner in item.items for term in self.terms(inner)]
        if isinstance(item, Prefixed):
            out = self.terms(item.inner)
            for operator in reversed(item.operators):
                out = self._apply(operator, out, item.span)
            return out
        if isinstance(item, Cross):
            left = [_as_factors(t) for t in self.terms(item.left)]
            right = [_as_factors(t) for t in self.terms(item.right)]
            if len(left) * len(right) > MOST:
                self._too_many(item.span)
            product = [self._product(a, b, item.span) for a in left for b in right]
            return [*left, *right, *product] if item.full else product
        return [(Unit(name),) for name in self.names.of(item)]

    def _too_many(self, span: Span) -> None:
        self.names.fail(f"This makes more than {MOST} columns.", "", span)

    def _product(self, a: Term, b: Term, span: Span) -> Term:
        out = (*a, *b)
        factors = [(u.name, u.lag) for u in out if u.factor]
        if len(set(factors)) < len(factors):
            self.names.fail(
                "A factor cannot interact with itself.",
                "For powers of a continuous variable write c.x#c.x",
                span,
            )
        if len(out) > 8:
            self.names.fail("An interaction may have up to eight variables.", "", span)
        # factors come first in names, as in girl#c.age
        return tuple(sorted(out, key=lambda u: not u.factor))

    def _apply(self, operator: Operator, terms: list[Term], span: Span) -> list[Term]:
        if isinstance(operator, Random):
            self.names.fail(
                "R. belongs to random-effects equations.",
                "In the fixed part write i.variable.",
                span,
            )
        if isinstance(operator, Series):
            if operator.letter == "S" and 0 in operator.numbers:
                self.names.fail("S0. is a difference of a value to itself.", "", span)
            if len(terms) * len(operator.numbers) > MOST:
                self._too_many(span)
            return [
                tuple(replace(u, lag=u.lag.then(operator.letter, number)) for u in term)
                for term in terms
                for number in operator.numbers
            ]
        return [tuple(self._type(operator, u, span) for u in term) for term in terms]

    def _type(self, operator: Factor | Continuous, unit: Unit, span: Span) -> Unit:
        if unit.kind != "bare":
            self.names.fail(
                f"{unit.name!r} is said to be a {_KIND[unit.kind]} already.", "", span
            )
        if isinstance(operator, Continuous):
            return replace(unit, kind="continuous")
        if operator.base is not None:
            known = self.bases.get(unit.name)
            if known is not None and known[0] != operator.base:
                self.names.fail(
                    f"{unit.name!r} is given two base levels.",
                    f"They are {known[0]} and {operator.base}.",
                    span,
                )
            self.bases[unit.name] = operator.base, span
        levels = operator.levels
        if levels is not None and levels == (operator.base,):
            levels = ()  # 2b.f only says which level is the base
        return replace(unit, kind="factor", levels=levels)


_KIND = {"factor": "factor", "continuous": "continuous variable"}


def _as_factors(term: Term) -> Term:
    """Within interactions a variable is a factor unless told otherwise."""
    return tuple(replace(u, kind="factor") if u.kind == "bare" else u for u in term)


def expand(
    items: Iterable[Item], names: Names
) -> tuple[list[tuple[Term, Span]], dict[str, tuple[int | str, Span]]]:
    """The terms of a list, each once, and the base levels it names.

    Raises
    ------
    CommandError
        On names that the data do not have, and on products that make no sense.
    """
    expansion = _Expansion(names)
    seen: dict[frozenset, None] = {}
    out = []
    for item in items:
        for term in expansion.terms(item):
            if len(term) == 1 and term[0].kind == "bare":
                term = (replace(term[0], kind="continuous"),)
            key = frozenset((unit, term.count(unit)) for unit in term)
            if key not in seen:
                seen[key] = None
                out.append((term, item.span))
                if len(out) > MOST:
                    expansion._too_many(item.span)
    return out, expansion.bases
