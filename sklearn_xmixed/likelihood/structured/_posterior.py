"""Random effects given the data where residuals are structured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from ..nested._posterior import NestedPosterior

__all__ = ["StructuredPosterior"]


@dataclass(eq=False)
class StructuredPosterior(NestedPosterior):
    """The same as of nested levels, from a tree of whitened rows."""

    kind: ClassVar[str] = "structured"
    refusals: ClassVar[Mapping[str, str]] = {"replicates": "structured residuals"}
