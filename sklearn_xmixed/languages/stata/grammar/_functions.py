"""Functions of expressions, as a table.

Numbers are float64 arrays in which nan is the missing value; texts are arrays of
objects in which "" is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import expit, gammaln, ndtr, ndtri

__all__ = ["FUNCTIONS", "Function", "is_text", "missing", "ordered"]

Array = np.ndarray
_EPOCH = np.datetime64("1960-01-01", "D")


@dataclass(frozen=True)
class Function:
    """A function of expressions.

    Parameters
    ----------
    apply : callable
        From arrays to an array.
    least : int
    most : int or None
        Number of arguments; None is any.
    kind : {"number", "text", "any"}
        What the arguments must be; "any": all alike.
    usage : str
    """

    apply: Callable[..., Array]
    least: int = 1
    most: int | None = 1
    kind: str = "number"
    usage: str = ""

    @property
    def arity(self) -> str:
        """How many arguments it takes, in words."""
        if self.most is None:
            return f"at least {self.least} argument{'s' if self.least > 1 else ''}"
        if self.most == self.least:
            return f"{self.least} argument{'s' if self.least > 1 else ''}"
        return f"{self.least} to {self.most} arguments"


def is_text(values: Array) -> bool:
    """Whether values are texts."""
    return values.dtype.kind == "O"


def missing(values: Array) -> Array:
    """Where values are missing."""
    return values == "" if is_text(values) else np.isnan(values)


def ordered(values: Array) -> Array:
    """For comparisons: the missing value is larger than all numbers."""
    return values if is_text(values) else np.where(np.isnan(values), np.inf, values)


def _finite(function: Callable[..., Array]) -> Callable[..., Array]:
    """What has no finite value is missing."""

    def apply(*arguments: Array) -> Array:
        with np.errstate(all="ignore"):
            out = np.asarray(function(*arguments), dtype=float)
        return np.where(np.isfinite(out), out, np.nan)

    return apply


def _round(x: Array, unit: Array | float = 1.0) -> Array:
    unit = np.asarray(unit, dtype=float)
    with np.errstate(all="ignore"):
        return np.where(unit == 0, x, unit * np.floor(x / unit + 0.5))


def _mod(x: Array, y: Array) -> Array:
    with np.errstate(all="ignore"):
        return np.where(y > 0, x - y * np.floor(x / y), np.nan)


def _least(*x: Array) -> Array:
    out = x[0]
    for other in x[1:]:
        out = np.fmin(out, other)
    return out


def _largest(*x: Array) -> Array:
    out = x[0]
    for other in x[1:]:
        out = np.fmax(out, other)
    return out


def _cond(x: Array, yes: Array, no: Array, lost: Array | None = None) -> Array:
    out = np.where(x != 0, yes, no)  # a missing condition is not zero
    return out if lost is None else np.where(np.isnan(x), lost, out)


def _inlist(z: Array, *values: Array) -> Array:
    z = ordered(z)
    out = np.zeros(np.broadcast_shapes(z.shape, *(v.shape for v in values)), dtype=bool)
    for value in values:
        out |= z == ordered(value)
    return out.astype(float)


def _inrange(z: Array, low: Array, high: Array) -> Array:
    if is_text(z):
        return ((z >= low) & (z <= high)).astype(float)
    open_low, open_high = np.isnan(low), np.isnan(high)
    inside = (open_low | (z >= low)) & (open_high | (z <= high))
    both = open_low & open_high
    return np.where(np.isnan(z), both, inside | both).astype(float)


def _missing(*values: Array) -> Array:
    out = missing(values[0])
    for value in values[1:]:
        out = out | missing(value)
    return np.asarray(out, dtype=float)


def _days(x: Array) -> tuple[Array, Array]:
    gone = np.isnan(x) | (np.abs(x) > 1e6)
    return gone, _EPOCH + np.where(gone, 0, np.floor(x)).astype("timedelta64[D]")


def _year(x: Array) -> Array:
    gone, day = _days(x)
    return np.where(gone, np.nan, day.astype("datetime64[Y]").astype(int) + 1970.0)


def _month(x: Array) -> Array:
    gone, day = _days(x)
    return np.where(gone, np.nan, day.astype("datetime64[M]").astype(int) % 12 + 1.0)


def _day(x: Array) -> Array:
    gone, day = _days(x)
    first = day.astype("datetime64[M]").astype("datetime64[D]")
    return np.where(gone, np.nan, (day - first).astype(float) + 1.0)


def _each(function: Callable[..., object], kind: type) -> Callable[..., Array]:
    """A function of single texts, value by value."""

    def apply(*arguments: Array) -> Array:
        wide = np.broadcast_arrays(*arguments)
        out = np.empty(wide[0].shape, dtype=float if kind is float else object)
        flat = out.reshape(-1)
        for k, values in enumerate(zip(*(a.reshape(-1) for a in wide), strict=True)):
            flat[k] = function(*values)
        return out

    return apply


def _substr(text: str, start: float, length: float = np.inf) -> str:
    if np.isnan(start) or start == 0:
        return ""
    first = int(start) - 1 if start > 0 else len(text) + int(start)
    if first < 0:
        return ""
    stop = len(text) if not np.isfinite(length) else first + int(length)
    return text[first : max(first, stop)]


def _real(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        return np.nan
    return value if np.isfinite(value) else np.nan


def _mixed(
    function: Callable[..., Array], least: int, most: int | None, usage: str
) -> Function:
    return Function(function, least, most, "any", usage)


def _text(
    function: Callable[..., object], kind: type, usage: str, n: int = 1
) -> Function:
    return Function(_each(function, kind), n, n, "text", usage)


_ELEMENTWISE: dict[str, Callable[..., Array]] = {
    "abs": np.abs,
    "ceil": np.ceil,
    "exp": np.exp,
    "floor": np.floor,
    "int": np.trunc,
    "trunc": np.trunc,
    "ln": np.log,
    "log": np.log,
    "log10": np.log10,
    "sqrt": np.sqrt,
    "sign": np.sign,
    "sin": np.sin,
    "cos": np.cos,
    "tan": np.tan,
    "asin": np.arcsin,
    "acos": np.arccos,
    "atan": np.arctan,
    "tanh": np.tanh,
    "logit": lambda p: np.log(p) - np.log1p(-p),
    "invlogit": expit,
    "normal": ndtr,
    "invnormal": ndtri,
    "normalden": lambda z: np.exp(-0.5 * z * z) / np.sqrt(2.0 * np.pi),
    "lngamma": gammaln,
    "float": lambda x: x.astype(np.float32),
}

FUNCTIONS: dict[str, Function] = {
    **{k: Function(_finite(f), usage=f"{k}(x)") for k, f in _ELEMENTWISE.items()},
    "round": Function(_finite(_round), 1, 2, usage="round(x) or round(x, unit)"),
    "mod": Function(_finite(_mod), 2, 2, usage="mod(x, y)"),
    "min": Function(_least, 2, None, usage="min(x1, x2, ...)"),
    "max": Function(_largest, 2, None, usage="max(x1, x2, ...)"),
    "cond": Function(_cond, 3, 4, usage="cond(x, if true, if false)"),
    "inlist": _mixed(_inlist, 2, None, "inlist(x, a, b, ...)"),
    "inrange": _mixed(_inrange, 3, 3, "inrange(x, low, high)"),
    "missing": Function(_missing, 1, None, "either", "missing(x1, x2, ...)"),
    "mi": Function(_missing, 1, None, "either", "mi(x1, x2, ...)"),
    "year": Function(_year, usage="year(day)"),
    "month": Function(_month, usage="month(day)"),
    "day": Function(_day, usage="day(day)"),
    "lower": _text(str.lower, str, "lower(text)"),
    "upper": _text(str.upper, str, "upper(text)"),
    "trim": _text(str.strip, str, "trim(text)"),
    "length": _text(len, float, "length(text)"),
    "strlen": _text(len, float, "strlen(text)"),
    "strpos": _text(lambda s, t: s.find(t) + 1, float, "strpos(text, part)", 2),
    "real": _text(_real, float, "real(text)"),
    "substr": Function(
        _each(_substr, str), 2, 3, "first", "substr(text, start, length)"
    ),
}
