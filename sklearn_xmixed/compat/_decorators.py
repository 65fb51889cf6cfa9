"""scikit-learn's decorators of methods, which say nothing of types.

Without this a type checker takes ``fit`` for Any, since scikit-learn has no types.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

from sklearn.utils import metaestimators

from . import _callbacks

__all__ = ["available_if", "with_callbacks"]

Method = TypeVar("Method", bound=Callable[..., Any])


def available_if(check: Callable[[Any], bool]) -> Callable[[Method], Method]:
    """scikit-learn's ``available_if``, with the type of the method kept."""
    return cast(Callable[[Method], Method], metaestimators.available_if(check))


def with_callbacks(method: Method) -> Method:
    """scikit-learn's ``with_callbacks``, or what stands for it, with the type kept."""
    return cast(Method, _callbacks.with_callbacks(method))
