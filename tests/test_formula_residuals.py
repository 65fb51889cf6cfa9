"""Residual structures written in a formula: residuals(ar, time=week | id)."""

from __future__ import annotations

import inspect
import json
import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

from sklearn_xmixed import (
    MixedLinearRegressor,
    RandomEffects,
    Residuals,
    bootstrap,
    by,
    compare_residuals,
    from_formula,
    to_lme4,
    to_nlme,
    to_sas,
    xtmixed,
)
from sklearn_xmixed.datasets import load_orthodont, load_sleepstudy
from sklearn_xmixed.formula import FormulaError
from sklearn_xmixed.languages.command_line import main
from sklearn_xmixed.languages.formula._foreign import WORDS
from sklearn_xmixed.languages.formula._parser import parse_formula
from sklearn_xmixed.residuals import STRUCTURES
from sklearn_xmixed.stata import to_command
from tests.conftest import examples

GLMMTMB = json.loads((Path(__file__).parent / "reference/glmmtmb.json").read_text())


def sleep():
    frame = load_sleepstudy().frame
    frame["day"] = frame["days"]
    frame["half"] = np.where(frame["subject"] > 340, "b", "a")
    frame["late"] = np.where(frame["days"] > 4, "late", "early")
    frame["place"] = frame["subject"] % 3
    frame["number"] = frame.groupby("place")["subject"].transform(
        lambda s: pd.factorize(s)[0]
    )
    return frame


SLEEP = sleep()


# -- the text ------------------------------------------------------------------------

ACCEPTED = {
    "residuals(unstructured, time=visit | id)": (
        {"structure": "unstructured", "time": "visit"},
        ("id",),
    ),
    "residuals(ar, order=2, time=week, by=arm | id)": (
        {"structure": "ar", "order": 2, "time": "week", "by": "arm"},
        ("id",),
    ),
    "residuals ( ma ,by = arm,\n time = `my week` | `the id` )": (
        {"structure": "ma", "by": "arm", "time": "my week"},
        ("the id",),
    ),
    "residuals(structure=toeplitz, time=t | a:b)": (
        {"structure": "toeplitz", "time": "t"},
        ("a", "b"),
    ),
    "residuals(exchangeable|id)": ({"structure": "exchangeable"}, ("id",)),
    "residuals(by=sex)": ({"by": "sex"}, ()),
    "residuals(independent, by=sex)": ({"structure": "independent", "by": "sex"}, ()),
    "residuals(banded, order=0, time=t | id)": (
        {"structure": "banded", "order": 0, "time": "t"},
        ("id",),
    ),
}


@pytest.mark.parametrize("term", ACCEPTED)
def test_what_a_term_says(term):
    parameters, grouping = ACCEPTED[term]
    for text in (f"y ~ x + {term}", f"y ~ {term} + x", f"y~x+{term}+z-1"):
        found = parse_formula(text)
        assert found.residual.parameters == parameters
        assert found.residual.grouping == grouping
        assert repr(found.residual.make()) == repr(Residuals(**parameters))
        assert found.fixed in ("x", "x + z - 1")
        assert [(t.effects, t.grouping) for t in found.random] == [
            ("0", grouping) for _ in range(bool(grouping))
        ]
        assert text[slice(*found.residual.span)] == term


def test_every_parameter_of_residuals_can_be_said():
    said = {"structure": "ar", "order": "2"}
    names = list(inspect.signature(Residuals).parameters)
    pieces = [f"{name}={said.get(name, 'v')}" for name in names]
    found = parse_formula(f"y ~ residuals({', '.join(pieces)} | id)").residual
    assert list(found.parameters) == names


def test_the_grouping_is_added_once():
    text = "y ~ (1 | b:a) + residuals(ar, time=t | a:b)"
    assert [t.effects for t in parse_formula(text).random] == ["1"]
    text = "y ~ (0 | id) + residuals(ar, time=t | id)"
    assert [t.effects for t in parse_formula(text).random] == ["0"]


# the term, the message, what is marked, and a part of what to do
REJECTED = [
    ("residuals()", "word is missing", ")", "As in residuals("),
    ("residuals(ar,, time=t | id)", "word is missing", ",", "As in"),
    ("residuals(| id)", "word is missing", "|", "As in"),
    ("residuals(ar, time=t, | id)", "word is missing", "|", "As in"),
    ("residuals(ar, t | id)", "without saying what", "t", "order=, time=, by="),
    ("residuals(ar, t=week | id)", "nothing that residuals have", "t", "time="),
    ("residuals(ar, time=t, time=s | id)", "said twice", "time=s", ""),
    ("residuals(ar, structure=ma | id)", "said twice", "structure=ma", ""),
    ("residuals(us, time=t | id)", "no structure of", "us", "is unstructured"),
    ("residuals(ar1, time=t | id)", "no structure of", "ar1", "ar, order=1"),
    ("residuals(ar(2), time=t | id)", "no structure of", "ar(2)", "ar, order=2"),
    ("residuals(ar 2, time=t | id)", "no structure of", "ar 2", "ar, order=2"),
    ("residuals('ar', time=t | id)", "no structure of", "'ar'", "without quotes"),
    ("residuals(AR, time=t | id)", "no structure of", "AR", "small letters"),
    ("residuals(spatial, time=t | id)", "no structure of", "spatial", "banded"),
    ("residuals(ar, order=x, time=t | id)", "a whole number", "x", ""),
    ("residuals(ar, order=-1, time=t | id)", "a whole number", "-1", ""),
    ("residuals(ar, order=99999999999, time=t | id)", "a whole", "99999999999", ""),
    ("residuals(ar, time='t' | id)", "one name", "'t'", "without quotes"),
    ("residuals(ar, time=log(t) | id)", "one name", "log(t)", "make a column"),
    ("residuals(ar, time=t + 1 | id)", "one name", "t + 1", "make a column"),
    ("residuals(ar, time= | id)", "one name", "", ""),
    ("residuals(unstructured, order=1, time=t | id)", "no order", "1", "toeplitz"),
    ("residuals(ar | id)", "need the time", "residuals(ar | id)", "time=variable"),
    ("residuals(ar, time=t)", "none are named", "residuals(ar, time=t)", "| group"),
    ("residuals(exchangeable)", "none are named", "residuals(exchangeable)", ""),
    ("residuals(ar, time=t | )", "behind the bar", "|", ""),
    ("residuals(ar, time=t || id)", "one bar", "|", ""),
    ("residuals(ar, time=t | arm | id)", "one bar", "|", ""),
    ("residuals(ar, time=t | arm/id)", "two readings", "arm/id", "by=arm | id"),
    ("residuals(ar, time=t | arm/id)", "two readings", "arm/id", "| arm:id"),
    ("residuals(ar, time=t | id + a)", "not understood in a grouping", "+", ""),
    ("residuals(ar, time=t | 3)", "expected here", "3", ""),
    ("residuals(ar, time=t | id) * x", "stands alone", None, "no function"),
    ("(residuals(ar, time=t | id))", "stands alone", None, "no function"),
    ("log(residuals(x))", "stands alone", None, "no function"),
    ("residuals(x) + z", "no structure of residuals", "x", ""),
    ("resid(ar, time=t | id)", "no covariance structure", "resid", "residuals(struc"),
    ("Residuals(ar, time=t | id)", "no covariance structure", "Residuals", "residu"),
    ("corAR1(t | id)", "no covariance structure", "corAR1", "residuals(structure"),
    (
        "residuals(ar, time=t | id) + residuals(ma, time=t | id)",
        "said twice",
        "residuals(ma, time=t | id)",
        "by=variable",
    ),
]


@pytest.mark.parametrize(("term", "message", "marked", "hint"), REJECTED)
def test_what_is_wrong_with_a_term_is_marked(term, message, marked, hint):
    text = f"y ~ w + {term}"
    with pytest.raises(FormulaError) as caught:
        parse_formula(text)
    error = caught.value
    assert message in error.problem
    assert hint in error.hint
    assert text[slice(*error.span)] == (term if marked is None else marked)
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


def test_a_residual_term_cannot_be_taken_away():
    with pytest.raises(FormulaError, match="residual term cannot be taken away"):
        parse_formula("y ~ x - residuals(ar, time=t | id)")


@settings(max_examples=examples(300), deadline=None)
@given(
    st.lists(
        st.sampled_from(
            "residuals( ar ma unstructured , = | / : id t time= order= by= 2 ) ( ' `"
            " + x".split()
        ),
        max_size=14,
    )
)
def test_any_words_give_a_term_or_the_own_error(words):
    text = "y ~ residuals(" + " ".join(words) + ")"
    try:
        found = parse_formula(text).residual
        start = found.span[0]
    except FormulaError as error:
        start = 0 if error.span is None else error.span[0]
    assert 0 <= start < len(text)


def test_a_column_may_be_called_residuals():
    frame = SLEEP.rename(columns={"days": "residuals"})
    fit = from_formula("reaction ~ residuals + log(residuals + 1)", frame)
    assert fit.fixed_names_ == ["residuals", "log(residuals + 1)"]
    with pytest.raises(ValueError, match="'residuals', which formulas have"):
        from_formula("reaction ~ days", SLEEP, functions={"residuals": np.log})


# -- what other programs write ---------------------------------------------------------


@pytest.mark.parametrize("word", WORDS)
@pytest.mark.parametrize("groups", ["id", "arm/id"])
@pytest.mark.parametrize("effects", ["visit", "visit + 0", "0 + visit", "t1, t2"])
def test_words_of_other_programs(word, groups, effects):
    """Refused with both readings, and what is proposed can be read."""
    text = f"y ~ x + {word}({effects} | {groups})"
    with pytest.raises(FormulaError) as caught:
        parse_formula(text)
    error = caught.value
    assert text[slice(*error.span)] == word
    of_residuals, of_effects = error.hint.split("\n")
    known = WORDS[word]
    assert len(known.readers) < 2 or (
        "mmrm" in error.problem and "glmm" in error.problem
    )
    if known.residuals and (groups == "id" or "random effects" != known.readers[0:1]):
        said = of_residuals.removeprefix("Residuals: ").removesuffix(".")
        if "by=" in said or "/" not in said:
            found = parse_formula(f"y ~ x + {said}").residual
            assert found.structure == known.residuals
            assert found.grouping == ("id",)
            assert found.parameters.get("by") == ("arm" if "/" in groups else None)
            needed = STRUCTURES[known.residuals].time_kind is not None
            time = "variable" if "," in effects else "visit"
            assert found.parameters.get("time") == (time if needed else None)
    if of_effects.startswith("Random effects: (") and "," not in effects:
        said = of_effects.removeprefix("Random effects: ").removesuffix(".")
        assert parse_formula(f"y ~ x + {said}").random[-1].covariance == known.effects


def test_both_readings_in_full():
    with pytest.raises(FormulaError) as caught:
        from_formula("reaction ~ days + us(day | subject)", SLEEP)
    assert str(caught.value) == (
        "us(day | subject) has two readings: in mmrm it is the covariance of the "
        "residuals, in glmmTMB that of random effects.\n"
        "    reaction ~ days + us(day | subject)\n"
        "                      ^^\n"
        "Residuals: residuals(unstructured, time=day | subject).\n"
        "Random effects: (day | subject)."
    )


def test_transforms_with_such_names_stay():
    """cs() without a bar is a spline."""
    fit = from_formula("reaction ~ cs(days, df=3) + (1 | subject)", SLEEP)
    assert len(fit.coef_) == 3


# -- the same model --------------------------------------------------------------------

TERMS = {
    "independent, by=late": Residuals("independent", by="late"),
    "exchangeable": Residuals("exchangeable"),
    "exchangeable, by=half": Residuals("exchangeable", by="half"),
    "ar, time=day": Residuals("ar", time="day"),
    "ar, order=2, time=day": Residuals("ar", order=2, time="day"),
    "ma, time=day, by=half": Residuals("ma", time="day", by="half"),
    "toeplitz, order=3, time=day": Residuals("toeplitz", order=3, time="day"),
    "banded, order=1, time=day": Residuals("banded", order=1, time="day"),
    "unstructured, time=day": Residuals("unstructured", time="day"),
    "exponential, time=day": Residuals("exponential", time="day"),
}


def early(structure):
    wide = structure.structure in ("unstructured", "banded", "toeplitz")
    return SLEEP.query("days < 4").reset_index(drop=True) if wide else SLEEP


@pytest.mark.daily
@pytest.mark.parametrize("said", TERMS)
@pytest.mark.parametrize("way", ["term", "parameter"])
def test_it_is_the_estimators_model(said, way):
    """Times and by-variables need not stand in the formula otherwise."""
    residuals = TERMS[said]
    frame = early(residuals)
    if way == "term":
        text = f"reaction ~ days + residuals({said} | subject)"
        fit = from_formula(text, frame, method="reml")
    else:
        text = "reaction ~ days + (0 | subject)"
        fit = from_formula(text, frame, method="reml", residuals=residuals)
    plain = MixedLinearRegressor(
        RandomEffects("subject", intercept=False),
        fixed=["days"],
        method="reml",
        residuals=residuals,
    ).fit(frame, frame["reaction"])
    assert repr(fit.residuals) == repr(residuals)
    assert fit.log_likelihood_ == pytest.approx(plain.log_likelihood_, rel=1e-12)
    assert_allclose(fit.coef_, plain.coef_, rtol=1e-9)
    assert fit.residual_parameters_ == plain.residual_parameters_
    assert_allclose(fit.predict(frame), plain.predict(frame), rtol=1e-9)
    assert_allclose(fit.forecast(frame), plain.forecast(frame), rtol=1e-9)
    assert_allclose(
        fit.standardized_residuals(frame, frame["reaction"]),
        plain.standardized_residuals(frame, frame["reaction"]),
        rtol=1e-9,
        atol=1e-9,
    )


CASES = [c for c in GLMMTMB["cases"] if c["data"] == "orthodont" and not c["above"]]


@pytest.mark.parametrize("case", CASES, ids=lambda c: c["id"])
def test_glmmtmbs_fits(case):
    frame = load_orthodont().frame
    frame = frame.assign(
        t=(frame["age"] - 8) // 2 + 1, male=(frame["sex"] == "Male").astype(float)
    )
    spec = case["residuals"]
    order = f"order={spec['order']}, " if spec.get("order") else ""
    fit = from_formula(
        f"distance ~ {' + '.join(case['fixed'])} + "
        f"residuals({spec['structure']}, {order}time={spec['time']} | subject)",
        frame,
        method=case["method"],
    )
    assert_allclose(fit.log_likelihood_, case["log_likelihood"], rtol=1e-10)


def test_there_is_a_fit_of_glmmtmb():
    assert CASES


def test_with_random_effects_and_levels_above():
    text = "reaction ~ days + (1 | place) + (1 | subject)"
    fit = from_formula(f"{text} + residuals(ar, time=day | subject)", SLEEP)
    plain = MixedLinearRegressor(
        ["place", "subject"], fixed=["days"], residuals=Residuals("ar", time="day")
    ).fit(SLEEP, SLEEP["reaction"])
    assert_allclose(fit.log_likelihood_, plain.log_likelihood_, rtol=1e-12)
    # subjects numbered within places
    nested = from_formula(
        "reaction ~ days + (1 | place/number) + residuals(ar, time=day | place:number)",
        SLEEP,
    )
    assert_allclose(nested.log_likelihood_, plain.log_likelihood_, rtol=1e-12)
    alone = from_formula(
        "reaction ~ days + residuals(ar, time=day | place:number)", SLEEP
    )
    other = from_formula("reaction ~ days + residuals(ar, time=day | subject)", SLEEP)
    assert_allclose(alone.log_likelihood_, other.log_likelihood_, rtol=1e-12)


def test_independent_residuals_need_no_groups():
    fit = from_formula("reaction ~ days + residuals(by=late)", SLEEP)
    plain = MixedLinearRegressor(fixed=["days"], residuals=Residuals(by="late")).fit(
        SLEEP, SLEEP["reaction"]
    )
    assert_allclose(fit.log_likelihood_, plain.log_likelihood_, rtol=1e-12)
    assert fit.get_params()["random_effects"] is None


def test_two_names_of_one_grouping():
    frame = SLEEP.assign(person=SLEEP["subject"].astype(str))
    fit = from_formula(
        "reaction ~ days + (1 | person) + residuals(ar, time=day | subject)", frame
    )
    same = from_formula(
        "reaction ~ days + (1 | subject) + residuals(ar, time=day | subject)", frame
    )
    assert_allclose(fit.log_likelihood_, same.log_likelihood_, rtol=1e-10)


@pytest.mark.parametrize(
    ("formula", "message", "marked"),
    [
        (
            "reaction ~ (1 | subject) + residuals(ar, time=day | place)",
            "lowest level, which are those of subject, not of place",
            "place",
        ),
        (
            "reaction ~ (1 | place/number) + residuals(ar, time=day | place)",
            "lowest level, which are those of place:number, not of place",
            "place",
        ),
        (
            "reaction ~ (days | subject) + residuals(exchangeable | late)",
            "late crosses the other groupings",
            "late",
        ),
        (
            "reaction ~ residuals(ar, time=day | subj)",
            "no grouping variable 'subj'",
            "subj",
        ),
        (
            "reaction ~ residuals(ar, time=dai | subject)",
            "no variable 'dai', the time of the residuals",
            "dai",
        ),
        (
            "reaction ~ residuals(ar, time=day, by=arm | subject)",
            "no variable 'arm', the by of the residuals",
            "arm",
        ),
    ],
)
def test_terms_that_the_data_do_not_fit(formula, message, marked):
    with pytest.raises(FormulaError) as caught:
        from_formula(formula, SLEEP)
    assert message in str(caught.value)
    assert formula[slice(*caught.value.span)] == marked


def test_the_structure_is_given_once():
    text = "reaction ~ days + residuals(ar, time=day | subject)"
    with pytest.raises(FormulaError, match="said twice") as caught:
        from_formula(text, SLEEP, residuals=Residuals("ma", time="day"))
    assert "Residuals(structure='ma', time='day')" in str(caught.value)
    assert text[slice(*caught.value.span)] == text.split(" + ")[1]
    assert from_formula(text, SLEEP, residuals=None).residuals.structure == "ar"
    with pytest.raises(FormulaError, match=r"by residuals\(structure"):
        from_formula("reaction ~ days + (0 | subject)", SLEEP)


# -- at home in scikit-learn -----------------------------------------------------------


def test_the_round_trip():
    text = "reaction ~ days + residuals(ar, order=2, time=day, by=half | subject)"
    fit = from_formula(text, SLEEP)
    expected = {"structure": "ar", "order": 2, "time": "day", "by": "half"}
    expected["variance"] = None
    assert fit.residuals.get_params() == expected
    deep = fit.get_params()
    assert {k: deep[f"residuals__{k}"] for k in expected} == expected
    assert repr(fit) == f"FormulaRegressor({text!r})"
    assert fit.formula == text
    copy = clone(fit)
    assert copy.residuals is not fit.residuals
    again = copy.fit(SLEEP)
    assert again.log_likelihood_ == fit.log_likelihood_
    loaded = pickle.loads(pickle.dumps(fit))
    assert loaded.residuals.get_params() == expected
    assert_array_equal(loaded.predict(SLEEP), fit.predict(SLEEP))
    assert_allclose(clone(loaded).fit(SLEEP).coef_, fit.coef_, rtol=1e-12)
    # a fit does not change what the formula says to the next one
    fit.residuals.order = 3
    assert from_formula(text, SLEEP).residuals.order == 2


def test_searches_over_the_structure():
    fit = from_formula("reaction ~ days + residuals(ar, time=day | subject)", SLEEP)
    search = GridSearchCV(fit, {"residuals__order": [2, 3]}, cv=2)
    search.fit(SLEEP, SLEEP["reaction"])
    assert search.best_params_["residuals__order"] in (2, 3)
    assert search.best_estimator_.residuals.structure == "ar"
    table = compare_residuals(
        fit,
        [Residuals("ar", time="day"), Residuals("exchangeable")],
        SLEEP,
        SLEEP["reaction"],
    )
    assert list(table["n_params"]) == [4, 4]
    assert_allclose(table.loc["AR(1)", "log_likelihood"], fit.log_likelihood_)


@pytest.mark.parametrize("time", ["days", "day"])
def test_a_structure_that_is_set_later_takes_no_covariate_away(time):
    """Comparisons of structures were without the covariate that is the time."""
    plain = from_formula("reaction ~ days + (1 | subject)", SLEEP)
    candidates = [Residuals(), Residuals("ar", time=time)]
    table = compare_residuals(plain, candidates, SLEEP, SLEEP["reaction"])
    text = "reaction ~ days + (1 | subject) + residuals(ar, time=day | subject)"
    expected = from_formula(text, SLEEP)
    assert table.loc["AR(1)", "n_params"] == expected.results_.n_params == 5
    assert_allclose(table.loc["AR(1)", "log_likelihood"], expected.log_likelihood_)
    later = clone(plain).set_params(residuals=Residuals("ar", time=time)).fit(SLEEP)
    assert later.fixed_names_ == ["days"]
    back = later.set_params(residuals=None).fit(SLEEP)
    assert_allclose(back.log_likelihood_, plain.log_likelihood_, rtol=1e-12)
    assert back.get_params()["fixed"] is None


def test_clusters_that_are_in_the_data_only():
    fit = from_formula(
        "reaction ~ days + (1 | subject)", SLEEP, vce="cluster", cluster="place"
    )
    assert fit.results_.cluster_name == "place"
    frame = SLEEP[["days", "subject"]].assign(place=SLEEP["place"])
    plain = MixedLinearRegressor(
        "subject", fixed=["days"], vce="cluster", cluster="place"
    ).fit(frame, SLEEP["reaction"])
    assert_allclose(fit.vcov(), plain.vcov(), rtol=1e-9)


def test_resampling_takes_the_term():
    text = "reaction ~ days + residuals(ar, time=day | subject)"
    fit = from_formula(text, SLEEP)
    plain = MixedLinearRegressor(
        RandomEffects("subject", intercept=False),
        fixed=["days"],
        residuals=Residuals("ar", time="day"),
    )
    own = bootstrap(fit, SLEEP, n_resamples=4, random_state=0)
    expected = bootstrap(
        plain,
        SLEEP[["subject", "days", "day"]],
        SLEEP["reaction"],
        n_resamples=4,
        random_state=0,
    )
    pd.testing.assert_frame_equal(own.replicates, expected.replicates)
    text = "reaction ~ days + residuals(exchangeable | subject)"
    fits = by(from_formula(text, SLEEP), SLEEP, by="half")
    half = from_formula(text, SLEEP[SLEEP["half"] == "b"])
    assert_allclose(fits["b"].log_likelihood_, half.log_likelihood_, rtol=1e-10)


def test_missing_times():
    frame = SLEEP.assign(day=SLEEP["days"].where(SLEEP.index % 10 != 3))
    text = "reaction ~ residuals(ar, time=day | subject)"
    with pytest.raises(ValueError, match="time variable 'day' of residuals is missing"):
        from_formula(text, frame)
    fit = from_formula(text, frame, missing="drop")
    assert fit.results_.n_obs == 162


def test_predicting_needs_no_times():
    fit = from_formula("reaction ~ days + residuals(ar, time=day | subject)", SLEEP)
    new = SLEEP[["days", "subject"]].head(3)
    assert_allclose(fit.predict(new), fit.predict(SLEEP)[:3])
    with pytest.raises(ValueError, match="'day'"):
        fit.forecast(new)


# -- other languages, and the shell ------------------------------------------------------


def test_translations_of_the_term():
    fit = from_formula("reaction ~ days + residuals(ar, time=day | subject)", SLEEP)
    assert "corAR1" in str(to_nlme(fit))
    assert "repeated day / subject=subject type=ar(1)" in str(to_sas(fit))
    assert "structure 'ar'" in str(to_lme4(fit))


def test_a_formula_as_a_command():
    """It fell over the formula's recipe."""
    text = "reaction ~ days + (1 | place) + residuals(ar, order=2, time=day | subject)"
    fit = from_formula(text, SLEEP)
    command = to_command(fit)
    assert command == (
        "xtmixed reaction days || place: || subject:, noconstant "
        "residuals(ar 2, t(day))"
    )
    again = xtmixed(command, SLEEP, show=False)
    assert_allclose(again.log_likelihood_, fit.log_likelihood_, rtol=1e-10)


@pytest.mark.parametrize(
    "term", ["residuals(independent | subject)", "(0 | subject)", "residuals(by=late)"]
)
def test_lme4_gets_no_groupings_without_effects(term):
    """lm() would take (0 | subject) for a covariate, 0 or subject."""
    more = {"residuals": Residuals()} if term.startswith("(") else {}
    fit = from_formula(f"reaction ~ poly(days, 2) + {term}", SLEEP, **more)
    if "by=" in term:
        assert "cannot say" in str(to_lme4(fit))
        return
    assert str(to_lme4(fit)) == "fit <- lm(reaction ~ poly(days, 2), data = data)"
    both = from_formula(
        "reaction ~ days + (days || subject) + residuals(independent | subject)", SLEEP
    )
    assert "lmer(reaction ~ days + (days || subject), " in str(to_lme4(both))


def test_from_a_shell(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    SLEEP.to_csv("sleep.csv", index=False)
    text = "reaction ~ days + residuals(ar, time=day | subject)"
    assert main(["--formula", text, "--reml", "--data", "sleep.csv"]) == 0
    out = capsys.readouterr().out
    fit = from_formula(text, SLEEP, method="reml", missing="drop")
    assert out.strip() == str(fit.summary()).strip()
    assert "Residual: AR(1)" in out
    wrong = "reaction ~ days + us(day | subject)"
    assert main(["--formula", wrong, "--data", "sleep.csv"]) == 2
    error = capsys.readouterr().err
    assert "residuals(unstructured, time=day | subject)" in error
    assert "^^" in error
