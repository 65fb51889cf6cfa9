"""Structured residuals of a Parquet file: seconds, and memory at the peak.

    python tests/benchmarks/lazy_structured.py FILE [patients] [structure] [engine]

The file is made where it is not there; ``shuffled`` in its name has its rows in no order.
"""

from __future__ import annotations

import resource
import sys
from pathlib import Path
from time import perf_counter

import numpy as np
import polars as pl

from sklearn_xmixed import MixedLinearRegressor, RandomEffects, Residuals

VISITS = 5


def make(path: Path, patients: int) -> None:
    """Five visits of every patient, correlations of 0.6 to the power of the lag."""
    rng = np.random.default_rng(0)
    lag = np.abs(np.subtract.outer(np.arange(VISITS), np.arange(VISITS)))
    L = np.linalg.cholesky(0.6**lag)
    patient = np.repeat(np.arange(patients), VISITS)
    visit = np.tile(np.arange(VISITS), patients)
    treated = np.repeat(rng.integers(0, 2, patients), VISITS)
    x = rng.normal(size=len(patient))
    e = (rng.normal(size=(patients, VISITS)) @ L.T).ravel()
    y = 1.0 + 0.5 * x - 0.2 * visit + 0.1 * treated * visit + e
    rows = {"patient": patient, "visit": visit, "time": visit.astype(float)}
    rows |= {"treated": treated.astype(float), "x": x, "y": y}
    frame = pl.DataFrame(rows)
    if "shuffled" in path.name:
        frame = frame.sample(fraction=1.0, shuffle=True, seed=1)
    frame.write_parquet(path)


def main(path: str, patients: str = "2000000", *how: str) -> None:
    """Make the file, or fit to it."""
    if not Path(path).exists():
        make(Path(path), int(patients))
        print("made; run once more, in a process that has not had the rows")
        return
    structure, engine = (*how, *("ar", "duckdb")[len(how) :])
    table = pl.scan_parquet(path) if engine == "polars" else path
    model = MixedLinearRegressor(
        RandomEffects("patient", intercept=False),
        fixed=["x", "time", "treated"],
        residuals=Residuals(structure, time="visit"),
        method="reml",
    )
    start = perf_counter()
    model.fit(table, "y")
    seconds = perf_counter() - start
    used = resource.getrusage(resource.RUSAGE_SELF)
    peak, processor = used.ru_maxrss / 1e6, used.ru_utime + used.ru_stime
    print(
        f"{structure}, {engine}: {model.results_.n_obs:,} rows, {seconds:.1f} s, "
        f"{processor:.1f} s of the processors, start of Python included, "
        f"{peak:.2f} GB at the peak, log likelihood {model.log_likelihood_:.6f}"
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
