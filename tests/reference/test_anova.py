"""Tests of terms agree with lmerTest, or with their definition where it differs."""

from __future__ import annotations

import json
import re
import warnings
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from sklearn_xmixed import from_formula, xtmixed
from sklearn_xmixed.exceptions import MixedModelWarning
from tests.conftest import slow

DOCUMENT = json.loads((Path(__file__).parent / "anova.json").read_text())
CASES = {case["id"]: case for case in DOCUMENT["cases"]}

# how well both programs found the optimum
RELATIVE = 1e-5

# Where lmerTest tests something else, by type and term.
# A matrix of covariates is no covariate to it in type II, and a contained in a:poly(z);
# SAS has equal covariates.
# Of a term whose interaction is coded without a base it tests the columns as they are, so
# that the result depends on the base level.
DIFFERENT = {
    ("polynomial", 2): {"a"},
    ("spline", 2): {"c"},
    ("nested factor", 2): {"a"},
    ("nested factor", 3): {"a"},
    ("nested factor, own names", 2): {"a"},
    ("nested factor, own names", 3): {"a"},
    ("no constant", 2): {"a"},
    ("no constant", 3): {"a"},
}

# the same models as commands
COMMANDS = {
    "two factors": "i.a##i.b",
    "two factors, few rows": "ib2.a##ib3.b",
    "additive": "ib3.a i.b x",
    "factor and covariate": "ib2.a##c.x i.b",
    "covariate's slopes alone": "i.a i.a#c.x",
    "three factors": "i.a##i.b##i.c",
    "empty cells": "i.a##i.b",
    "empty cells at the base": "ib2.a##ib4.b x",
    "powers": "i.a##c.x i.a##c.x#c.x",
    "nested factor": "i.a i.a#i.b",
    "interaction alone": "i.a#i.b x",
}


@cache
def frame_of(name: str) -> pd.DataFrame:
    return pd.DataFrame(DOCUMENT["data"][name])


def in_ours(formula: str, coding: str) -> str:
    """A formula of R in our notation, with its factors coded."""
    formula = formula.replace("^", "**")
    name = coding.removeprefix("contr.")
    if name == "treatment":
        return formula
    return re.sub(r"\b([abc])\b", rf"C(\1, contr.{name})", formula)


@cache
def fitted(name: str, coding: str):
    case = CASES[name]
    formula = in_ours(case["formula"], coding)
    return from_formula(formula, frame_of(case["data"]), method="reml")


def quietly(fit, kind: int, **options) -> pd.DataFrame:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MixedModelWarning)  # empty cells
        return fit.anova(kind, **options)


def table_of(fit, kind: int, **options) -> dict[frozenset[str], pd.Series]:
    """Rows of a table by what is in the term."""
    table = quietly(fit, kind, **options)
    plain = [re.sub(r"C\((\w), contr\.\w+\)", r"\1", term) for term in table.index]
    return {key_of(t): table.iloc[k] for k, t in enumerate(plain)}


def key_of(term: str) -> frozenset[str]:
    plain = term.replace(" ", "").replace("**", "^")
    return frozenset(re.split("[:#]", plain))


@pytest.mark.daily
@pytest.mark.parametrize("kind", [1, 2, 3])
@pytest.mark.parametrize("name", CASES)
def test_against_lmertest(name, kind):
    case, fit = CASES[name], fitted(name, CASES[name]["coding"])
    assert_allclose(-2 * fit.log_likelihood_, case["reml_criterion"], rtol=1e-9)
    theirs = case["tests"][f"type{kind}"]
    large, small = table_of(fit, kind), table_of(fit, kind, df="satterthwaite")
    assert set(large) == {key_of(term) for term in theirs}
    for term, said in theirs.items():
        if term in DIFFERENT.get((name, kind), ()):
            continue
        chi2 = said["f_value"] * said["df"]
        row, by_f = large[key_of(term)], small[key_of(term)]
        assert row["df"] == by_f["df"] == said["df"]
        assert_allclose(row["chi2"], chi2, rtol=RELATIVE)
        assert_allclose(by_f["f_value"], said["f_value"], rtol=RELATIVE)
        # of joint tests the degrees of freedom depend on the rows of L: those of
        # lmerTest's type III are the same up to a rotation in most cases
        if said["df"] == 1 or kind == 3:
            within = 1e-5 if said["df"] == 1 else 3e-4
            assert_allclose(by_f["df_denom"], said["df_denom"], rtol=within)


@pytest.mark.parametrize("coding", ["contr.sum", slow("contr.helmert")])
@pytest.mark.parametrize(
    "name", [slow(name) if number % 2 else name for number, name in enumerate(CASES)]
)
def test_coding_does_not_matter(name, coding):
    base = fitted(name, "contr.treatment")
    other = fitted(name, coding)
    for kind in (1, 2, 3):
        first, second = table_of(base, kind), table_of(other, kind)
        assert first.keys() == second.keys()
        for term, row in first.items():
            assert row["df"] == second[term]["df"]
            assert_allclose(row["chi2"], second[term]["chi2"], rtol=1e-6, atol=1e-9)
        options = {"df": "satterthwaite"}
        first, second = (
            table_of(base, kind, **options),
            table_of(other, kind, **options),
        )
        for term, row in first.items():
            assert_allclose(row["df_denom"], second[term]["df_denom"], rtol=1e-5)


@pytest.mark.parametrize("name", COMMANDS)
def test_commands(name):
    """Indicators of levels with any base are one more coding."""
    case = CASES[name]
    fit = xtmixed(
        f"y {COMMANDS[name]} || g:, reml nolog", frame_of(case["data"]), show=False
    )
    again = fitted(name, "contr.sum")
    for kind in (2, 3):
        # formula and command may write terms in another order
        ours, theirs = (
            quietly(f, kind).sort_values(["df", "chi2"])[["df", "chi2"]]
            for f in (fit, again)
        )
        assert_allclose(ours, theirs, rtol=1e-6)


# -- by definition ----------------------------------------------------------------------


def wald(fit, L: np.ndarray) -> float:
    results = fit.results_
    gap = L @ results.beta
    return float(gap @ np.linalg.solve(L @ results.beta_vcov @ L.T, gap))


@pytest.mark.parametrize("name", ["nested factor", "nested factor, own names"])
def test_nested_factor_by_averages_of_its_cells(name):
    """Type III of a in a/b: the plain averages over the b within each a are equal."""
    fit, frame = fitted(name, "contr.treatment"), frame_of(CASES[name]["data"])
    X = fit._fixed_table(frame, fitting=False).assign(_cons=1.0)
    cells = X.groupby([frame["a"], frame["b"]]).first()
    averages = cells.groupby(level=0).mean().to_numpy()
    row = table_of(fit, 3)[frozenset({"a"})]
    assert row["df"] == 2
    assert_allclose(row["chi2"], wald(fit, averages[1:] - averages[0]), rtol=1e-8)
    # and type II of a given what does not contain it, which is nothing, is type I
    assert_allclose(
        table_of(fit, 2)[frozenset({"a"})]["chi2"],
        table_of(fit, 1)[frozenset({"a"})]["chi2"],
        rtol=1e-8,
    )


@pytest.mark.parametrize("name", ["polynomial", "spline"])
def test_type_two_of_terms_that_nothing_contains(name):
    """With other covariates a:poly(z, 2) does not contain a: II is III."""
    fit = fitted(name, "contr.treatment")
    two, three = table_of(fit, 2), table_of(fit, 3)
    for term in DIFFERENT[name, 2]:
        key = frozenset({term})
        assert_allclose(two[key]["chi2"], three[key]["chi2"], rtol=1e-8)


def test_without_constant_differences_are_tested():
    """Of 0 + a + b only differences of a do not depend on the coding of b."""
    fit = fitted("no constant", "contr.treatment")
    frame = frame_of(CASES["no constant"]["data"])
    with_constant = from_formula("y ~ a + b + x + (1 | g)", frame, method="reml")
    for kind in (2, 3):
        ours, theirs = fit.anova(kind).loc["a"], with_constant.anova(kind).loc["a"]
        assert ours["df"] == theirs["df"] == 2
        assert_allclose(ours["chi2"], theirs["chi2"], rtol=1e-5)


def test_complete_cells_are_averaged_with_equal_weights():
    fit, frame = fitted("three factors", "contr.helmert"), frame_of("full")
    X = fit._fixed_table(frame, fitting=False).assign(_cons=1.0)
    cells = X.groupby([frame["a"], frame["b"], frame["c"]]).first()
    assert len(cells) == 24
    for level, name in enumerate("abc"):
        averages = cells.groupby(level=level).mean().to_numpy()
        row = table_of(fit, 3)[frozenset({name})]
        assert_allclose(row["chi2"], wald(fit, averages[1:] - averages[0]), rtol=1e-8)
