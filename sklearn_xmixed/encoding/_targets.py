"""The response of an encoder: numbers, or two classes as 0 and 1."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.preprocessing import LabelEncoder
from sklearn.utils import assert_all_finite, column_or_1d
from sklearn.utils.multiclass import type_of_target

from ..exceptions import LinearProbabilityWarning

__all__ = ["Target"]

Array = np.ndarray

TYPES = ("auto", "continuous", "binary")


@dataclass(frozen=True)
class Target:
    """Numbers, what they are, and the classes where they are classes."""

    values: Array
    kind: str
    classes: Array | None = None

    @classmethod
    def of(cls, y: Any, target_type: Any) -> Target:
        """Read y.

        Raises
        ------
        ValueError
            On a response of another kind.

        Warns
        -----
        LinearProbabilityWarning
            Where two classes were found and not asked for.
        """
        if not isinstance(target_type, str) or target_type not in TYPES:
            raise ValueError(
                "The 'target_type' parameter of MixedEffectsEncoder must be one of "
                f"{', '.join(map(repr, TYPES))}. Got {target_type!r} instead."
            )
        if y is None:
            raise ValueError(
                "MixedEffectsEncoder requires y to be passed, but the target y is None"
            )
        y = column_or_1d(y, warn=True)
        kind = type_of_target(y, input_name="y") if target_type == "auto" else None
        if kind == "binary":
            warnings.warn(
                "The target has two classes: effects are of a linear model of the "
                "probability of the second, differences of probabilities that no link "
                "function keeps within 0 and 1. Set target_type='binary' where that is "
                "what you want, or target_type='continuous' where 0 and 1 are numbers.",
                LinearProbabilityWarning,
                stacklevel=4,
            )
        kind = target_type if kind is None else kind
        if kind == "continuous":
            return cls(_numbers(y), kind)
        if kind == "binary":
            return cls._of_classes(y)
        raise ValueError(
            f"Unknown label type: the target was found to be {kind!r}, and "
            "MixedEffectsEncoder takes numbers and two classes. Set "
            "target_type='continuous' if these are counts or other whole numbers; "
            "several classes are encoded by scikit-learn's TargetEncoder."
        )

    @classmethod
    def _of_classes(cls, y: Array) -> Target:
        coder = LabelEncoder().fit(y)
        n_classes = len(coder.classes_)
        if n_classes > 2:
            raise ValueError(
                f"target_type='binary' takes two classes, found {n_classes}. Set "
                "target_type='continuous' if they are numbers; several classes are "
                "encoded by scikit-learn's TargetEncoder."
            )
        return cls(coder.transform(y).astype(float), "binary", coder.classes_)


def _numbers(y: Array) -> Array:
    try:
        values = np.asarray(y).astype(float)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"target_type='continuous' takes numbers, and y holds others ({error}). Set "
            "target_type='binary' if there are two classes."
        ) from error
    assert_all_finite(values, input_name="y")
    return values
