"""Translations: R finds the same log likelihood with their code."""

from __future__ import annotations

import json
import warnings
from functools import cache
from pathlib import Path

import pytest
from numpy.testing import assert_allclose

from sklearn_xmixed import (
    MixedLinearRegressor,
    RandomEffects,
    Residuals,
    from_formula,
    to_lme4,
    to_nlme,
    to_sas,
)
from sklearn_xmixed.datasets import load_orthodont, load_pastes, load_sleepstudy
from tests.conftest import slow
from tests.reference.translated import CASES

DOCUMENT = json.loads(
    (Path(__file__).parent / "reference" / "translations.json").read_text()
)
TRANSLATE = {"lme4": to_lme4, "nlme": to_nlme}


@cache
def fitted(name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # variances at their bound
        return CASES[name].fitted()[0]


#: every second model in the languages of R, every day
CASES_OF_R = [
    case if list(CASES).index(case["id"]) % 2 else slow(case)
    for case in DOCUMENT["cases"]
]


@pytest.mark.parametrize(
    "case", CASES_OF_R, ids=lambda case: f"{case['id']}-{case['language']}"
)
def test_r_finds_the_same_likelihood(case):
    if not CASES[case["id"]].available:
        pytest.skip("the manual's data are not here (XMIXED_DATA)")
    model = fitted(case["id"])
    found = TRANSLATE[case["language"]](model)
    assert found.code == case["code"]  # what was run
    if found.possible:
        assert_allclose(
            case["log_likelihood"], model.log_likelihood_, rtol=0, atol=1e-6
        )
    else:
        assert found.reason
        assert str(found).startswith(f"{found.language} cannot say this model: ")


def test_most_models_can_be_said():
    said = [c["code"] is not None for c in DOCUMENT["cases"]]
    assert sum(said) > 115
    nlme = [c for c in DOCUMENT["cases"] if c["language"] == "nlme"]
    assert [c["id"] for c in nlme if c["code"] is None] == ["crossed-slopes-ml"]


@pytest.mark.daily
@pytest.mark.parametrize("translate", [to_lme4, to_nlme, to_sas])
@pytest.mark.parametrize(
    "name", [name if number % 2 else slow(name) for number, name in enumerate(CASES)]
)
def test_every_parameter_is_translated(name, translate):
    if not CASES[name].available:
        pytest.skip("the manual's data are not here (XMIXED_DATA)")
    found = translate(fitted(name))
    if not found.possible:
        return
    (column,) = [c for c in found.parameters.columns if c.startswith("in_")]
    left = found.parameters.index[found.parameters[column] == ""].tolist()
    assert not left
    assert len(found.parameters) == fitted(name).results_.n_params + 1


def sleep(**parameters):
    X, y = load_sleepstudy(return_X_y=True)
    equation = RandomEffects("subject", ["days"], covariance="unstructured")
    return MixedLinearRegressor(equation, **parameters).fit(X, y)


SAS = {
    "unstructured": """\
proc mixed data=data method=ml covtest;
  class subject;
  model reaction = days / solution cl;
  random intercept days / subject=subject type=un g gcorr;
run;""",
    "nested": """\
proc mixed data=data method=reml covtest;
  class batch cask;
  model strength = / solution cl;
  random intercept / subject=batch;
  random intercept / subject=cask(batch);
run;""",
}


def test_sas():
    assert to_sas(sleep()).code == SAS["unstructured"]
    X, y = load_pastes(return_X_y=True)
    pastes = MixedLinearRegressor(["batch", "cask"], fixed=[], method="reml").fit(X, y)
    assert to_sas(pastes).code == SAS["nested"]
    table = to_sas(sleep()).parameters["in_SAS"]
    assert table[("subject", "cov(days,_cons)")] == "UN(2,1)"
    assert table[("subject", "var(_cons)")] == "UN(1,1)"


def test_sas_keeps_a_time_that_is_a_covariate_apart():
    """A variable of CLASS is no number in MODEL: the repeated effect is a copy."""
    X, y = load_sleepstudy(return_X_y=True)
    model = MixedLinearRegressor(
        "subject", fixed=["days"], residuals=Residuals("ar", time="days")
    ).fit(X, y)
    code = to_sas(model).code
    assert "class subject days_class;" in code
    assert "  repeated days_class / subject=subject type=ar(1) r rcorr;" in code
    assert code.startswith("data data;\n  set data;\n  days_class = days;\nrun;\n")
    assert "model reaction = days /" in code


def test_what_cannot_be_said():
    X, y = load_sleepstudy(return_X_y=True)
    weighted = MixedLinearRegressor("subject", weight_type="sampling").fit(X, y)
    for translate in TRANSLATE.values():
        assert "weights" in translate(weighted).reason
    toeplitz = MixedLinearRegressor(
        RandomEffects("subject", intercept=False), fixed=["days"],
        residuals=Residuals("toeplitz", order=2, time="days"),
    ).fit(X, y)  # fmt: skip
    assert to_nlme(toeplitz).code is None
    assert "toeplitz residuals" in str(to_nlme(toeplitz))
    assert "type=toep(3)" in to_sas(toeplitz).code
    assert to_lme4(toeplitz).reason.startswith("residuals of structure 'toeplitz'")
    renamed = MixedLinearRegressor("subject").fit(
        X.rename(columns={"days": "day no"}), y
    )
    assert "no SAS names" in to_sas(renamed).reason
    assert "`day no`" in to_lme4(renamed).code


def test_notes():
    X, y = load_orthodont(return_X_y=True)
    model = MixedLinearRegressor("subject", vce="robust", fixed=["age", "twice"])
    model.fit(X.assign(twice=2 * X["age"]), y)
    found = to_lme4(model)
    assert "twice" not in found.code
    assert any("sandwich" in note for note in found.notes)
    assert any("collinear: twice" in note for note in found.notes)
    assert "sandwich" in repr(found)
    assert "<pre>" in found._repr_html_()


def test_a_formula_is_lme4s_own():
    frame = load_sleepstudy().frame
    fit = from_formula("reaction ~ poly(days, 2) + (days || subject)", frame)
    assert "lmer(reaction ~ poly(days, 2) + (days || subject), " in to_lme4(fit).code
    assert to_lme4(fit, data="sleep").code.count("data = sleep") == 1


def test_not_fitted():
    with pytest.raises(Exception, match="not fitted"):
        to_lme4(MixedLinearRegressor("subject"))


@pytest.mark.parametrize(
    ("method", "ddfm", "ddf"),
    [
        ("residual", "residual", ""),
        ("between-within", "bw", ""),
        ("containment", "contain", ""),
        ("satterthwaite", "satterthwaite", "Satterthwaite"),
        ("kenward-roger", "kr", "Kenward-Roger"),
        ("kenward-roger-linear", "kr(firstorder)", "Kenward-Roger"),
        ("kenward-roger-2009", "kr2", ""),
        ("kenward-roger-observed", "kr", ""),
    ],
)
def test_degrees_of_freedom(method, ddfm, ddf):
    model = sleep(method="reml", df_method=method)
    assert f" / solution cl ddfm={ddfm};" in to_sas(model).code
    assert "degrees of freedom of its own" not in " ".join(to_sas(model).notes)
    theirs = to_lme4(model)
    assert ("library(lmerTest)" in theirs.code) == bool(ddf)
    if ddf:
        call = f'summary(as_lmerModLmerTest(fit), ddf = "{ddf}")'
        assert theirs.code.endswith(call)
    else:
        assert any(repr(method) in note for note in theirs.notes)


def test_large_samples_have_no_ddfm():
    model = sleep(method="reml")
    assert "ddfm=" not in to_sas(model).code
    assert "lmerTest" not in to_lme4(model).code
