"""Errors of usage."""

from __future__ import annotations

__all__ = ["UsageError"]


class UsageError(Exception):
    """Something that the user has to write in another way."""
