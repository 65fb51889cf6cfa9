"""Responses that were transformed, and the way back."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["Transformation", "transformation_of"]

Array = np.ndarray
Function = Callable[[Array], Array]


@dataclass(frozen=True)
class Transformation:
    """The inverse of what was done to the response.

    Parameters
    ----------
    response : str
        What estimates are of when they are transformed back: "weight".
    inverse : str
        Name of the inverse.
    back, slope : callable
        The inverse and its derivative.
    ratio : bool
        Whether differences become ratios: the response is a logarithm.
    """

    response: str
    inverse: str
    back: Function
    slope: Function
    ratio: bool = False


def _log(base: float) -> tuple[str, Function, Function, bool]:
    name = "exp" if base == np.e else f"{base:g} to the power of it"
    c = np.log(base)
    return name, lambda x: np.exp(c * x), lambda x: c * np.exp(c * x), True


#: by the names of the functions that formulas have
_KNOWN: dict[str, tuple[str, Function, Function, bool]] = {
    "log": _log(np.e),
    "log2": _log(2.0),
    "log10": _log(10.0),
    "log1p": ("expm1", np.expm1, np.exp, False),
    "sqrt": ("the square", np.square, lambda x: 2.0 * x, False),
    "cbrt": ("the cube", lambda x: x**3, lambda x: 3.0 * x**2, False),
    "exp": ("log", np.log, lambda x: 1.0 / x, False),
    "arcsin": ("sin", np.sin, np.cos, False),
    "arctanh": ("tanh", np.tanh, lambda x: 1.0 / np.cosh(x) ** 2, False),
}
_CALL = re.compile(r"\s*(?:np\.)?(\w+)\((.*)\)\s*", re.DOTALL)


def _one_call(text: str) -> re.Match | None:
    """A text that is one call from end to end, such as log(x + 1)."""
    found = _CALL.fullmatch(text)
    if found is None:
        return None
    depth = 0
    for character in found[2]:
        depth += (character == "(") - (character == ")")
        if depth < 0:  # log(x) + log(z)
            return None
    return found


def transformation_of(response: str, inverse: Any = None) -> Transformation:
    """How a response is transformed back.

    Parameters
    ----------
    response : str
        As the model has it.
    inverse : callable, default=None
        The inverse function; None reads it from the response.

    Raises
    ------
    TypeError
        If ``inverse`` is no function.
    ValueError
        If the response does not say how.
    """
    found = _one_call(response)
    inner = response if found is None else found[2].strip()
    if inverse is not None:
        if not callable(inverse):
            raise TypeError(
                f"inverse must be a function, such as numpy.exp; got {inverse!r}."
            )

        def slope(x: Array) -> Array:
            h = 1e-5 * np.maximum(np.abs(x), 1.0)
            return (np.asarray(inverse(x + h)) - np.asarray(inverse(x - h))) / (2.0 * h)

        name = getattr(inverse, "__name__", "the function given")
        ratio = inverse is np.exp
        return Transformation(
            inner, name, lambda x: np.asarray(inverse(x)), slope, ratio
        )
    if found is None or found[1] not in _KNOWN:
        raise ValueError(
            f"The response {response!r} does not say how it was transformed; the "
            f"functions that are known are {', '.join(_KNOWN)}. Pass the inverse, "
            "back_transform(numpy.exp) say."
        )
    return Transformation(inner, *_KNOWN[found[1]])
