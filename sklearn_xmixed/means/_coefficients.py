"""Coefficients of contrasts among means, by kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from math import lcm
from numbers import Real
from typing import Any

import numpy as np

__all__ = ["KINDS", "USUAL", "contrast_coefficients", "label_of"]

Array = np.ndarray
Named = list[tuple[str, Array]]

#: the adjustment that is made if none is asked for
USUAL = {
    "pairwise": "tukey",
    "reference": "mvt",
    "consecutive": "mvt",
    "polynomial": "none",
    "effects": "fdr",
}
_DEGREES = ("linear", "quadratic", "cubic", "quartic")
MOST_DEGREES = 6


def label_of(level: Any) -> str:
    """How a level stands in the name of a contrast."""
    if isinstance(level, tuple):
        return " ".join(map(label_of, level))
    if isinstance(level, float | np.floating):
        return f"{level:.6g}"
    return str(level)


def _pairwise(levels: Sequence[Any], at: int) -> Named:
    names = [label_of(v) for v in levels]
    eye = np.eye(len(levels))
    return [
        (f"{names[i]} - {names[j]}", eye[i] - eye[j])
        for i in range(len(levels))
        for j in range(i + 1, len(levels))
    ]


def _reference(levels: Sequence[Any], at: int) -> Named:
    names = [label_of(v) for v in levels]
    eye = np.eye(len(levels))
    return [
        (f"{names[i]} - {names[at]}", eye[i] - eye[at])
        for i in range(len(levels))
        if i != at
    ]


def _consecutive(levels: Sequence[Any], at: int) -> Named:
    names = [label_of(v) for v in levels]
    eye = np.eye(len(levels))
    return [
        (f"{names[i + 1]} - {names[i]}", eye[i + 1] - eye[i])
        for i in range(len(levels) - 1)
    ]


def _effects(levels: Sequence[Any], at: int) -> Named:
    k = len(levels)
    return [
        (f"{label_of(v)} effect", np.eye(k)[i] - 1.0 / k) for i, v in enumerate(levels)
    ]


def _polynomial(levels: Sequence[Any], at: int) -> Named:
    """Orthogonal polynomials of equally spaced levels, in whole numbers."""
    k = len(levels)
    basis = [[Fraction(1)] * k]
    out: Named = []
    for degree in range(1, min(k, MOST_DEGREES + 1)):
        row = [Fraction(i) ** degree for i in range(k)]
        for b in basis:
            share = Fraction(sum(x * y for x, y in zip(row, b, strict=True)))
            share /= Fraction(sum(y * y for y in b))
            row = [x - share * y for x, y in zip(row, b, strict=True)]
        basis.append(row)
        whole = [x * lcm(*(x.denominator for x in row)) for x in row]
        common = int(np.gcd.reduce([int(x) for x in whole]))
        name = _DEGREES[degree - 1] if degree <= 4 else f"degree {degree}"
        out.append((name, np.array([int(x) // common for x in whole], dtype=float)))
    return out


KINDS: dict[str, Callable[[Sequence[Any], int], Named]] = {
    "pairwise": _pairwise,
    "reference": _reference,
    "consecutive": _consecutive,
    "polynomial": _polynomial,
    "effects": _effects,
}


def contrast_coefficients(kind: Any, levels: Sequence[Any], ref: Any = None) -> Named:
    """Names and coefficients of contrasts.

    Parameters
    ----------
    kind : str or mapping
        One of ``KINDS``; or coefficients by name, each a list with one per mean or a
        mapping of levels to coefficients.
    levels : sequence
        Of the means; a tuple where several variables have levels.
    ref : level
        With kind "reference"; None is the first.

    Raises
    ------
    TypeError, ValueError
        On kinds, levels and numbers of coefficients that are none.
    """
    if isinstance(kind, Mapping):
        return _given(kind, levels)
    if not isinstance(kind, str) or kind not in KINDS:
        raise ValueError(
            f"kind must be one of {list(KINDS)} or a dict of coefficients, such as "
            f"{{'name': [1, -0.5, -0.5]}}; got {kind!r}."
        )
    at = 0
    if ref is not None:
        if kind != "reference":
            raise ValueError(f"ref goes with kind='reference', not with {kind!r}.")
        at = _place(ref, levels)
    return KINDS[kind](levels, at)


def _place(level: Any, levels: Sequence[Any]) -> int:
    try:
        return list(levels).index(tuple(level) if isinstance(level, list) else level)
    except ValueError:
        shown = ", ".join(map(repr, levels[:12])) + (
            ", ..." if len(levels) > 12 else ""
        )
        raise ValueError(
            f"{level!r} is none of the levels that are compared: {shown}."
        ) from None


def _given(kind: Mapping[Any, Any], levels: Sequence[Any]) -> Named:
    """Coefficients that the user wrote."""
    if not kind:
        raise ValueError("The dict of contrasts is empty.")
    if all(isinstance(v, Real) for v in kind.values()):
        kind = {"contrast": kind}
    out: Named = []
    for name, wanted in kind.items():
        row = np.zeros(len(levels))
        if isinstance(wanted, Mapping):
            for level, coefficient in wanted.items():
                row[_place(level, levels)] = coefficient
        else:
            values = np.asarray(wanted, dtype=float)
            if values.shape != row.shape:
                raise ValueError(
                    f"The contrast {name!r} needs {len(levels)} coefficients, one for "
                    f"each of {', '.join(map(label_of, levels[:12]))}; got "
                    f"{values.shape[0] if values.ndim == 1 else wanted!r}."
                )
            row[:] = values
        if not np.isfinite(row).all():
            raise ValueError(
                f"The contrast {name!r} has coefficients that are no numbers."
            )
        out.append((str(name), row))
    return out
