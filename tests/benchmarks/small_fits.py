"""CPU time of small fits, of this checkout and others in turns.

    python tests/benchmarks/small_fits.py [CHECKOUT ...] [--only CASE ...] [--rounds N]

Each checkout has a process of its own; they take turns, ten fits at a time, because
others use the machine.  What is timed is ``fit`` and ``results_``: standard errors of
everything, intervals' quantities and the likelihood-ratio test.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

HERE = Path(__file__).resolve().parents[2]
CASES = ("sleepstudy", "sleepstudy-ml", "ten-groups", "schools", "slopes-10k")
LARGE = ("schools", "slopes-10k")


def prepared(name: str):
    """A function that fits once."""
    import numpy as np
    import pandas as pd
    from cases import CASES as MADE

    from sklearn_xmixed import MixedLinearRegressor, RandomEffects

    if name == "ten-groups":
        rng = np.random.default_rng(3)
        g, x = np.repeat(np.arange(10), 8), rng.standard_normal(80)
        y = 1 + x + rng.standard_normal(10)[g] + rng.standard_normal(80)
        model = MixedLinearRegressor("g", method="reml")
        X, y = pd.DataFrame({"g": g, "x": x}), pd.Series(y)
    else:
        case = MADE[name.removesuffix("-ml")]()
        equations = [
            RandomEffects(
                group, list(slopes), covariance="unstructured" if slopes else None
            )
            for group, slopes in case.levels
        ]
        method = "ml" if name.endswith("-ml") else "reml"
        model = MixedLinearRegressor(equations, method=method, fixed=list(case.fixed))
        X, y = case.covariates, case.y
    return lambda: model.fit(X, y).results_


def work() -> None:
    """Read how often to fit what, and tell the seconds."""
    made = {}
    for line in sys.stdin:
        name, count = line.split()
        if name not in made:
            made[name] = prepared(name)
            made[name]()
        seconds = []
        for _ in range(int(count)):
            start = time.process_time()
            results = made[name]()
            seconds.append(time.process_time() - start)
        print(json.dumps([seconds, results.log_likelihood]), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkouts", nargs="*", help="others, which the ratios are to")
    parser.add_argument("--only", nargs="+", default=CASES, choices=CASES)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--work", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.work:
        return work()
    paths = [Path(p).resolve() for p in given.checkouts] + [HERE]
    workers = [
        subprocess.Popen(
            [sys.executable, __file__, "--work"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(path), "OPENBLAS_NUM_THREADS": "1"},
        )
        for path in paths
    ]
    print("| case | checkout | best ms | median ms | ratio of best | log likelihood |")
    print("| --- | --- | --- | --- | --- | --- |")
    for name in given.only:
        seconds: list[list[float]] = [[] for _ in paths]
        likelihoods = [0.0] * len(paths)
        count = 1 if name in LARGE else 10
        for _ in range(max(3, given.rounds // 4) if name in LARGE else given.rounds):
            for k, worker in enumerate(workers):
                print(name, count, file=worker.stdin, flush=True)
                more, likelihoods[k] = json.loads(worker.stdout.readline())
                seconds[k] += more
        first = min(seconds[0])
        for path, own, value in zip(paths, seconds, likelihoods, strict=True):
            best = min(own)
            print(
                f"| {name} | {path.name} | {1e3 * best:.2f} | {1e3 * median(own):.2f} "
                f"| {best / first:.3f} | {value:.8f} |"
            )
    for worker in workers:
        worker.stdin.close()
        worker.wait()
    return None


if __name__ == "__main__":
    main()
