"""Frozen dataclasses to what JSON can hold, and back.

A field's annotation says how it is read back, so only these kinds are allowed:
numbers, text, dicts of text, arrays, tuples of these, other dataclasses, or None.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any, Self, TypeVar

import numpy as np

from ._monte_carlo import MonteCarlo
from ._parts import EquationSummary, GroupSummary, Specification
from .variances._parameters import VarianceParameter

__all__ = ["Portable", "decode", "encode"]

T = TypeVar("T")
#: of what ``to_dict`` writes
FORMAT = 1
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


class Portable:
    """A frozen dataclass that can be written to JSON and read again."""

    def to_dict(self) -> dict[str, Any]:
        """Everything as numbers, text, lists and dicts that JSON can hold.

        A value that is not finite is written as "nan", "inf" or "-inf".
        ``from_dict`` gives the object back, to the last bit.

        Returns
        -------
        dict

        Examples
        --------
        >>> import json
        >>> from sklearn_xmixed import MixedLinearRegressor
        >>> from sklearn_xmixed.datasets import load_sleepstudy
        >>> from sklearn_xmixed.inference import Results
        >>> X, y = load_sleepstudy(return_X_y=True)
        >>> results = MixedLinearRegressor("subject").fit(X, y).results_
        >>> text = json.dumps(results.to_dict(), allow_nan=False)
        >>> again = Results.from_dict(json.loads(text))
        >>> again.log_likelihood == results.log_likelihood
        True
        """
        return {"format": FORMAT, **encode(self)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """The object out of what ``to_dict`` returned.

        Parameters
        ----------
        data : mapping
            Such as JSON gives it back.

        Returns
        -------
        object of this class

        Raises
        ------
        ValueError
            If something is missing or was written by a newer version.
        """
        if not isinstance(data, Mapping) or "format" not in data:
            raise ValueError(
                "from_dict takes a dict made by to_dict, which has the key "
                f"'format'; got {type(data).__name__}"
                + (
                    f" with {sorted(map(str, data))[:5]}."
                    if isinstance(data, Mapping)
                    else "."
                )
            )
        if data["format"] != FORMAT:
            raise ValueError(
                f"This has format {data['format']!r}, this version reads "
                f"format {FORMAT}. Update sklearn_xmixed, or write them again."
            )
        rest = {key: value for key, value in data.items() if key != "format"}
        return decode(cls, rest)
