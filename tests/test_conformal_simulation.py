"""Coverage of conformal intervals, and of the model's, where the model is right or wrong.

``python tests/test_conformal_simulation.py [REPLICATES]`` prints the tables of
docs/guide/conformal.md.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from sklearn_xmixed import ConformalMixedRegressor, MixedLinearRegressor
from sklearn_xmixed.exceptions import MixedModelWarning

LEVELS = (0.8, 0.95)
N_GROUPS = 40
#: new groups of which one row each is drawn
N_NEW = 200


def unit_t(rng, size):
    """Of three degrees of freedom, with unit variance."""
    return rng.standard_t(3, size) / np.sqrt(3.0)


def normal(rng: np.random.Generator, k: int) -> tuple[np.ndarray, ...]:
    """Sizes, effects and residual standard deviations of k groups; the errors' law."""
    return rng.integers(4, 13, k), rng.normal(size=k), np.ones(k), rng.standard_normal


def heavy_tails(rng, k):
    """Effects and errors from t with three degrees of freedom."""
    return (
        rng.integers(4, 13, k),
        unit_t(rng, k),
        np.ones(k),
        lambda size: unit_t(rng, size),
    )


def wrong_variance(rng, k):
    """Three of four groups are small and noisy, the others large and quiet."""
    quiet = rng.random(k) < 0.25
    size = np.where(quiet, rng.integers(30, 41, k), rng.integers(3, 6, k))
    return size, rng.normal(size=k), np.where(quiet, 0.5, 3.0), rng.standard_normal


Population = Callable[[np.random.Generator, int], tuple]
POPULATIONS: dict[str, Population] = {
    "normal": normal,
    "heavy tails": heavy_tails,
    "wrong variance": wrong_variance,
}


def rows_of(rng, groups, law) -> tuple[pd.DataFrame, np.ndarray]:
    """Rows of given groups: frame of (label, effect, sd) by row."""
    x = rng.normal(size=len(groups))
    y = 1.0 + 0.5 * x + groups["effect"] + groups["sd"] * law(len(groups))
    return pd.DataFrame({"g": groups["label"].to_numpy(), "x": x}), y.to_numpy()


def draw(rng, population: Population, kind: str):
    """Training rows, and rows to be covered: of these groups, or one of each new one."""
    size, effect, sd, law = population(rng, N_GROUPS)
    groups = pd.DataFrame(
        {"label": np.arange(N_GROUPS), "effect": effect, "sd": sd}
    ).loc[np.repeat(np.arange(N_GROUPS), size)]
    X, y = rows_of(rng, groups, law)
    if kind == "rows":
        return X, y, *rows_of(rng, groups, law)
    _, effect, sd, law = population(rng, N_NEW)
    label = N_GROUPS + np.arange(N_NEW)
    new = pd.DataFrame({"label": label, "effect": effect, "sd": sd})
    return X, y, *rows_of(rng, new, law)


MODEL = MixedLinearRegressor("g", method="reml", std_errors=False, lr_test=False)


def conformal(kind, seed, **parameters):
    return ConformalMixedRegressor(
        MODEL, exchangeable=kind, random_state=seed, **parameters
    )


def estimators(kind: str, seed: int) -> dict[str, object]:
    out = {
        "model": MODEL,
        "split": conformal(kind, seed),
        "CV+": conformal(kind, seed, cv=5),
    }
    if kind == "groups":
        out["split, one row per group"] = conformal(kind, seed, group_rows="one")
        out["split by rows"] = conformal("rows", seed)
    return out


def study(
    kind: str, population: str, n: int, methods: list[str] | None = None
) -> pd.DataFrame:
    """Mean coverage in per cent, and the mean width, over n samples."""
    found = []
    for seed in range(n):
        rng = np.random.default_rng([seed, list(POPULATIONS).index(population)])
        X, y, X_new, y_new = draw(rng, POPULATIONS[population], kind)
        for name, estimator in estimators(kind, seed).items():
            if methods is not None and name not in methods:
                continue
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", MixedModelWarning)
                fitted = estimator.fit(X, y)
                for level in LEVELS:
                    ends = fitted.prediction_interval(X_new, level)
                    inside = (ends["lower"] <= y_new) & (y_new <= ends["upper"])
                    width = (ends["upper"] - ends["lower"]).mean()
                    found.append((name, level, 100 * inside.mean(), width))
    table = pd.DataFrame(found, columns=["method", "level", "coverage", "width"])
    return table.groupby(["level", "method"], sort=False).agg(
        coverage=("coverage", "mean"),
        error=("coverage", lambda c: c.std() / np.sqrt(n)),
        width=("width", "mean"),
    )


@pytest.mark.slow
@pytest.mark.parametrize("population", POPULATIONS)
@pytest.mark.parametrize("kind", ["rows", "groups"])
def test_split_conformal_covers_whatever_the_distribution(kind, population):
    found = study(kind, population, 60, ["split"])
    for level in LEVELS:
        row = found.loc[level, "split"]
        most = 100 * (level + (1 / 21 if kind == "groups" else 0.01))
        assert (
            100 * level - 3 * row["error"] < row["coverage"] < most + 3 * row["error"]
        )


@pytest.mark.slow
def test_where_the_model_is_wrong_its_intervals_do_not_cover():
    """New groups are noisier than the rows of the large ones say."""
    found = study("groups", "wrong variance", 60, ["model", "split by rows", "CV+"])
    for level in LEVELS:
        assert found.loc[(level, "model"), "coverage"] < 100 * level - 8
        assert found.loc[(level, "CV+"), "coverage"] > 100 * level - 1.5
    assert found.loc[(0.8, "split by rows"), "coverage"] < 70


def main(n: int) -> None:
    for kind in ("rows", "groups"):
        tables = {p: study(kind, p, n) for p in POPULATIONS}
        print(f"\n{kind}: largest Monte Carlo standard error of coverage", end=" ")
        print(round(max(t["error"].max() for t in tables.values()), 2))
        for level in LEVELS:
            print(f"\n| {100 * level:g} % | " + " | ".join(tables) + " |")
            print("| --- " * (1 + len(tables)) + "|")
            for name in tables["normal"].loc[level].index:
                cells = [t.loc[(level, name)] for t in tables.values()]
                shown = [f"{c['coverage']:.1f} ({c['width']:.2f})" for c in cells]
                print(f"| {name} | " + " | ".join(shown) + " |")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 60)
