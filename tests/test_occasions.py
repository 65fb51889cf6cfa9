"""Occasions of unstructured and banded residuals that have names."""

from __future__ import annotations

import json
import pickle
import warnings
from functools import cache

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_xmixed import (
    MixedLinearRegressor,
    RandomEffects,
    Residuals,
    bootstrap,
    from_formula,
    to_lme4,
    to_nlme,
    to_sas,
)
from sklearn_xmixed.diagnostics import within_correlation
from sklearn_xmixed.exceptions import CommandError
from sklearn_xmixed.inference import Results
from sklearn_xmixed.plotting import WithinCorrelationDisplay
from sklearn_xmixed.stata import to_command, xtmixed

VISITS = ["VIS1", "VIS2", "VIS3", "VIS4"]
#: names that are not sorted, some with characters that need quotes
WORDS = ["start", "week 4", "a, b", "END"]


def _frame() -> pd.DataFrame:
    """Sixty subjects, up to four occasions 1 to 4, rows in no order."""
    rng = np.random.default_rng(11)
    n, T = 60, 4
    root = np.linalg.cholesky(0.4 * np.eye(T) + np.linspace(0.3, 0.6, T))
    frame = pd.DataFrame(
        {
            "id": np.repeat(np.arange(n), T),
            "arm": np.repeat(rng.integers(0, 2, n), T),
            "x": rng.normal(size=n * T),
            "number": np.tile(np.arange(1, T + 1), n),
        }
    )
    frame["y"] = 1 + frame.x + (rng.normal(size=(n, T)) @ root.T).ravel()
    keep = rng.random(len(frame)) > 0.15
    return frame[keep].sample(frac=1, random_state=1).reset_index(drop=True)


FRAME = _frame()
AT = FRAME["number"].to_numpy() - 1


def model(structure: str = "unstructured", **parameters) -> MixedLinearRegressor:
    residuals = {k: parameters.pop(k) for k in ("order", "by") if k in parameters}
    return MixedLinearRegressor(
        RandomEffects("id", intercept=False),
        fixed=["x"],
        residuals=Residuals(structure, time="visit", **residuals),
        **parameters,
    )


def fit(visit, structure: str = "unstructured", **parameters) -> MixedLinearRegressor:
    return model(structure, **parameters).fit(FRAME.assign(visit=visit), FRAME["y"])


@cache
def numbered(structure: str = "unstructured", **parameters) -> MixedLinearRegressor:
    """The fit to plain numbers, with which others are compared."""
    return fit(FRAME["number"], structure, **parameters)


def same(found: MixedLinearRegressor, wanted: MixedLinearRegressor) -> None:
    """The same likelihood, coefficients, parameters and their standard errors."""
    assert_allclose(found.log_likelihood_, wanted.log_likelihood_, rtol=1e-12)
    a, b = found.results_, wanted.results_
    assert_allclose(a.beta, b.beta, rtol=1e-10)
    assert_allclose(a.beta_vcov, b.beta_vcov, rtol=1e-10)
    assert_allclose(a.alpha, b.alpha, rtol=1e-10, atol=1e-10)
    assert_allclose(a.alpha_vcov, b.alpha_vcov, rtol=1e-10, atol=1e-12)


def terms(found: MixedLinearRegressor) -> list[str]:
    return [p.term("sd") for p in found.results_.parameters]


# ------------------------------------------------------------------ the same as numbers

STRUCTURES = {
    "unstructured": ("unstructured", {}),
    "reml": ("unstructured", {"method": "reml"}),
    "by": ("unstructured", {"by": "arm"}),
    "banded": ("banded", {"order": 1}),
}
FORMS = {
    "text": np.array(VISITS, dtype=object)[AT],
    "fixed-width text": np.array(VISITS)[AT],
    "string": pd.array(np.array(VISITS)[AT], dtype="string"),
    "categories": pd.Categorical.from_codes(AT, VISITS),
    "unused categories": pd.Categorical.from_codes(AT + 1, ["BASE", *VISITS, "VIS9"]),
    "ordered categories": pd.Categorical.from_codes(AT, VISITS, ordered=True),
}


@pytest.mark.daily
@pytest.mark.parametrize("case", STRUCTURES)
@pytest.mark.parametrize("form", FORMS)
def test_names_give_the_same_fit_as_numbers(case, form):
    structure, parameters = STRUCTURES[case]
    found = fit(FORMS[form], structure, **parameters)
    wanted = numbered(structure, **parameters)
    same(found, wanted)
    told = [t.replace("eVIS", "e") for t in terms(found)]
    assert told == terms(wanted)
    assert found.results_.specification.residual_occasions == tuple(VISITS)


@pytest.mark.parametrize("case", STRUCTURES)
def test_categories_keep_their_order(case):
    structure, parameters = STRUCTURES[case]
    found = fit(pd.Categorical.from_codes(AT, WORDS), structure, **parameters)
    same(found, numbered(structure, **parameters))
    assert found.results_.specification.residual_occasions == tuple(WORDS)


def test_texts_are_sorted():
    found = fit(np.array(WORDS, dtype=object)[AT])
    place = np.array([3, 4, 2, 1])  # END, a, start, week
    same(found, fit(place[AT] - 1))
    assert found.results_.specification.residual_occasions == (
        "END",
        "a, b",
        "start",
        "week 4",
    )


@pytest.mark.parametrize(
    "dtype", [bool, "boolean", object], ids=["bool", "boolean", "object"]
)
def test_booleans(dtype):
    few = FRAME[FRAME["number"].isin([1, 4])]
    after = (few["number"] > 2).astype(dtype)
    found = model().fit(few.assign(visit=after), few["y"])
    same(found, model().fit(few.assign(visit=few["number"]), few["y"]))
    assert terms(found) == ["sd(eFalse)", "sd(eTrue)", "corr(eFalse,eTrue)"]
    assert np.isfinite(found.forecast(few.assign(visit=after), groups=None)).all()


def test_integers_that_are_categories_follow_these():
    order = [3, 1, 2, 4]
    found = fit(pd.Categorical(FRAME["number"], categories=order), "banded", order=1)
    place = np.array([order.index(k) for k in FRAME["number"]])
    same(found, fit(place, "banded", order=1))
    assert terms(found)[:4] == ["sd(e3)", "sd(e1)", "sd(e2)", "sd(e4)"]
    # new rows may have them as plain numbers
    new = FRAME.assign(visit=FRAME["number"])
    assert_allclose(
        found.forecast(new),
        fit(place, "banded", order=1).forecast(new.assign(visit=place)),
    )


def test_numbers_stay_as_they_are():
    spec = numbered().results_.specification
    assert spec.residual_times == (1.0, 2.0, 3.0, 4.0)
    assert spec.residual_occasions == ("1", "2", "3", "4")
    wanted = fit(FRAME["number"] * 5)
    for visit in (
        (FRAME["number"] * 5).astype(str),
        (FRAME["number"] * 5).astype(object),
    ):
        found = fit(visit)
        assert terms(found)[:4] == ["sd(e5)", "sd(e10)", "sd(e15)", "sd(e20)"]
        same(found, wanted)


def test_an_array_of_objects():
    names = np.array(VISITS, dtype=object)[AT]
    X = np.column_stack([FRAME[["id", "x"]].to_numpy(object), names])
    found = MixedLinearRegressor(
        RandomEffects("x0", intercept=False),
        fixed=["x1"],
        residuals=Residuals("unstructured", time="x2"),
    ).fit(X, FRAME["y"])
    same(found, numbered())


@pytest.mark.parametrize("form", ["Series", "Categorical", "Enum", "frame", "array"])
def test_names_in_groups(form):
    words = np.array(WORDS, dtype=object)[AT]
    X, groups = FRAME[["id", "x"]], None
    if form == "Series":
        groups = pd.Series(np.array(VISITS)[AT], name="visit")
    elif form == "Categorical":
        groups = pd.Series(pd.Categorical(words, WORDS), name="visit")
    elif form == "Enum":
        groups = pl.Series("visit", words.tolist(), dtype=pl.Enum(WORDS))
    elif form == "frame":
        groups = pd.DataFrame({"visit": pd.Categorical(words, WORDS)})
    else:
        groups = pd.DataFrame({"visit": np.array(VISITS)[AT]})
    found = model("banded", order=1).fit(X, FRAME["y"], groups=groups)
    wanted = numbered("banded", order=1)
    same(found, wanted)
    assert_allclose(
        found.forecast(X, groups=groups),
        wanted.forecast(FRAME.assign(visit=FRAME["number"])),
    )


def _polars(dtype) -> pl.DataFrame:
    words = WORDS if isinstance(dtype, pl.Enum) else VISITS
    frame = pl.DataFrame(FRAME.assign(visit=np.array(words)[AT]))
    return frame.with_columns(pl.col("visit").cast(dtype))


@pytest.mark.parametrize(
    "dtype", [pl.String, pl.Categorical, pl.Enum([*WORDS, "never"])], ids=str
)
def test_polars(dtype):
    frame = _polars(dtype)
    found = model("banded", order=1).fit(frame, FRAME["y"])
    wanted = numbered("banded", order=1)
    same(found, wanted)
    assert_allclose(
        found.forecast(frame), wanted.forecast(FRAME.assign(visit=FRAME["number"]))
    )
    # rows that lack most of the occasions
    few = frame.filter(pl.col("number") > 3)
    assert_allclose(found.forecast(few), found.forecast(frame)[FRAME["number"] > 3])


# -------------------------------------------------------------------------- the output


def test_names_in_the_output():
    found = fit(pd.Categorical.from_codes(AT, WORDS))
    assert terms(found) == [
        "sd(estart)",
        'sd(e"week 4")',
        'sd(e"a, b")',
        "sd(eEND)",
        'corr(estart,e"week 4")',
        'corr(estart,e"a, b")',
        "corr(estart,eEND)",
        'corr(e"week 4",e"a, b")',
        'corr(e"week 4",eEND)',
        'corr(e"a, b",eEND)',
    ]
    assert list(found.residual_parameters_)[1] == 'var(e"week 4")'
    assert ("Residual", "cov(estart,eEND)") in found.variance_components_.index
    text = str(found.summary())
    assert 'sd(e"week 4") |' in text
    assert "corr(estart,eEND) |" in text
    assert max(map(len, text.splitlines())) <= 78
    assert "corr(estart,eEND)" in found.summary()._repr_html_()
    term = '_b[Residual:var(e"week 4")]'
    value = found.nlcom(f"{term} / _b[Residual:var(eEND)]")
    want = found.residual_parameters_
    assert_allclose(
        value["estimate"].iloc[0],
        want['var(e"week 4")'] / want["var(eEND)"],
        rtol=1e-10,
    )


def test_odd_names():
    names = ["<b>", 'say "so"', "x" * 40, "0-4"]
    found = fit(pd.Categorical.from_codes(AT, names))
    assert terms(found)[:4] == [
        'sd(e"<b>")',
        'sd(e"say ""so""")',
        f"sd(e{'x' * 40})",
        "sd(e0-4)",
    ]
    assert "<b>" not in found.summary()._repr_html_()
    assert max(map(len, str(found.summary()).splitlines())) <= 78


def test_saved_results_know_the_names():
    found = fit(np.array(VISITS)[AT])
    spec = found.results_.specification
    assert (spec.residual_time, spec.residual_times) == ("visit", ())
    again = Results.from_dict(json.loads(json.dumps(found.results_.to_dict())))
    assert again.specification == spec
    assert again.parameters == found.results_.parameters
    loaded = pickle.loads(pickle.dumps(found))
    new = FRAME.assign(visit=np.array(VISITS)[AT])
    assert_array_equal(loaded.forecast(new), found.forecast(new))


def test_by_categories_with_occasions_of_their_own():
    visit = np.where(FRAME["arm"] == 1, AT % 4, np.minimum(AT, 2))
    few = (FRAME["arm"] == 1) | (FRAME["number"] < 4)
    rows = FRAME[few].assign(visit=np.array(VISITS, dtype=object)[visit[few]])
    numbers = rows.assign(visit=visit[few])
    found = model(by="arm").fit(rows, rows["y"])
    same(found, model(by="arm").fit(numbers, rows["y"]))
    assert "0: sd(eVIS4)" not in terms(found)
    assert "1: sd(eVIS4)" in terms(found)
    assert found.results_.specification.residual_occasions == tuple(VISITS)
    lost = rows.assign(visit="VIS4").query("arm == 0")
    with pytest.raises(ValueError, match=r"time VIS4; the times .* VIS1, VIS2, VIS3"):
        found.prediction_interval(lost)


# ------------------------------------------------------------------------------- rows


@pytest.mark.parametrize("nothing", [None, np.nan, pd.NA])
@pytest.mark.parametrize("form", ["text", "categories", "boolean"])
def test_missing_occasions_obey_missing(form, nothing):
    keep = np.ones(len(FRAME), dtype=bool)
    keep[[3, 8]] = False
    if form == "boolean":
        part = FRAME["number"].isin([1, 4]).to_numpy()
        visit, numbers = (AT > 1).astype(object), AT
    else:
        part = np.ones(len(FRAME), dtype=bool)
        visit, numbers = np.array(WORDS, dtype=object)[AT], AT
        if form == "text":
            numbers = np.array([2, 3, 1, 0])[AT]
    visit[~keep] = nothing
    if form == "categories":
        visit = pd.Categorical(visit, WORDS)
    X = FRAME.assign(visit=visit)[part]
    with pytest.raises(ValueError, match="'visit' of residuals is missing in"):
        model().fit(X, X["y"])
    found = model(missing="drop").fit(X, X["y"])
    few = FRAME.assign(visit=numbers)[part & keep]
    same(found, model().fit(few, few["y"]))
    with pytest.raises(ValueError, match="is missing in"):
        found.forecast(X)
    with pytest.raises(ValueError, match="is missing in"):
        found.standardized_residuals(X, X["y"])


def test_nulls_of_an_enum_are_missing():
    frame = _polars(pl.Enum(WORDS)).with_columns(
        pl.when(pl.col("id") == 3).then(None).otherwise(pl.col("visit")).alias("visit")
    )
    with pytest.raises(ValueError, match="'visit' of residuals is missing in"):
        model().fit(frame, FRAME["y"])
    found = model(missing="drop").fit(frame, FRAME["y"])
    few = FRAME.assign(visit=FRAME["number"])[FRAME["id"] != 3]
    same(found, model().fit(few, few["y"]))


ANSWERS = {
    "forecast": lambda m, X: m.forecast(X),
    "standardized_residuals": lambda m, X: m.standardized_residuals(X, FRAME["y"]),
    "prediction_interval": lambda m, X: m.prediction_interval(X),
    "marginal_covariance": lambda m, X: m.marginal_covariance(X),
}


@pytest.mark.parametrize("answer", ANSWERS)
def test_rows_of_unknown_occasions(answer):
    found = fit(pd.Categorical.from_codes(AT, WORDS))
    visit = np.array(WORDS, dtype=object)[AT]
    visit[[2, 5]] = "later", "never"
    new = FRAME.assign(visit=visit)
    message = r"occasions 'later', 'never'.* 'start', 'week 4', 'a, b', 'END'"
    with pytest.raises(ValueError, match=message):
        ANSWERS[answer](found, new)
    assert np.isfinite(found.predict(new)).all()  # has no need of occasions


@pytest.mark.parametrize("answer", ANSWERS)
def test_rows_of_names_after_a_fit_to_numbers(answer):
    found = numbered()
    with pytest.raises(ValueError, match=r"occasions 'VIS9'.* '1', '2', '3', '4'"):
        ANSWERS[answer](found, FRAME.assign(visit="VIS9"))
    with pytest.raises(ValueError, match=r"occasions '7', '9'.* '1', '2', '3', '4'"):
        ANSWERS[answer](found, FRAME.assign(visit=[9, 7, *FRAME["number"][2:]]))


@pytest.mark.parametrize("answer", ANSWERS)
def test_rows_are_answered_as_with_numbers(answer):
    found, wanted = fit(pd.Categorical.from_codes(AT, WORDS)), numbered()
    # texts find their categories, whatever is sorted or lacking
    new = FRAME.assign(visit=np.array(WORDS)[AT])
    got = ANSWERS[answer](found, new)
    assert_allclose(got, ANSWERS[answer](wanted, FRAME.assign(visit=FRAME["number"])))


def test_unknown_groups_may_have_unknown_occasions():
    found = fit(np.array(VISITS)[AT])
    new = FRAME.assign(visit="VIS9", id=-1)
    plain = found.set_params(unseen="zero").predict(new)
    assert_allclose(found.forecast(new), plain)


# ---------------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("structure", "order"),
    [("ar", None), ("ar", 2), ("ma", 1), ("toeplitz", None), ("exponential", None)],
)
@pytest.mark.parametrize("form", ["text", "categories"])
def test_times_with_distances_have_no_names(structure, order, form):
    message = (
        rf"must hold numbers, found 'VIS\d' in row 0: the correlation of {structure} "
        r"residuals depends on the distance .*map\(\{'VIS\d': 1, .* take names: "
        "unstructured or banded"
    )
    with pytest.raises(ValueError, match=message):
        fit(FORMS[form], structure, order=order)


def test_texts_beside_numbers():
    visit = FRAME["number"].astype(object)
    visit[4] = "end"
    with pytest.raises(ValueError, match=r"holds text \('end' in row 4\) beside other"):
        fit(visit)


def test_other_objects():
    visit = [(k, k) for k in FRAME["number"]]
    column = np.empty(len(visit), dtype=object)
    column[:] = visit
    with pytest.raises(ValueError, match=r"take nonnegative integers, or names: texts"):
        fit(pd.Series(column))


def test_categories_that_read_alike():
    visit = pd.Categorical.from_codes(AT, [1, "1", "two", 3])
    with pytest.raises(ValueError, match="two categories that both read '1'"):
        fit(visit)


def test_dates_are_told_what_to_do():
    visit = pd.Timestamp("2024-01-01") + pd.to_timedelta(AT, unit="D")
    with pytest.raises(
        ValueError, match=r"holds dates.*need names, by t.astype\(str\)"
    ):
        fit(visit)
    found = fit(visit.astype(str))
    same(found, numbered())
    assert terms(found)[0] == "sd(e2024-01-01)"


def test_a_repeated_occasion_is_named():
    with pytest.raises(ValueError, match="'visit' = VIS1 is repeated within group id="):
        fit(np.full(len(FRAME), "VIS1"))


def test_the_order_of_numbered_texts_in_bands():
    names = np.array(["VIS1", "VIS2", "VIS3", "VIS10"])
    with pytest.warns(UserWarning, match="'VIS1', 'VIS10', 'VIS2'.*Categorical"):
        fit(names[AT], "banded", order=1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit(names[AT])  # makes no difference
        fit(pd.Categorical(names[AT], names), "banded", order=1)
        fit(np.array(VISITS)[AT], "banded", order=1)


# --------------------------------------------------------------------------- languages


@pytest.mark.daily
@pytest.mark.parametrize("terms_", ["x", "x + number", "x * visit"])
@pytest.mark.parametrize("frame", ["text", "categories", "Enum"])
def test_formula(terms_, frame):
    data = FRAME.assign(visit=np.array(WORDS)[AT])
    if frame == "categories":
        data["visit"] = pd.Categorical(data["visit"], WORDS)
    elif frame == "Enum":
        data = _polars(pl.Enum(WORDS))
    residuals = Residuals("unstructured", time="visit")
    found = from_formula(f"y ~ {terms_} + (0 | id)", data, residuals=residuals)
    order = [3, 1, 2, 0] if frame == "text" else [0, 1, 2, 3]
    names = [WORDS[k] for k in ([3, 2, 0, 1] if frame == "text" else order)]
    assert found.results_.specification.residual_occasions == tuple(names)
    number = [names.index(w) for w in np.array(WORDS)[AT]]
    wanted = from_formula(
        f"y ~ {terms_} + (0 | id)",
        FRAME.assign(visit=np.array(WORDS)[AT], k=number).assign(
            visit=lambda f: pd.Categorical(f["visit"], names)
        ),
        residuals=Residuals("unstructured", time="k"),
    )
    same(found, wanted)
    assert_allclose(
        found.standardized_residuals(data, FRAME["y"]),
        wanted.standardized_residuals(
            FRAME.assign(visit=pd.Categorical(np.array(WORDS)[AT], names), k=number),
            FRAME["y"],
        ),
    )
    if "visit" not in terms_:  # the time is needed where errors are asked for, only
        new = FRAME.drop(columns="number") if terms_ == "x" else FRAME
        assert_allclose(found.predict(new), wanted.predict(new))


@pytest.mark.parametrize("kind", ["cluster", "parametric"])
def test_resampling_keeps_the_order_of_categories(kind):
    X = FRAME.assign(visit=pd.Categorical.from_codes(AT, WORDS)).drop(columns="y")
    numbers = X.assign(visit=FRAME["number"])
    one, two = (
        bootstrap(
            model("banded", order=1),
            frame,
            FRAME["y"],
            kind=kind,
            n_resamples=2,
            random_state=0,
        ).replicates
        for frame in (X, numbers)
    )
    assert_allclose(one, two, rtol=1e-8)


def test_a_formula_resamples_in_the_order_of_categories():
    data, numbers = _polars(pl.Enum(WORDS)), FRAME.assign(visit=FRAME["number"])
    one, two = (
        bootstrap(
            from_formula(
                "y ~ x + (0 | id)",
                frame,
                residuals=Residuals("banded", order=1, time="visit"),
            ),
            frame,
            n_resamples=2,
            random_state=0,
        ).replicates
        for frame in (data, numbers)
    )
    assert_allclose(one, two, rtol=1e-8)


def test_command():
    line = "y x || id:, noconstant residuals(unstructured, t(visit))"
    with pytest.raises(CommandError, match="'visit' holds texts") as error:
        xtmixed(line, FRAME.assign(visit=np.array(VISITS)[AT]), show=False)
    assert "MixedLinearRegressor takes texts" in str(error.value)
    far = line.replace("unstructured", "ar 1")
    with pytest.raises(CommandError, match="distance between two"):
        xtmixed(far, FRAME.assign(visit=np.array(VISITS)[AT]), show=False)
    # labelled numbers are categories
    data = FRAME.assign(visit=pd.Categorical.from_codes(AT, WORDS))
    found = xtmixed(line, data, show=False)
    same(found, numbered())
    assert found.results_.specification.residual_occasions == tuple(WORDS)
    assert to_command(found) == f"xtmixed {line}"


def test_back_to_a_command():
    found = fit(np.array(VISITS)[AT])
    with pytest.raises(
        ValueError, match=r"holds names \(VIS1, VIS2, VIS3, VIS4\), and"
    ):
        to_command(found)
    assert "t(visit)" in to_command(numbered())
    assert "t(visit)" in to_command(fit(pd.Categorical(FRAME["number"])))
    with pytest.raises(ValueError, match=r"Number the occasions in their order"):
        to_command(fit(pd.Categorical(FRAME["number"], [2, 1, 3, 4])))


def test_nlme():
    code = to_nlme(fit(pd.Categorical.from_codes(AT, [*WORDS[:3], 'the "end"']))).code
    assert (
        'factor(data$visit, levels = c("start", "week 4", "a, b", "the \\"end\\""))'
        in code
    )
    few = FRAME[FRAME["number"].isin([1, 4])]
    found = model().fit(few.assign(visit=few["number"] > 2), few["y"])
    assert "factor(data$visit, levels = c(FALSE, TRUE))" in to_nlme(found).code
    assert "factor(data$visit))" in to_nlme(numbered()).code
    assert "lme4's are independent" in str(to_lme4(found))


def test_sas():
    found = to_sas(fit(pd.Categorical.from_codes(AT, [*WORDS[:3], "the 'end'"])))
    assert (
        "visit_order = whichc(visit, 'start', 'week 4', 'a, b', 'the ''end''');"
        in found.code
    )
    assert "class id visit_order;" in found.code
    assert "repeated visit_order / subject=id type=un" in found.code
    assert "of the values of visit_order" in found.parameters["in_SAS"].iloc[2]
    numbers = to_sas(fit(pd.Categorical(FRAME["number"], [2, 1, 3, 4]))).code
    assert "visit_order = whichn(visit, 2, 1, 3, 4);" in numbers
    for visit in (np.array(VISITS)[AT], FRAME["number"]):  # sorted as SAS sorts them
        assert "repeated visit / subject=id type=un" in to_sas(fit(visit)).code


# ------------------------------------------------------------------------------ lags


def test_lags_are_counted_in_occasions():
    X = FRAME.assign(visit=pd.Categorical.from_codes(AT, WORDS))
    found = model().fit(X, FRAME["y"])
    table = within_correlation(found, X, FRAME["y"])
    numbers = FRAME.assign(visit=FRAME["number"])
    wanted = within_correlation(model().fit(numbers, FRAME["y"]), numbers, FRAME["y"])
    assert_allclose(table, wanted)
    assert_allclose(within_correlation(found, X, FRAME["y"], time="visit"), wanted)
    other = X.assign(month="May")
    refit = model().fit(other, FRAME["y"])
    with pytest.raises(ValueError, match="time='month' holds 'May' in row 0"):
        within_correlation(refit, other, FRAME["y"], time="month")
    display = WithinCorrelationDisplay.from_estimator(found, X, FRAME["y"])
    assert_allclose(display.table, wanted)
    assert display.lag_name == "lag in visit"
