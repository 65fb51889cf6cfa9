"""Numbers as the manual prints them."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Formats", "count", "decimal", "general", "level_percent"]

_FORMAT = re.compile(
    r"%(?P<width>\d+)\.(?P<digits>\d+)(?P<kind>[fge])|\.(?P<python>\d+[fge])"
)


def general(value: float, width: int = 9) -> str:
    """A number with as many digits as fit: the manual's ``%9.0g``, ``%10.0g``.

    Of ``width`` characters one is kept for the sign and one for the decimal point,
    so that 9 leaves 7 digits.  Zeros at the end and the zero before the point
    are dropped.  A number too large for the digits, or so small that a power of ten
    would show more of them, is written with one.

    Parameters
    ----------
    value : float
        nan, a missing value, is shown as ``.``.
    width : int, default=9
        Longest result, at least 8.

    Returns
    -------
    str

    Examples
    --------
    >>> from sklearn_xmixed.reporting._format import general
    >>> general(0.03901239), general(-3.4952), general(25337.4867)
    ('.0390124', '-3.4952', '25337.49')
    >>> general(23667902.0), general(0.00000159), general(-1014.92679, width=10)
    ('2.37e+07', '1.59e-06', '-1014.9268')
    """
    value = float(value)
    if math.isnan(value):
        return "."
    if value == 0.0:
        return "0"
    sign = "-" if value < 0 else ""
    size = abs(value)
    if math.isinf(size):
        return f"{sign}inf"
    digits = width - 2
    plain = _plain(size, digits)
    power = _power(size, width - 1)
    if plain is None or _significant(plain) < _significant(power):
        return sign + power
    if "." in plain:
        plain = plain.rstrip("0").rstrip(".")
    return sign + plain


def _plain(size: float, digits: int) -> str | None:
    """With a decimal point and so many digits; None where they do not suffice."""
    places = digits - (0 if size < 1.0 else int(math.log10(size)) + 1)
    # rounding may carry into one digit more, and logarithms be off by one
    for decimals in range(places + 1, places - 2, -1):
        if decimals < 0:
            break
        text = f"{size:.{decimals}f}".removeprefix("0")
        if len(text.replace(".", "")) <= digits:
            return text
    return None


def _power(size: float, width: int) -> str:
    """With a power of ten, in at most ``width`` characters."""
    exponent = len(f"{size:.0e}") - 1  # of a mantissa without decimals
    return f"{size:.{max(0, width - exponent - 2)}e}"


def _significant(text: str) -> int:
    """How many significant digits a number is written with."""
    return len(text.partition("e")[0].replace(".", "").lstrip("0"))


def decimal(value: float, width: int, decimals: int) -> str:
    """A number with fixed decimals: ``%8.2f``, ``%5.3f``, ``%10.4f``.

    Parameters
    ----------
    value : float
    width : int
        Longest result; what does not fit is written by `general`.
    decimals : int

    Returns
    -------
    str

    Examples
    --------
    >>> from sklearn_xmixed.reporting._format import decimal
    >>> decimal(159.1775, 8, 2), decimal(float("nan"), 5, 3)
    ('159.18', '.')
    >>> decimal(123456789.1, 8, 2)
    '1.2e+08'
    """
    value = float(value)
    if not math.isfinite(value):
        return general(value)
    text = f"{value:.{decimals}f}"
    return text if len(text) <= width else general(value, max(width, 8))


def count(value: float) -> str:
    """A number of observations or groups; all digits of a whole number up to ten.

    Examples
    --------
    >>> from sklearn_xmixed.reporting._format import count
    >>> count(123456789), count(2.15384615)
    ('123456789', '2.153846')
    """
    whole = float(value).is_integer() and abs(value) < 1e10
    return f"{value:.0f}" if whole else general(value)


def level_percent(confidence_level: float) -> str:
    """A confidence level in percent, ``95`` for 0.95.

    Examples
    --------
    >>> from sklearn_xmixed.reporting._format import level_percent
    >>> level_percent(0.95), level_percent(0.999)
    ('95', '99.9')
    """
    return f"{round(100.0 * confidence_level, 10):.12g}"


@dataclass(frozen=True)
class Formats:
    """How the columns of the coefficient tables are written.

    Each is ``%w.df``, ``%w.dg`` or ``%w.de`` as in the manual, or ``.df`` and so on; ``%w.0g``
    shows as many digits as fit into w characters.  A number that is too wide for its
    column is written by `general`.

    Parameters
    ----------
    cformat : str, default="%9.0g"
        Coefficients, standard errors and limits of intervals; up to 9 characters.
    pformat : str, default="%5.3f"
        p-values; up to 5 characters.
    sformat : str, default="%8.2f"
        Test statistics; up to 8 characters.

    Raises
    ------
    ValueError
        If one is not such a format, or too wide.

    Examples
    --------
    >>> from sklearn_xmixed.reporting._format import Formats
    >>> formats = Formats(cformat="%8.2f", pformat=".2f")
    >>> formats.coef(25337.4867), formats.coef(-1e9), formats.p(0.049)
    ('25337.49', '-1.0e+09', '0.05')
    """

    cformat: str = "%9.0g"
    pformat: str = "%5.3f"
    sformat: str = "%8.2f"
    coef: Callable[[float], str] = field(init=False, repr=False, compare=False)
    p: Callable[[float], str] = field(init=False, repr=False, compare=False)
    test: Callable[[float], str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        for name, column, width in (
            ("cformat", "coef", 9),
            ("pformat", "p", 5),
            ("sformat", "test", 8),
        ):
            writer = _writer(name, getattr(self, name), width)
            object.__setattr__(self, column, writer)


def _writer(name: str, text: Any, widest: int) -> Callable[[float], str]:
    """The function that writes numbers of a column."""
    match = _FORMAT.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise ValueError(
            f"{name} must be a format such as '%{widest}.3f', '%{widest}.0g' or '.3f', "
            f"got {text!r}."
        )
    width = int(match["width"] or widest)
    if not 0 < width <= widest:
        raise ValueError(
            f"{name} may be 1 to {widest} characters wide, got {text!r} with {width}."
        )
    room = max(width, 8)
    if match["kind"] == "g" and match["digits"] == "0":
        return lambda value: general(value, room)
    spec = f".{match['python'] or match['digits'] + match['kind']}"

    def write(value: float) -> str:
        value = float(value)
        if not math.isfinite(value):
            return general(value)
        written = format(value, spec)
        return written if len(written) <= width else general(value, room)

    return write
