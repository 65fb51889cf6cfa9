"""Names of the estimates in expressions, with values and slopes."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.linalg import block_diag

from .._results import Results
from ..variances._parameters import sd_of
from ._dual import FUNCTIONS, Dual

__all__ = ["Symbol", "Symbols"]

Array = np.ndarray


@dataclass(frozen=True)
class Symbol:
    """One name.

    Parameters
    ----------
    equation, name : str
        Response and coefficient, or level and term.
    place : int
        Of the parameter in ``Results.params``.
    metric : {"", "sd", "variance", "estimation"}
        Of a variance parameter.
    """

    equation: str
    name: str
    place: int
    metric: str = ""

    @property
    def label(self) -> str:
        """As hypotheses are printed."""
        return f"[{self.equation}]{self.name}"


class Symbols:
    """All estimates of a fit by name.

    Fixed effects go by their column's name.  Parameters of the random part are
    ``level:term`` in each metric, ``subject:sd(days)`` or ``subject:var(days)``, and by
    the manual's names of the estimation metric, ``lns1_1_1:_cons``, ``atr1_1_1_2:_cons``
    and ``lnsig_e:_cons`` (level, equation of the level, effects).

    Parameters
    ----------
    results : Results
    """

    def __init__(self, results: Results):
        self.results = results
        self.symbols: list[Symbol] = []
        p = len(results.fixed_names)
        for k, name in enumerate(results.fixed_names):
            self.symbols.append(Symbol(results.target, name, k))
        for metric in ("sd", "variance", "estimation"):
            seen: set[tuple[str, str]] = set()
            for k, q in enumerate(results.parameters):
                key = q.level, q.term(metric)
                if key not in seen:
                    self.symbols.append(Symbol(*key, p + k, metric))
                seen.add(key)
        for k, name in enumerate(_manual_names(results)):
            if name:
                self.symbols.append(Symbol(name, "_cons", p + k, "estimation"))
        self._fixed: dict[str, int] = {}
        self._all: dict[tuple[str, str], int] = {}
        for number, symbol in enumerate(self.symbols):
            if not symbol.metric:
                self._fixed.setdefault(symbol.name, number)
            self._all.setdefault((symbol.equation, symbol.name), number)

    @property
    def size(self) -> int:
        """Number of parameters."""
        return len(self.results.beta) + len(self.results.alpha)

    def find(self, name: str, equation: str | None = None) -> int | None:
        """Number of a symbol; without an equation that of a fixed effect."""
        if equation is None:
            return self._fixed.get(name)
        return self._all.get((equation, name))

    def known(self) -> list[str]:
        """Names as they can be written."""
        fixed = [s.name for s in self.symbols if not s.metric]
        random = [
            f"_b[{s.equation}:{s.name}]"
            for s in self.symbols
            if s.metric in ("sd", "variance")
        ]
        return [*fixed, *dict.fromkeys(random)]

    @cached_property
    def vcov(self) -> Array:
        """Covariance matrix of ``Results.params``."""
        return block_diag(self.results.beta_vcov, self.results.alpha_vcov)

    def value(self, number: int) -> Dual:
        """An estimate with its slope in all parameters."""
        symbol = self.symbols[number]
        if not symbol.metric:
            value = float(self.results.beta[symbol.place])
            return Dual(value, self._unit(symbol.place), 1)
        return self._variance(symbol.place, symbol.metric)

    def parameter(self, number: int, metric: str) -> Dual:
        """A parameter of the random part, by its number in ``Results.parameters``."""
        return self._variance(len(self.results.beta) + number, metric)

    def _unit(self, place: int) -> Array:
        out = np.zeros(self.size)
        out[place] = 1.0
        return out

    def _alpha(self, place: int) -> Dual:
        p = len(self.results.beta)
        return Dual(float(self.results.alpha[place - p]), self._unit(place), 1)

    def _variance(self, place: int, metric: str) -> Dual:
        p = len(self.results.beta)
        parameter = self.results.parameters[place - p]
        a = self._alpha(place)
        if metric == "estimation":
            return a
        if parameter.kind == "coef":
            transform = {"atanh": "tanh", "logit": "invlogit", "log": "exp"}
            kind = transform.get(parameter.transform)
            return a if kind is None else FUNCTIONS[kind](a)
        if parameter.kind == "corr":
            if np.isnan(a.value):  # of effects without variance
                return Dual(np.nan if metric == "sd" else 0.0, a.slope)
            r = FUNCTIONS["tanh"](a)
            if metric == "sd":
                return r
            ends = [
                sd_of(parameter, effect, self.results.parameters)
                for effect in parameter.effects[:2]
            ]
            return r * self._sd(p + ends[0]) * self._sd(p + ends[-1])
        sd = self._sd(place)
        return sd if metric == "sd" else sd * sd

    def _sd(self, place: int) -> Dual:
        a = self._alpha(place)
        value = float(np.exp(a.value))  # zero where the log is -inf
        return Dual(value, value * a.slope)

    def lost(self, numbers: list[int]) -> list[Symbol]:
        """Those without a standard error."""
        diagonal = np.diagonal(self.vcov)
        found = [self.symbols[n] for n in dict.fromkeys(numbers)]
        return [s for s in found if np.isnan(diagonal[self.places(s)]).any()]

    def places(self, symbol: Symbol) -> list[int]:
        """Parameters that a symbol depends on."""
        p = len(self.results.beta)
        if not symbol.metric:
            return [symbol.place]
        parameter = self.results.parameters[symbol.place - p]
        if parameter.kind == "corr" and symbol.metric == "variance":
            ends = [
                p + sd_of(parameter, effect, self.results.parameters)
                for effect in parameter.effects[:2]
            ]
            return [symbol.place, *ends]
        return [symbol.place]


def _manual_names(results: Results) -> list[str]:
    """lns1_1_1 and so on: level, equation of the level, effects; empty without one."""
    used = [e for e in results.equations if e.effects]
    groups = list(dict.fromkeys(e.group for e in results.equations))
    number: list[tuple[int, int]] = []
    count: Counter[str] = Counter()
    for equation in used:
        count[equation.group] += 1
        number.append((groups.index(equation.group) + 1, count[equation.group]))
    out = []
    for q in results.parameters:
        if q.equation is None:
            out.append("lnsig_e" if q.kind == "residual" else "")
            continue
        level, place = number[q.equation]
        effects = list(used[q.equation].effects)
        at = [effects.index(e) + 1 for e in q.effects if e in effects] or [1]
        if q.kind == "sd":
            out.append(f"lns{level}_{place}_{at[0]}")
        else:
            out.append(f"atr{level}_{place}_{at[0]}_{at[-1]}")
    return out
