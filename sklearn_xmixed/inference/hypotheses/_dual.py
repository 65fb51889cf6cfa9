"""Numbers that carry their derivative in the parameters: exact slopes of expressions."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import expit, logit, ndtr

__all__ = ["FUNCTIONS", "Dual"]

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class Dual:
    """A value and its slope in the parameters.

    Parameters
    ----------
    value : float
    slope : ndarray of shape (k,)
    degree : {0, 1, 2}
        0 without any parameter, 1 of a linear expression, 2 of any other.
    """

    value: float
    slope: Array
    degree: int = 2

    @classmethod
    def constant(cls, value: float, k: int) -> Dual:
        """A number."""
        return cls(float(value), np.zeros(k), 0)

    def __add__(self, other: Dual) -> Dual:
        return Dual(
            self.value + other.value,
            self.slope + other.slope,
            max(self.degree, other.degree),
        )

    def __neg__(self) -> Dual:
        return Dual(-self.value, -self.slope, self.degree)

    def __sub__(self, other: Dual) -> Dual:
        return self + (-other)

    def __mul__(self, other: Dual) -> Dual:
        degree = min(2, self.degree + other.degree)
        slope = self.value * other.slope + other.value * self.slope
        return Dual(self.value * other.value, slope, degree)

    def __truediv__(self, other: Dual) -> Dual:
        if other.value == 0:
            raise ArithmeticError("division by zero")
        value = self.value / other.value
        slope = (self.slope - value * other.slope) / other.value
        return Dual(value, slope, self.degree if not other.degree else 2)

    def __pow__(self, other: Dual) -> Dual:
        if not other.degree:
            n = other.value
            if n == 1:
                return self
            if n == 0:
                return Dual.constant(1.0, len(self.slope))
            if self.value < 0 and not float(n).is_integer():
                raise ArithmeticError(f"power {n:g} of {self.value:.6g}")
            if self.value == 0 and n < 1:
                raise ArithmeticError(f"power {n:g} of zero")
            inner = n * self.value ** (n - 1)
            return Dual(self.value**n, inner * self.slope, 2 if self.degree else 0)
        if not self.value > 0:
            raise ArithmeticError(f"power of {self.value:.6g}, which is not positive")
        return FUNCTIONS["exp"](FUNCTIONS["log"](self) * other)


def _lift(
    name: str,
    function: Callable[[float], float],
    derivative: Callable[[float], float],
    domain: Callable[[float], bool] = math.isfinite,
) -> Callable[[Dual], Dual]:
    """A function of duals from a function of numbers and its derivative."""

    def lifted(x: Dual) -> Dual:
        if not domain(x.value):
            raise ArithmeticError(f"{name} of {x.value:.6g}")
        slope = derivative(x.value) * x.slope if x.degree else x.slope
        return Dual(float(function(x.value)), slope, 2 if x.degree else 0)

    return lifted


def _positive(x: float) -> bool:
    return x > 0


def _unit(x: float) -> bool:
    return 0 < x < 1


def _density(x: float) -> float:
    return math.exp(-0.5 * x * x) / math.sqrt(2.0 * math.pi)


_logistic = _lift("invlogit", expit, lambda x: float(expit(x) * expit(-x)))
_log = _lift("log", math.log, lambda x: 1.0 / x, _positive)

#: what expressions may call
FUNCTIONS: dict[str, Callable[[Dual], Dual]] = {
    # exp(-inf), a variance of zero, has a value
    "exp": _lift("exp", math.exp, math.exp, lambda x: x < math.inf),
    "expm1": _lift("expm1", math.expm1, math.exp),
    "log": _log,
    "ln": _log,
    "log10": _lift(
        "log10", math.log10, lambda x: 1.0 / (x * math.log(10.0)), _positive
    ),
    "log1p": _lift("log1p", math.log1p, lambda x: 1.0 / (1.0 + x), lambda x: x > -1),
    "sqrt": _lift("sqrt", math.sqrt, lambda x: 0.5 / math.sqrt(x), _positive),
    "abs": _lift("abs", abs, lambda x: math.copysign(1.0, x), lambda x: x != 0),
    "sin": _lift("sin", math.sin, math.cos),
    "cos": _lift("cos", math.cos, lambda x: -math.sin(x)),
    "tan": _lift("tan", math.tan, lambda x: 1.0 + math.tan(x) ** 2),
    "sinh": _lift("sinh", math.sinh, math.cosh),
    "cosh": _lift("cosh", math.cosh, math.sinh),
    "tanh": _lift("tanh", math.tanh, lambda x: 1.0 / math.cosh(x) ** 2),
    "atanh": _lift(
        "atanh", math.atanh, lambda x: 1.0 / (1.0 - x * x), lambda x: -1 < x < 1
    ),
    "atan": _lift("atan", math.atan, lambda x: 1.0 / (1.0 + x * x)),
    "logit": _lift("logit", logit, lambda x: 1.0 / (x * (1.0 - x)), _unit),
    "invlogit": _logistic,
    "expit": _logistic,
    "normal": _lift("normal", ndtr, _density),
}
