"""500 bootstrap replicates of the sleepstudy model, here and by lme4.

    python tests/benchmarks/bootstrap.py [--reps 5]

Correlated random slopes, REML.  Ours is the whole call: fit, draws, refits,
table.  lme4 is timed inside R: bootMer with fixed effects and standard deviations
as statistics; its cluster bootstrap is a loop over lmer on the rows of drawn subjects.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from sklearn_xmixed import MixedLinearRegressor, RandomEffects, bootstrap, jackknife
from sklearn_xmixed.datasets import load_productivity, load_sleepstudy

R = """
suppressPackageStartupMessages(library(lme4))
d <- read.csv("sleep.csv")
fit <- lmer(reaction ~ days + (days | subject), d, REML = TRUE)
stat <- function(f) c(fixef(f), as.data.frame(VarCorr(f))$sdcor)
seconds <- function(expression) system.time(expression)[["elapsed"]]
for (rep in seq_len(%d)) cat("parametric", seconds(bootMer(fit, stat, nsim = 500)), "\\n")
rows <- split(d, d$subject)
one <- function(k) {
  drawn <- sample(length(rows), replace = TRUE)
  x <- do.call(rbind, Map(function(g, id) transform(rows[[g]], subject = id),
    drawn, seq_along(drawn)))
  stat(suppressMessages(suppressWarnings(
    lmer(reaction ~ days + (days | subject), x, REML = TRUE))))
}
for (rep in seq_len(%d)) cat("cluster", seconds(vapply(1:500, one, numeric(6))), "\\n")
"""


def timed(run: Callable[[], object], reps: int) -> float:
    """Median of several runs, after one that does not count."""
    run()
    seconds = []
    for _ in range(reps):
        start = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


def theirs(frame, reps: int) -> dict[str, float]:
    """Median seconds by kind."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        frame.to_csv(folder / "sleep.csv", index=False)
        (folder / "run.R").write_text(R % (reps, reps))
        done = subprocess.run(
            ["Rscript", "--vanilla", "run.R"],
            cwd=folder, capture_output=True, text=True, check=True,
        )  # fmt: skip
    found: dict[str, list[float]] = {}
    for line in done.stdout.splitlines():
        kind, seconds = line.split()
        found.setdefault(kind, []).append(float(seconds))
    return {kind: statistics.median(values) for kind, values in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--reps", type=int, default=5)
    parser.add_argument("--r-reps", type=int, default=3)
    options = parser.parse_args()
    X, y = load_sleepstudy(return_X_y=True)
    equation = RandomEffects("subject", ["days"], covariance="unstructured")
    model = MixedLinearRegressor(equation, method="reml")
    fit = timed(lambda: model.fit(X, y), 20)
    print(f"one fit                    {fit:8.4f}")
    peer = theirs(load_sleepstudy().frame, options.r_reps)
    for kind in ("parametric", "cluster", "residual"):
        own = timed(
            lambda kind=kind: bootstrap(model, X, y, kind=kind, random_state=1),
            options.reps,
        )
        told = f"{peer[kind]:8.3f} {peer[kind] / own:6.1f}" if kind in peer else ""
        print(f"500 replicates, {kind:<11} {own:8.4f} {told}")
    own = timed(lambda: jackknife(model, X, y), options.reps)
    print(f"jackknife, 18 subjects     {own:8.4f}")
    X, y = load_productivity(return_X_y=True)
    levels = ["region", RandomEffects("state", ["unemp"], covariance="unstructured")]
    fixed = ["private", "emp", "hwy", "unemp"]
    deep = MixedLinearRegressor(levels, fixed=fixed)
    own = timed(lambda: bootstrap(deep, X, y, kind="parametric", random_state=1), 3)
    print(f"three levels, 816 rows     {own:8.4f}")


if __name__ == "__main__":
    main()
