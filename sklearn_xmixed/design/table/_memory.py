"""Memory that sums by group will take: predicted, told, and refused before it is taken."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ...compat import available_memory
from ...tables import TableSums

__all__ = ["Need", "check_memory", "count_of"]

#: bytes at the peak for each sum of a group: the engine's, the answer's, those in the
#: tree's columns and the tree; and for each label and the search
PER_SUM, PER_LABEL, PER_GROUP = 120.0, 100.0, 400.0
#: share of the available memory that may be used
SHARE = 0.8


@dataclass(frozen=True)
class Need:
    """What sums by group take.

    Parameters
    ----------
    keys : tuple of str
    groups : int
        As many as there are, or may be.
    counted : bool
    n_sums : int
        Of every group.
    """

    keys: tuple[str, ...]
    groups: int
    counted: bool
    n_sums: int

    @property
    def bytes(self) -> float:
        """Memory at the peak."""
        each = PER_SUM * self.n_sums + PER_LABEL * len(self.keys) + PER_GROUP
        return self.groups * each

    def __str__(self) -> str:
        most = "" if self.counted else "at most "
        return (
            f"{self.n_sums} sums of each of {most}{self.groups:,} groups by "
            f"{', '.join(self.keys)}: {most}{self.bytes / 1e9:.2g} GB of memory"
        )


def count_of(left: int, w: int) -> int:
    """Sums of products of some of w columns with all of them."""
    return left * (left + 1) // 2 + left * (w - left)


def check_memory(
    sums: TableSums, keys: Sequence[str], n_sums: int, most: int | None = None
) -> None:
    """Tell what sums by group will take, and refuse what does not fit.

    Only where as many groups as there are rows would not fit, ranges of labels are asked
    for where these are whole numbers; and where as many would not fit either, groups are
    counted, which is a slow pass.

    Parameters
    ----------
    n_sums : int
        Of every group.
    most : int, optional
        Groups there can be.

    Raises
    ------
    MemoryError
    """
    if not keys:
        return
    keys = tuple(dict.fromkeys(keys))
    groups = sums.n_rows if most is None else min(most, sums.n_rows)
    need = Need(keys, groups, False, n_sums)
    available = available_memory()
    keyed = replace(sums, keys=keys)
    if need.bytes > SHARE * available and (most := keyed.most_groups()) is not None:
        need = replace(need, groups=min(most, groups))
    if need.bytes > SHARE * available:
        need = replace(need, groups=keyed.count_groups(), counted=True)
    if sums.table.progress is not None:
        sums.table.progress.say(f"{need}.")
    if need.bytes > SHARE * available:
        raise MemoryError(
            f"{need} are needed, and {available / 1e9:.2g} GB are available. Leave "
            "columns out (fixed=, columns with random coefficients), which are the sums; "
            "take coarser groups, or whole top-level groups of a sample; or a machine "
            "with more memory. The number of rows does not matter."
        )
