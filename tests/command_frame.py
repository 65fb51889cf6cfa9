"""A small table for the tests of the command, and what a command becomes, as text."""

import numpy as np
import pandas as pd

from sklearn_xmixed import MixedLinearRegressor
from sklearn_xmixed.languages.stata.columns._data import Data
from sklearn_xmixed.stata import parse, plan

XTSET = ("g", "t")
_USUAL = MixedLinearRegressor(missing="drop").get_params(deep=False)


def frame():
    rng = np.random.default_rng(5)
    n, g = 48, np.repeat(np.arange(12), 4)
    out = pd.DataFrame(
        {
            "y": rng.normal(size=12)[g] + rng.normal(size=n),
            "x": rng.normal(size=n),
            "z": rng.normal(size=n),
            "g": g,
            "h": g // 3,
            "t": np.tile(np.arange(4), 12),
            "s": np.where(rng.random(n) < 0.5, "a", "b"),
            "k": pd.Categorical.from_codes(rng.integers(0, 3, n), ["lo", "mid", "hi"]),
            "w": rng.integers(1, 4, 12)[g],
            "f": rng.integers(1, 4, n),
            "longer_name": rng.normal(size=n),
            "longest": g,
        }
    )
    out.loc[[3, 17], "z"] = np.nan
    # no row has f = 3 and k = hi together
    out.loc[(out["f"] == 3) & (out["k"] == "hi"), "k"] = "mid"
    return out


DATA = frame()


def described(line):
    """What a command becomes: columns, equations, and parameters that are not usual."""
    parameters, recipe = plan(parse(line), Data(DATA), XTSET)
    lag = recipe.target.lag.text
    text = f"{lag}.{recipe.target.name} ~" if lag else f"{recipe.target.name} ~"
    text += "".join(f" {name}" for name in parameters.pop("fixed"))
    text += "" if parameters.pop("fit_intercept") else " -1"
    for e in parameters.pop("random_effects") or ():
        effects = [f"R.{e.factor}"] if e.factor else list(e.columns)
        effects += ["1"] if e.intercept and not e.factor else []
        text += f" | {e.group}: {' '.join(effects)}".rstrip()
        text += f" {e.covariance}" if e.covariance else ""
        text += " collinear" if e.collinear else ""
        text += f" weight={e.weight}" if e.weight else ""
    residuals = parameters.pop("residuals")
    if residuals is not None:
        text += f"; {residuals.structure}"
        for name in ("order", "time", "by"):
            value = getattr(residuals, name)
            text += "" if value is None else f" {name}={value}"
    weight = recipe.command.weight
    if weight is not None:
        text += f"; {weight.kind} [{' '.join(weight.text.split())}]"
    changed = [
        f"{name}={value}"
        for name, value in sorted(parameters.items())
        if value != _USUAL[name]
    ]
    shown = [f"{name}={value}" for name, value in sorted(recipe.reporting.items())]
    notes = [note.split()[1] for note in recipe.notes]
    for title, parts in (("", changed), ("show ", shown), ("note ", notes)):
        text += f"; {title}{' '.join(parts)}" if parts else ""
    return text + ("; quietly" if recipe.command.quietly else "")
