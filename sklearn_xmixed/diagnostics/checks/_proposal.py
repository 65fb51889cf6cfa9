"""The simplified model, as an estimator and as code."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sklearn.base import BaseEstimator, clone

from ..._spec import RandomEffects
from ...design._validation import equation_names, equations_of

__all__ = ["Proposal", "code_of"]

WIDTH = 79


@dataclass
class Proposal:
    """Changes that checks ask for, by the names of the equations.

    Parameters
    ----------
    dropped : dict of str to set of str
        Random effects to leave out.
    covariance : dict of str to str
        New structures.
    added : list of str
        Columns to add to the fixed part.
    residuals : bool
        Whether residuals are to be independent.
    """

    dropped: dict[str, set[str]] = field(default_factory=dict)
    covariance: dict[str, str] = field(default_factory=dict)
    added: list[str] = field(default_factory=list)
    residuals: bool = False

    def drop(self, equation: str, *effects: str) -> None:
        """Leave out effects of an equation."""
        self.dropped.setdefault(equation, set()).update(effects)

    def simplify(self, equation: str, covariance: str) -> None:
        """Give an equation a simpler structure."""
        self.covariance[equation] = covariance

    def add(self, column: str) -> None:
        """Add a column to the fixed part."""
        if column not in self.added:
            self.added.append(column)

    def model(self, estimator: Any) -> Any:
        """The estimator with these changes, not fitted; None without any."""
        if not (self.dropped or self.covariance or self.added or self.residuals):
            return None
        out = _plain(estimator)
        spec = equations_of(estimator.__dict__["random_effects"])
        names = equation_names(spec)
        if self.residuals:
            out.residuals = None
        kept = [
            self._changed(name, e, estimator)
            for name, e in zip(names, spec, strict=True)
        ]
        # a level is still needed where others nest in it or residuals are correlated
        while kept and out.residuals is None and _says_nothing(kept[-1]):
            kept.pop()
        out.random_effects = None if not kept else kept[0] if len(kept) == 1 else kept
        if self.dropped or self.added:
            random = {c for e in kept for c in e.columns}
            fixed = list(estimator.fixed_names_)
            out.fixed = fixed + [c for c in self.added if c in random]
        return out

    def _changed(self, name: str, spec: RandomEffects, estimator: Any) -> RandomEffects:
        gone = self.dropped.get(name, set())
        new = clone(spec)
        if name in self.covariance:
            new.covariance = self.covariance[name]
        effects = next(
            (e.effects for e in estimator._fitted.equations if e.name == name), ()
        )
        if spec.factor is not None and not spec.columns:  # one effect per level
            if gone:
                new.factor, new.intercept, new.covariance = None, False, None
            return new
        new.columns = [c for c in spec.columns if c not in gone] or ()
        has_constant = "_cons" in effects
        if "_cons" in gone or (spec.intercept and not has_constant and effects):
            new.intercept = False
        left = len(new.columns) + (has_constant and "_cons" not in gone)
        if left < 2:
            new.covariance = None
        if not left:
            new.factor = None
        return new


def _says_nothing(spec: RandomEffects) -> bool:
    return not spec.columns and not spec.intercept and spec.factor is None


def code_of(obj: Any, indent: int = 0) -> str:
    """Code that makes an estimator: parameters that are not defaults."""
    if isinstance(obj, Sequence) and not isinstance(obj, str):
        inner = [code_of(x, indent + 4) for x in obj]
        return _joined("[", inner, "]", indent)
    if not isinstance(obj, BaseEstimator):
        return repr(obj)
    if hasattr(obj, "_code"):  # made by a command
        return obj._code()
    parts: list[str] = []
    for name, p in inspect.signature(type(obj)).parameters.items():
        if p.kind is p.VAR_KEYWORD:
            continue
        value = obj.__dict__[name]
        if value is p.default or _same(value, p.default):
            continue
        text = code_of(value, indent + 4)
        positional = p.kind is p.POSITIONAL_OR_KEYWORD
        in_order = positional and len(parts) == list(
            inspect.signature(type(obj)).parameters
        ).index(name)
        parts.append(text if in_order else f"{name}={text}")
    return _joined(f"{type(obj).__name__}(", parts, ")", indent)


def _plain(estimator: Any) -> Any:
    """A copy, without the command or the formula that makes its columns."""
    kinds = [k for k in type(estimator).__mro__ if issubclass(k, BaseEstimator)]
    kind = next(k for k in kinds if not _takes_anything(k))
    if kind is type(estimator):
        return clone(estimator)
    names = kind().get_params(deep=False)
    given = {k: v for k, v in estimator.get_params(deep=False).items() if k in names}
    return clone(kind(**given))


def _takes_anything(kind: type) -> bool:
    parameters = inspect.signature(kind).parameters.values()
    return any(p.kind is p.VAR_KEYWORD for p in parameters)


def _same(value: Any, default: Any) -> bool:
    if isinstance(value, BaseEstimator):
        return False
    try:
        return type(value) is type(default) and bool(value == default)
    except ValueError:
        return False


def _joined(start: str, parts: list[str], end: str, indent: int) -> str:
    line = start + ", ".join(parts) + end
    if len(line) + indent <= WIDTH and "\n" not in line:
        return line
    inner = " " * (indent + 4)
    body = "".join(f"{inner}{part},\n" for part in parts)
    return f"{start}\n{body}{' ' * indent}{end}"
