"""Marginal means, trends and contrasts are those of emmeans."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from sklearn_xmixed import from_formula
from sklearn_xmixed.means.multiplicity._family import Family

FILE = Path(__file__).parent / "marginal_means.json"
DOCUMENT = json.loads(FILE.read_text(encoding="utf-8"))
CASES = {case["id"]: case for case in DOCUMENT["cases"]}
QUERIES = [
    pytest.param(name, k, id=f"{name}-{k}")
    for name, case in CASES.items()
    for k in range(len(case["queries"]))
]
#: by the adjustments of the normal distribution; emmeans' mvt is a Monte Carlo
TOLERANCE = {"mvt": 2e-3}
METHODS = ["asymptotic", "kenward_roger"]


def listed(value):
    return [] if value is None else [value] if isinstance(value, str) else list(value)


def numbers(column):
    values = column if isinstance(column, list) else [column]
    return np.array(
        [np.nan if v is None else np.inf if v == "Inf" else float(v) for v in values]
    )


@cache
def fitted(name):
    case = CASES[name]
    frame = pd.DataFrame(case["data"])
    model = from_formula(case["formula"], frame, method="reml")
    assert model.log_likelihood_ == pytest.approx(case["log_likelihood"], abs=1e-4)
    return model


def asked(model, query, **options):
    arguments = {"by": query["by"], "at": query["at"], **options}
    if query.get("var"):
        return model.marginal_trends(query["specs"], query["var"], **arguments)
    return model.marginal_means(query["specs"], weights=query["weights"], **arguments)


@cache
def means_of(name, k, method):
    """Of a query, which several of its contrasts and both tests begin with."""
    df = None if method == "asymptotic" else "kenward-roger"
    return asked(fitted(name), CASES[name]["queries"][k], df=df)


def same_rows(table, witness, names):
    """Rows of a witness in the order of a table, by their levels."""
    found, own, told = table.reset_index(), [], []
    for n in names:
        kind = float if pd.api.types.is_numeric_dtype(found[n].dtype) else str
        own.append(found[n].astype(kind))
        told.append(pd.Series(listed(witness[n])).astype(kind))
    told = list(zip(*told, strict=True))
    place = {row: number for number, row in enumerate(told)}
    assert len(place) == len(told), told
    return np.array([place[row] for row in zip(*own, strict=True)])


def compare(table, witness, names, rtol=1e-4):
    at = same_rows(table, witness, names)
    estimate = numbers(witness["estimate"])[at]
    scale = np.nanmax(np.abs(numbers(witness["SE"])))
    assert_allclose(table["estimate"], estimate, rtol=rtol, atol=rtol * scale)
    assert_allclose(table["std_error"], numbers(witness["SE"])[at], rtol=rtol)
    known = ~np.isnan(estimate)
    df = numbers(witness["df"])[at]
    df[np.isnan(df)] = np.inf  # which JSON has not
    assert_allclose(table["df"][known], df[known], rtol=1e-3)
    return at, scale


@pytest.mark.daily(43)
@pytest.mark.parametrize(("name", "k"), QUERIES)
@pytest.mark.parametrize("method", METHODS)
def test_means_and_trends(name, k, method):
    query, table = CASES[name]["queries"][k], means_of(name, k, method).table
    names = [*listed(query["by"]), *listed(query["specs"])]
    witness = query[method]["means"]
    at, scale = compare(table, witness, names)
    for column in ("ci_lower", "ci_upper"):
        assert_allclose(
            table[column], numbers(witness[column])[at], rtol=1e-3, atol=1e-3 * scale
        )


def wanted_kind(contrast):
    if contrast["kind"] != "custom":
        return contrast["kind"]
    return contrast["coef"]


CONTRASTS = [
    pytest.param(name, k, c, id=f"{name}-{k}-{contrast['kind']}")
    for name, case in CASES.items()
    for k, query in enumerate(case["queries"])
    for c, contrast in enumerate(query["asymptotic"]["contrasts"])
]


def by_both_methods():
    """Every contrast; every day every second, by the methods in turn."""
    for number, contrast in enumerate(CONTRASTS):
        for m, method in enumerate(METHODS):
            yield pytest.param(
                *contrast.values,
                method,
                id=f"{method}-{contrast.id}",
                marks=() if number % 4 == 2 * m else pytest.mark.slow,
            )


@pytest.mark.parametrize(("name", "k", "c", "method"), by_both_methods())
def test_contrasts(name, k, c, method):
    query = CASES[name]["queries"][k]
    witness = query[method]["contrasts"][c]
    means = means_of(name, k, method)
    levels = list(dict.fromkeys(means.index.get_level_values(-1)))
    ref = None if witness["ref"] is None else levels[witness["ref"] - 1]
    for adjust, told in witness["tables"].items():
        found = means.contrasts(wanted_kind(witness), adjust=adjust, ref=ref)
        names = listed(query["by"])
        told = {**told, "contrast": [n.strip("()") for n in listed(told["contrast"])]}
        at, scale = compare(found.table, told, [*names, "contrast"])
        p = numbers(told["p.value"])[at]
        atol = TOLERANCE.get(adjust, 1e-4)
        if adjust == "mvt" and (method != "asymptotic" or np.isnan(p).any()):
            continue  # mvtnorm rounds degrees of freedom, and needs all contrasts
        assert_allclose(found.table["p_value"], p, rtol=5e-3, atol=atol, err_msg=adjust)
        for column in ("ci_lower", "ci_upper"):
            assert_allclose(
                found.table[column],
                numbers(told[column])[at],
                rtol=1e-3,
                atol=5e-3 * scale,
                err_msg=adjust,
            )


@pytest.mark.parametrize(("name", "k", "c"), CONTRASTS)
def test_joint_tests(name, k, c):
    query = CASES[name]["queries"][k]
    contrast = query["asymptotic"]["contrasts"][c]
    told = contrast["joint"]
    if not told or contrast["ref"]:
        pytest.skip("emmeans has none")
    means = means_of(name, k, "asymptotic")
    found = means.contrasts(wanted_kind(contrast)).joint_test()
    assert_allclose(found["df"], numbers(told["df1"]))
    assert_allclose(found["f_value"], numbers(told["F.ratio"]), atol=6e-4)
    assert_allclose(found["p_value"], numbers(told["p.value"]), rtol=1e-2, atol=1e-4)


@pytest.mark.parametrize(("name", "k", "c"), CONTRASTS)
def test_adjustments_with_small_samples(name, k, c):
    """emmeans' own t and df, so that nothing but the adjustment is compared."""
    query = CASES[name]["queries"][k]
    if query["by"] is not None:
        pytest.skip("one family is enough")
    contrast = query["kenward_roger"]["contrasts"][c]
    told = contrast["tables"]["none"]
    estimate, se = numbers(told["estimate"]), numbers(told["SE"])
    V = np.array(
        [[np.nan if v is None else v for v in row] for row in contrast["vcov"]],
        dtype=float,
    )
    levels = len(listed(query["kenward_roger"]["means"]["estimate"]))
    if np.isnan(estimate).any():
        pytest.skip("not estimable")
    family = Family(estimate / se, numbers(told["df"]), V, levels)
    whole = np.all(np.abs(family.df - np.round(family.df)) < 1e-6)
    for adjust, table in contrast["tables"].items():
        if adjust == "mvt" and not whole:
            continue  # mvtnorm rounds degrees of freedom
        assert_allclose(
            family.p_values(adjust),
            numbers(table["p.value"]),
            rtol=1e-3,
            atol=TOLERANCE.get(adjust, 1e-6),
            err_msg=adjust,
        )
        half = family.critical_values(adjust, 0.95) * se
        told_half = (numbers(table["ci_upper"]) - numbers(table["ci_lower"])) / 2
        rtol = 5e-3 if adjust == "mvt" else 1e-4
        assert_allclose(half, told_half, rtol=rtol, err_msg=adjust)


TESTED = [name for name, case in CASES.items() if case["joint_tests"]]


@pytest.mark.filterwarnings("ignore:In arm, dose some combinations")
@pytest.mark.parametrize("name", TESTED)
def test_terms_have_the_tests_of_type_3(name):
    """emmeans prints F with three decimals, and has Kenward and Roger's df of one row."""
    told = CASES[name]["joint_tests"]
    found = fitted(name).anova(3, df="kenward-roger")
    terms = listed(told["model term"])
    # doses are nested in arms: emmeans says arm:dose, and SAS's hypotheses have no arm
    terms = ["dose" if t == "arm:dose" and name == "augmented" else t for t in terms]
    assert set(found.index) == set(terms)
    for k, term in enumerate(terms):
        row = found.loc[term]
        if name == "augmented" and term == "arm":
            means = fitted(name).marginal_means("arm", df="kenward-roger")
            row = means.contrasts().joint_test().iloc[0]
        assert row["df"] == numbers(told["df1"])[k]
        wanted = numbers(told["F.ratio"])[k]
        assert row["f_value"] == pytest.approx(wanted, rel=1e-3, abs=6e-4)
        if row["df"] == 1:
            wanted = numbers(told["df2"])[k]
            assert row["df_denom"] == pytest.approx(wanted, rel=1e-3, abs=6e-3)
