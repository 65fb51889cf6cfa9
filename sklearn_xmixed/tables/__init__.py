"""Tables that are not in memory: what an engine is asked for, numbers that come back."""

from ._parts import Parts, most_collected
from ._progress import Progress
from ._sums import GroupSums, Summary, TableSums, is_missing
from ._table import Table
from ._whole_groups import LABEL, WholeGroups

__all__ = [
    "LABEL",
    "GroupSums",
    "Parts",
    "Progress",
    "Summary",
    "Table",
    "TableSums",
    "WholeGroups",
    "is_missing",
    "most_collected",
]
