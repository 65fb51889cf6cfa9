"""What a message proposes in place of R.a#b and the like is the model that was meant."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from sklearn_xmixed import MixedLinearRegressor, RandomEffects, xtmixed
from sklearn_xmixed.exceptions import CommandError
from sklearn_xmixed.stata import parse


def made(seed=0):
    rng = np.random.default_rng(seed)
    data = pd.DataFrame(
        {"a": rng.integers(0, 6, 400), "b": rng.integers(0, 5, 400)}
    ).assign(x=rng.normal(size=400), g=np.arange(400) % 7)
    together = rng.normal(size=(6, 5))[data["a"], data["b"]]
    apart = rng.normal(size=6)[data["a"]] + 0.7 * rng.normal(size=5)[data["b"]]
    slope = rng.normal(size=6)[data["a"]] * data["x"]
    data["y"] = together + apart + slope + rng.normal(size=400)
    return data


def refused(command):
    with pytest.raises(CommandError) as caught:
        parse(command)
    return caught.value


def likelihood(command, data):
    return xtmixed(command, data, show=False).log_likelihood_


def numbered(hint, data):
    """The data with the variable that a hint makes; run as it stands there."""
    code = re.search(r"data\[.*?\.ngroup\(\)", hint).group()
    scope = {"data": data.copy()}
    exec(code, scope)
    return scope["data"]


def proposed(hint):
    """Random parts of commands in a hint."""
    return [p.rstrip(" ;") for p in re.findall(r"\|\| .*?(?=;|$)", hint)]


def reference(data, *groupings, columns=(), **more):
    names = [":".join(names) for names in groupings]
    for name, variables in zip(names, groupings, strict=True):
        data = data.assign(**{name: data[list(variables)].astype(str).agg("-".join, 1)})
    effects = [
        RandomEffects("_all", factor=name) for name in names if not columns
    ] or RandomEffects(names[0], columns, **more)
    model = MixedLinearRegressor(effects, fixed=["x"])
    return model.fit(data[["x", *names]], data["y"]).log_likelihood_


@pytest.mark.parametrize("written", ["R.a#b", "R.(a#b)", "a#R.b", "R.i.a#i.b"])
def test_combinations_of_two_factors(written):
    data = made()
    hint = refused(f"y x || _all: {written}").hint
    with_new, without = proposed(hint)
    assert (with_new, without) == ("|| _all: R.a_b", "|| a: R.b")
    expected = reference(data, ("a", "b"))
    own = likelihood(f"y x {with_new}", numbered(hint, data))
    assert_allclose(own, expected, rtol=1e-10)
    assert_allclose(likelihood(f"y x {without}", data), expected, rtol=1e-10)


def test_all_effects_of_two_factors():
    data = made()
    hint = refused("y x || _all: R.a##b").hint
    (random,) = proposed(hint)
    assert random == "|| _all: R.a || _all: R.b || _all: R.a_b"
    own = likelihood(f"y x {random}", numbered(hint, data))
    assert_allclose(own, reference(data, ("a",), ("b",), ("a", "b")), rtol=1e-9)


def test_missing_labels_stay_missing():
    data = made()
    data["a"] = data["a"].astype(float).where(data.index % 10 != 3)
    hint = refused("y x || _all: R.a#b").hint
    fit = xtmixed("y x || _all: R.a_b", numbered(hint, data), show=False)
    assert fit.results_.n_obs == 360


def test_a_list_of_factors():
    data = made()
    (random,) = proposed(refused("y x || _all: R.(a b)").hint)
    assert random == "|| _all: R.a || _all: R.b"
    own = likelihood(f"y x {random}", data)
    assert_allclose(own, reference(data, ("a",), ("b",)), rtol=1e-9)


def test_coefficients_by_the_levels_of_a_factor():
    data = made()
    (random,) = proposed(refused("y x || _all: R.a#c.x").hint)
    assert random == "|| a: x, noconstant"
    expected = reference(data, ("a",), columns=["x"], intercept=False)
    assert_allclose(likelihood(f"y x {random}", data), expected, rtol=1e-10)
    within = refused("y x || g: R.a#c.x").hint
    assert within.endswith("|| g: || a: x, noconstant")


def test_levels_that_are_combinations():
    data = made()
    hint = refused("y x || a#b:").hint
    nested, alone = proposed(hint)
    assert (nested, alone) == ("|| a: || b:", "|| a_b:")
    own = likelihood(f"y x {alone}", numbered(hint, data))
    assert_allclose(own, reference(data, ("a", "b")), rtol=1e-10)


@pytest.mark.parametrize(
    ("command", "hint"),
    [
        ("y x || g: R.a x z", "Repeat the level: || g: R.a || g: x || g: z"),
        ("y x || g: R.(a)", "Write R.a"),
        ("y x || g: R.i.a", "Write R.a, without i. or another R."),
        ("y x || g: i.R.a", "Write R.a, without i. or another R."),
        ("y x || g: R.ib2.a", "Write R.a, which is an effect of each of them."),
        (
            "y x || g: R.c.x",
            "Write R.x for an effect of each of its values, || g: x for a coefficient "
            "of it.",
        ),
        ("y x || g: R.L.a", "Make a column of the lag or difference first."),
        # where the factors have no names of their own
        (
            "y x || g: R.a#L.b",
            'Number the combinations, data["a_b"] = data.groupby(["a", "b"]).ngroup(), '
            "and write || g: R.a_b",
        ),
    ],
)
def test_what_to_write(command, hint):
    assert refused(command).hint == hint


def test_in_the_fixed_part_it_is_another_mistake():
    with pytest.raises(CommandError, match="belongs to random-effects"):
        xtmixed("y R.a#b || g:", made(), show=False)
