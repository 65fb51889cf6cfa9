"""Numbers to tables, tables to text and HTML."""

from ._plain import PlainPage
from ._summary import Summary
from ._tables import FixedBlock, FixedRow

__all__ = ["FixedBlock", "FixedRow", "PlainPage", "Summary"]
