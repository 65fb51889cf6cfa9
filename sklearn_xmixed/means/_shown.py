"""What means and contrasts share: how they are shown and transformed back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ._coefficients import label_of
from ._page import EstimatesPage
from ._transformation import Transformation

if TYPE_CHECKING:
    from ._estimates import LinearEstimates

__all__ = ["BackTransformed", "Shown", "transformed_table"]


class Shown:
    """Prints as text, shows as a table in notebooks."""

    page: Callable[[Any], Any] | None = None

    def _page(self) -> EstimatesPage:
        raise NotImplementedError

    def _shown(self) -> Any:
        return self._page() if self.page is None else self.page(self)

    def __str__(self) -> str:
        return self._shown().text()

    def __repr__(self) -> str:
        return self._shown().text()

    def _repr_html_(self) -> str:
        return self._shown().html()

    def _lost(self: LinearEstimates) -> tuple[str, ...]:  # type: ignore[misc]
        """Says which estimates are none."""
        lost = self.index[~self.estimable]
        if not len(lost):
            return ()
        shown = ", ".join(label_of(key) for key in lost[:8])
        more = f" and {len(lost) - 8} more" if len(lost) > 8 else ""
        return (
            f"Not estimable: {shown}{more}. The data have no rows in some cell that this "
            "depends on, or a column of the fixed part is collinear. Means with "
            "weights='cells' average over the cells that have rows.",
        )


@dataclass(frozen=True, eq=False, repr=False)
class BackTransformed(Shown):
    """Estimates on the scale of the response.

    Attributes
    ----------
    table : DataFrame
        Standard errors by the delta method, intervals transformed.
    transformation : str
        What was done.
    """

    table: pd.DataFrame
    transformation: str
    by: tuple[str, ...]
    confidence_level: float
    notes: tuple[str, ...] = ()

    def _page(self) -> EstimatesPage:
        return EstimatesPage(
            self.transformation, self.table, self.by, self.confidence_level, self.notes
        )


def transformed_table(table: pd.DataFrame, way: Transformation) -> pd.DataFrame:
    """Estimates, errors and intervals on the other side of a transformation."""
    out = table.copy()
    estimate = table["estimate"].to_numpy()
    ends = way.back(table[["ci_lower", "ci_upper"]].to_numpy())
    out["estimate"] = way.back(estimate)
    out["std_error"] = table["std_error"] * np.abs(way.slope(estimate))
    out["ci_lower"], out["ci_upper"] = ends.min(axis=1), ends.max(axis=1)
    return out
