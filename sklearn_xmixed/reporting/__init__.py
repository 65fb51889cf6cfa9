"""Numbers to tables, tables to text and HTML."""

from ._summary import Summary

__all__ = ["Summary"]
