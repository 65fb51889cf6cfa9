"""Groups that stay on Dask's workers: what the pass and an evaluation cost.

    python tests/benchmarks/lazy_workers.py [groups] [workers] [rows of a group]

makes the rows on the workers of a cluster on this machine (random intercept and slope,
three columns, REML), and tells seconds of the clock and of the workers' processors: where
others use the machine, the latter.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import dask
import numpy as np
import pandas as pd

from sklearn_xmixed import MixedLinearRegressor, RandomEffects
from sklearn_xmixed.likelihood.nested._objective import NestedObjective

#: groups of a partition
PART = 50_000


def rows(part: int, groups: int, size: int) -> pd.DataFrame:
    """Some groups, whose rows lie in this partition alone."""
    rng = np.random.default_rng(part)
    G = min(PART, groups - part * PART)
    g = np.repeat(part * PART + np.arange(G), size)
    x, t, z = rng.random((3, len(g)))
    u, v = np.repeat(rng.normal(size=(2, G)), size, axis=1)
    y = 1.0 + 0.5 * x + t + u + 0.5 * v * t + rng.normal(size=len(g))
    return pd.DataFrame({"g": g, "x": x, "t": t, "z": z, "y": y})


def main(groups: int = 200_000, workers: int = 2, size: int = 5) -> None:
    from dask import dataframe
    from distributed import Client, LocalCluster

    told: dict[str, list[tuple[float, float]]] = {}

    @contextmanager
    def told_as(name: str) -> Iterator[None]:
        cpu = sum(client.run(time.process_time).values())
        start = time.perf_counter()
        yield
        took = time.perf_counter() - start
        cpu = sum(client.run(time.process_time).values()) - cpu
        told.setdefault(name, []).append((took, cpu))

    def timed(name: str, usual: Callable) -> Callable:
        def method(*args, **kwargs):
            order = kwargs.get("order", args[2] if len(args) > 2 else 1)
            with told_as(name if name != "pieces" else f"pieces, order {order}"):
                return usual(*args, **kwargs)

        return method

    for name in ("pieces", "curvature"):
        setattr(NestedObjective, name, timed(name, getattr(NestedObjective, name)))
    with (
        LocalCluster(
            n_workers=workers, threads_per_worker=1, dashboard_address=None
        ) as cluster,
        Client(cluster) as client,
        dask.config.set({"sklearn-xmixed.collect": 0}),
    ):
        X = dataframe.from_map(
            rows, list(range(-(-groups // PART))), groups=groups, size=size
        )
        model = MixedLinearRegressor(
            RandomEffects("g", ["t"], covariance="unstructured"),
            method="reml",
            fixed=["x", "t", "z"],
        )
        with told_as("fit"):
            model.fit(X, "y")
        memory = client.run(peak)
    print(f"{groups} groups, {groups * size} rows, {workers} workers")
    print(f"{model.n_iter_} iterations, peak by worker {sorted(memory.values())} GB")
    for name, each in told.items():
        clock, cpu = np.array(each).T
        print(
            f"{name:20s} {len(each):3d} x, clock {clock.min():.3f} to {clock.max():.3f} "
            f"(all {clock.sum():.1f}), processors {cpu.min():.3f} to {cpu.max():.3f} "
            f"(all {cpu.sum():.1f})",
            flush=True,
        )


def peak() -> float:
    import resource

    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, 2)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
