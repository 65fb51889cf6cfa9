"""Objects that stay on the workers of a cluster, one for each part of a table.

What is asked of them comes back added up: functions go out, and numbers whose size has
nothing to do with the parts are summed in a tree on the workers.  Dask keeps how each
object was made, and makes those of a worker that died again.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

__all__ = ["Parts", "cluster", "most_collected"]

#: sums by group that are larger stay on the workers
MOST_COLLECTED = "256 MiB"
#: how many sums are added by one task
TOGETHER = 8
#: parts of a table by thread of the cluster: what is lost with a worker is not much
BY_THREAD = 2


def cluster() -> Any:
    """The client that Dask computes with at present; None without a cluster."""
    try:
        return importlib.import_module("distributed").get_client()
    except (ImportError, ValueError):
        return None


def most_collected() -> int:
    """Size in bytes up to which sums by group come to the client."""
    dask = importlib.import_module("dask")
    size = dask.config.get("sklearn-xmixed.collect", MOST_COLLECTED)
    return int(importlib.import_module("dask.utils").parse_bytes(size))


@dataclass(frozen=True, eq=False)
class Parts:
    """One object for each part.

    Parameters
    ----------
    client : distributed.Client
    futures : list of distributed.Future
        Empty once they were forgotten.
    """

    client: Any
    futures: list[Any]

    @classmethod
    def of(cls, client: Any, frame: Any, function: Callable, *args: Any) -> Parts:
        """``function(rows, *args)`` of every partition of a frame of Dask."""
        delayed = importlib.import_module("dask").delayed
        made = partial(_with, function, args)
        return cls(
            client, client.compute([delayed(made)(d) for d in frame.to_delayed()])
        )

    @staticmethod
    def number(client: Any) -> int:
        """How many parts a table is cut into."""
        return max(1, BY_THREAD * sum(client.nthreads().values()))

    def __len__(self) -> int:
        return len(self.futures)

    def __getstate__(self) -> dict:
        # what is on the workers of a cluster ends with it
        return {"client": None, "futures": []}

    def require(self) -> None:
        """Say so where the objects are not at hand.

        Raises
        ------
        RuntimeError
        """
        if not self.futures:
            raise RuntimeError(
                "The groups of this fit were on the workers of a Dask cluster and are not "
                "part of a saved or copied estimator. Write random_effects_ of the "
                "estimator that was fitted to Parquet files, or fit again."
            )

    def forget(self) -> None:
        """Let the workers have the memory; what was made of the objects stays."""
        self.futures.clear()

    def map(self, function: Callable, *args: Any) -> Parts:
        """``function(part, *args)`` of every part, which stays where the part is."""
        return Parts(self.client, self._each(partial(_with, function, args)))

    def added(self, function: Callable, *args: Any) -> Any:
        """The sum of ``function(part, *args)``."""
        total = self._sum(self._each(partial(_with, function, args)))
        return self.client.gather(total)

    def added_twice(
        self,
        first: Callable[[Any], Any],
        between: Callable[[Any], Any],
        second: Callable[[Any, Any], Any],
    ) -> tuple[Any, Any]:
        """In one round ``m = between(sum of first(part))`` and that of ``second(part, m)``.

        Returns
        -------
        m, sum
        """
        given = self._sum(self._each(first))
        middle = self.client.submit(between, given, pure=False)
        last = self._sum(self._each(second, middle))
        return tuple(self.client.gather([middle, last]))

    def gather(self) -> list[Any]:
        """All of them."""
        self.require()
        return list(self.client.gather(self.futures))

    def frame(self, function: Callable, *args: Any) -> Any:
        """A frame of Dask, a partition ``function(part, *args)`` for each part."""
        frames = importlib.import_module("dask.dataframe")
        made = self.map(function, *args)
        first = self.client.gather(made._each(_without_rows))
        like = next(one for one in first if one is not None)
        return frames.from_delayed(made.map(_as, like).futures, meta=like)

    def _each(self, function: Callable, *args: Any) -> list[Any]:
        self.require()
        one = [[argument] * len(self) for argument in args]
        return list(self.client.map(function, self.futures, *one, pure=False))

    def _sum(self, futures: list[Any]) -> Any:
        """In an order that is always the same, whoever comes first."""
        while len(futures) > 1:
            few = range(0, len(futures), TOGETHER)
            futures = [
                self.client.submit(_added, futures[i : i + TOGETHER], pure=False)
                for i in few
            ]
        return futures[0]


def _with(function: Callable, args: tuple, part: Any) -> Any:
    return function(part, *args)


def _added(items: Sequence[Any]) -> Any:
    out = items[0]
    for item in items[1:]:
        out = _plus(out, item)
    return out


def _plus(a: Any, b: Any) -> Any:
    """Numbers and what adds up as numbers do; of several, each with its own."""
    if a is None or b is None:
        return b if a is None else a
    if isinstance(a, list | tuple):
        return type(a)(_plus(x, y) for x, y in zip(a, b, strict=True))
    return a + b


def _without_rows(frame: Any) -> Any:
    """Names and types of a frame; None where it has no rows, and no types to speak of."""
    return frame.iloc[:0] if len(frame) else None


def _as(frame: Any, like: Any) -> Any:
    return frame if len(frame) else like
