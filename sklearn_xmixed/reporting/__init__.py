"""Numbers to tables, tables to text and HTML."""

from ._plain import PlainPage
from ._summary import Summary

__all__ = ["PlainPage", "Summary"]
