"""Frozen dataclasses to what JSON can hold, and back.

A field's annotation says how it is read back, so only these kinds are allowed:
numbers, text, dicts of text, arrays, tuples of these, other dataclasses, or None.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar

import numpy as np

from ._montecarlo import MonteCarlo
from ._parts import EquationSummary, GroupSummary, Specification
from ._variance import VarianceParameter

__all__ = ["decode", "encode"]

T = TypeVar("T")
_CLASSES = {
    c.__name__: c
    for c in (
        EquationSummary,
        GroupSummary,
        MonteCarlo,
        Specification,
        VarianceParameter,
    )
}


def encode(value: Any) -> Any:
    """A value as numbers, text, lists and dicts."""
    if is_dataclass(value):
        return {f.name: encode(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, np.ndarray):
        return encode(value.tolist())
    if isinstance(value, Mapping):
        return {str(key): encode(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [encode(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value


def decode(cls: type[T], data: Any) -> T:
    """A dataclass out of what ``encode`` made of it.

    Raises
    ------
    ValueError
        If a field is missing, unknown or of the wrong kind.
    """
    name = cls.__name__
    if not isinstance(data, Mapping):
        raise ValueError(f"{name} is read from a dict, got {data!r}.")
    known = {f.name: str(f.type) for f in fields(cls)}  # type: ignore[arg-type]
    unknown, lost = sorted(set(data) - set(known)), sorted(set(known) - set(data))
    if unknown or lost:
        raise ValueError(
            f"{name} was not written by this version: unknown {unknown}, missing {lost}."
        )
    values = {}
    for key, kind in known.items():
        try:
            values[key] = _read(kind, data[key])
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"{name}.{key} should be {kind}, got {data[key]!r}: {error}"
            ) from None
    return cls(**values)


def _read(kind: str, value: Any) -> Any:
    if kind.endswith(" | None"):
        return None if value is None else _read(kind.removesuffix(" | None"), value)
    if kind.startswith("tuple["):
        item = kind.removeprefix("tuple[").removesuffix(", ...]")
        return tuple(_read(item, v) for v in value)
    if kind in _CLASSES:
        return decode(_CLASSES[kind], value)
    if kind == "Vector":
        return np.array([float(v) for v in value])
    if kind == "Matrix":
        rows = [[float(v) for v in row] for row in value]
        return np.array(rows) if rows else np.zeros((0, 0))
    if kind == "float":  # numbers of observations stay whole
        return value if isinstance(value, int | float) else float(value)
    if kind == "dict[str, str]":
        return {str(k): str(v) for k, v in value.items()}
    plain = {"int": int, "bool": bool, "str": str}[kind]
    if not isinstance(value, plain):
        raise TypeError(f"not {plain.__name__}")
    return value
