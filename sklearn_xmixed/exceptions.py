"""Warnings of this package, under one root so that they can be filtered."""

from __future__ import annotations

from sklearn.exceptions import ConvergenceWarning

__all__ = ["ExactFitWarning", "MixedModelWarning", "NotConvergedWarning"]


class MixedModelWarning(UserWarning):
    """Root of the warnings of sklearn_xmixed."""


class NotConvergedWarning(MixedModelWarning, ConvergenceWarning):
    """The search ended without a certified optimum."""


class ExactFitWarning(MixedModelWarning):
    """The fixed part explains the response without a remainder."""
