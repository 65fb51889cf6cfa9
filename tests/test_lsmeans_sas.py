"""Marginal means of a trial with an unstructured covariance: SAS's LSMEANS."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from sklearn_xmixed import from_formula

FOLDER = Path(__file__).with_name("reference")
REFERENCE = json.loads(FOLDER.joinpath("fev_lsmeans.json").read_text())
NLME = json.loads(FOLDER.joinpath("fev_means.json").read_text())
FIELDS = REFERENCE["fields"]
FORMULA = (
    "fev1 ~ race + sex + arm * visit + residuals(unstructured, time=visit | subject)"
)


@pytest.fixture(scope="module")
def fit():
    return from_formula(FORMULA, pd.DataFrame(REFERENCE["data"]), method="reml")


def agrees(row: pd.Series, printed: list[str]) -> None:
    found = row[FIELDS].to_numpy(dtype=float)
    # SAS stopped at -2 log L = 3386.44987722, 6e-6 above the optimum: sqrt(6e-6) = 0.0025 of
    # the standard errors of the variances. These contribute about a tenth to the error of a
    # mean (what Kenward and Roger add), and a standard error varies by 1 / sqrt(2 df), a
    # sixteenth of itself; to that comes half a unit of the last digit: within 2.5e-4
    # standard errors, because SAS stopped early. nlme at its optimum agrees to 1e-6, below.
    error = float(printed[1])
    half = 0.5 * (float(printed[4]) - float(printed[3]))
    slack = {
        "estimate": 0.5e-4 + 2.5e-4 * error,
        "std_error": 0.5e-4 + 1.6e-4 * error,
        "df": 0.6,
        "ci_lower": 0.5e-4 + 2.5e-4 * error + 1.6e-4 * half,
    }
    slack["ci_upper"] = slack["ci_lower"]
    for name, value, text in zip(FIELDS, found, printed, strict=True):
        assert value == pytest.approx(float(text), abs=slack[name], rel=0), name


def test_means(fit):
    assert -2.0 * fit.results_.log_likelihood == pytest.approx(3386.44987116, abs=1e-7)
    table = fit.marginal_means("arm", by="visit", df="satterthwaite").table
    assert len(REFERENCE["means"]) == len(table) == 8
    for visit, arm, *printed in REFERENCE["means"]:
        agrees(table.loc[(visit, arm)], printed)


@pytest.mark.parametrize("structure", ["unstructured", "ar"])
def test_means_of_nlme(structure):
    """nlme at its optimum: a second witness, and AR(1) with a variance for every visit."""
    data = pd.DataFrame(REFERENCE["data"])
    data["time"] = data["visit"].str[-1].astype(int)
    residuals = {
        "unstructured": "unstructured, time=visit",
        "ar": "ar, time=time, variance=visit",
    }
    formula = (
        f"fev1 ~ race + sex + arm * visit + residuals({residuals[structure]} | subject)"
    )
    fit, told = from_formula(formula, data, method="reml"), NLME[structure]
    deviance = -2.0 * fit.results_.log_likelihood
    assert deviance == pytest.approx(told["deviance"], abs=1e-7)
    table = fit.marginal_means("arm", by="visit").table
    found = table.loc[list(zip(told["visit"], told["arm"], strict=True))]
    distance = (found["estimate"].to_numpy() - told["estimate"]) / told["std_error"]
    assert abs(distance).max() < 1e-6
    assert found["std_error"].tolist() == pytest.approx(told["std_error"], rel=1e-6)


def test_differences(fit):
    means = fit.marginal_means(["visit", "arm"], df="satterthwaite")
    assert len(REFERENCE["differences"]) == 28
    wanted = {
        " ".join(names): {(names[0], names[1]): 1, (names[2], names[3]): -1}
        for *names, _, _, _, _, _ in REFERENCE["differences"]
    }
    table = means.contrasts(wanted).table
    for *names, a, b, c, d, e in REFERENCE["differences"]:
        agrees(table.loc[" ".join(names)], [a, b, c, d, e])


def test_kenward_roger_has_the_same_degrees_of_freedom_and_larger_errors(fit):
    """A single row has Satterthwaite's degrees of freedom (Kenward and Roger 1997)."""
    kr = fit.marginal_means("arm", by="visit", df="kenward-roger-observed").table
    sat = fit.marginal_means("arm", by="visit", df="satterthwaite").table
    assert (kr["std_error"] > sat["std_error"]).all()
    pd.testing.assert_series_equal(kr["df"], sat["df"], rtol=1e-6)


def test_sections_have_one_line_of_title(fit):
    text = str(fit.marginal_means("arm", by="visit", df="satterthwaite"))
    assert text.count("visit = VIS1 ") == 1
    assert not any(line.split("|")[0].strip() == "VIS1" for line in text.splitlines())
