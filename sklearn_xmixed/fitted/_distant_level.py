"""Random effects of one level whose groups are on the workers of a cluster."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd

from ..design._levels import path_frame
from ..tables import Table
from ._fitted import FittedModel
from ._level_table import LevelTable, check_kind, stage_columns_of

__all__ = ["DistantLevel"]


@dataclass(frozen=True, eq=False)
class DistantLevel(LevelTable):
    """The same as a frame of Dask, which no more than a frame of Dask can be joined with.

    Parameters
    ----------
    posterior : DistributedPosterior
    errors : bool
        Whether what the elimination keeps of the groups is there too.
    """

    posterior: Any = None
    errors: bool = False

    @classmethod
    def of(cls, fitted: FittedModel) -> Iterator[DistantLevel]:
        """Every level with random effects, top level first."""
        names = [encoder.group for encoder in fitted.encoders]
        depth = len(fitted.level_numbers)
        for level, number in enumerate(fitted.level_numbers):
            floor = depth - 1 - level
            columns = fitted.pool.matrix[:, fitted.pool.levels[floor].members]
            yield cls(
                f"level {names[number]!r}",
                number,
                names[: number + 1],
                pd.Index([]),
                np.zeros((0, columns.shape[1])),
                columns,
                floor,
                posterior=fitted.posterior,
            )

    def lent(
        self, table: Table, keys: Sequence[str], own: Sequence[str]
    ) -> nw.LazyFrame:
        """Labels, effects and what is beside them as a table of Dask."""
        if not table.elementary:
            raise NotImplementedError(
                f"The groups of {self.title} are on the workers of a Dask cluster, and "
                "only a frame of Dask can be joined with them. Pass one, or kind='fixed' "
                "for the fixed part."
            )
        frame = self.posterior.frame(
            _rows, self.term, self.level, list(keys), list(own), self.errors
        )
        for key, name in zip(keys, self.keys, strict=True):
            numeric = pd.api.types.is_numeric_dtype(frame.dtypes[key])
            check_kind(table, name, numeric=numeric)
        there = Table.of(frame)
        assert there is not None
        return there.frame

    def with_stage(self, stage: Any) -> DistantLevel:
        """The same with what the elimination keeps of the groups, found where they are."""
        return replace(self, errors=True)


def _rows(
    posterior: Any,
    labels: tuple,
    floor: int,
    number: int,
    keys: list[str],
    own: list[str],
    errors: bool,
) -> pd.DataFrame:
    """A row for each group of a part: its labels and its effects."""
    frame = path_frame(labels[0], number).to_frame(index=False)
    frame.columns = pd.Index(keys)
    effects = posterior.D[floor] @ posterior.floors[floor].e
    columns = dict(zip(own, effects, strict=True))
    if errors:
        columns |= stage_columns_of(posterior.stages()[floor], floor)
    return pd.concat([frame, pd.DataFrame(columns)], axis=1)
