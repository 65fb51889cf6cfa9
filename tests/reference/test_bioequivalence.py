"""Replicate crossover studies: intervals of the European Medicines Agency, nlme, lmerTest.

The Agency's Questions & Answers (EMA/618604/2008) print, for two data sets, intervals that
SAS found by three methods: A, subjects fixed; B, subjects random; C, the FDA's, with random
effects of subjects by formulation and a residual variance for each treatment.
"""

from __future__ import annotations

import json
import warnings
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import t as student

from sklearn_xmixed import from_formula
from sklearn_xmixed.datasets import (
    load_bioequivalence_full,
    load_bioequivalence_partial,
)
from sklearn_xmixed.exceptions import NotConvergedWarning
from tests.conftest import slow
from tests.small_sample_oracle import KENWARD_ROGER, Linear, SmallSample, Tied, same

REFERENCE = json.loads(Path(__file__).with_name("bioequivalence.json").read_text())
STUDIES = {"full": load_bioequivalence_full, "partial": load_bioequivalence_partial}
FIXED = "log(pk) ~ sequence + C(period) + treatment"
FORMULAS = {
    "A": "log(pk) ~ C(subject) + C(period) + treatment",
    "B": f"{FIXED} + (1 | subject)",
    "C": f"{FIXED} + (0 + treatment | subject)"
    " + residuals(independent, by=treatment | subject)",
}
# ratio of the means and 90 % interval in per cent, as printed
PRINTED = {
    ("full", "A"): ("115.66", "107.11", "124.89"),
    ("full", "B"): ("115.73", "107.17", "124.97"),
    ("full", "C"): ("115.66", "107.10", "124.89"),
    ("partial", "A"): ("102.26", "97.32", "107.46"),
    ("partial", "B"): ("102.26", "97.32", "107.46"),
    ("partial", "C"): ("102.26", "97.05", "107.76"),
}
# coefficients of variation within subjects in per cent, by method C; of the reference by
# its own rows
WITHIN = {"full": {"R": "47.3", "T": "35.3"}, "partial": {"R": "11.5"}}
REFERENCE_ALONE = {"full": "47.0", "partial": "11.2"}
T = "treatment[T.T]"


@cache
def fitted(design, method):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotConvergedWarning)
        frame = STUDIES[design]().frame
        return from_formula(FORMULAS[method], frame, method="reml")


def interval(design, method, df):
    row = fitted(design, method).coef_table(df=df).loc[T]
    half = student.ppf(0.95, row["df"]) * row["std_error"]
    ends = [row["estimate"], row["estimate"] - half, row["estimate"] + half]
    return 100.0 * np.exp(ends)


def printed_as(value, text):
    return f"{value:.{len(text.partition('.')[2])}f}" == text


def variation(variance):
    return 100.0 * np.sqrt(np.expm1(variance))


@pytest.mark.parametrize(("design", "method"), PRINTED)
def test_intervals_of_the_agency(design, method):
    # the Agency's SAS code: least squares, containment, Satterthwaite
    df = {"A": "residual", "B": "containment", "C": "satterthwaite"}[method]
    found = interval(design, method, df)
    for value, text in zip(found, PRINTED[design, method], strict=True):
        assert printed_as(value, text), (value, text)


@pytest.mark.parametrize("design", STUDIES)
def test_variation_within_subjects(design):
    estimates = fitted(design, "C").residual_parameters_
    for treatment, text in WITHIN[design].items():
        assert printed_as(variation(estimates[f"{treatment}: var(e)"]), text)
    frame = STUDIES[design]().frame
    own = frame[frame["treatment"] == "R"]
    alone = from_formula("log(pk) ~ C(subject) + C(period)", own, method="reml")
    assert printed_as(variation(alone.sigma_**2), REFERENCE_ALONE[design])


@pytest.mark.parametrize("design", STUDIES)
def test_method_b_is_that_of_nlme_and_lmertest(design):
    model, known = fitted(design, "B"), REFERENCE[design]["B"]
    nlme = known["nlme"]
    assert model.log_likelihood_ == pytest.approx(nlme["log_likelihood"], abs=1e-8)
    row = model.coef_table(df="containment").loc[T]
    assert row["estimate"] == pytest.approx(nlme["estimate"], abs=1e-8)
    assert row["std_error"] == pytest.approx(nlme["std_error"], rel=1e-6)
    assert row["df"] == nlme["df"]
    for df in ("satterthwaite", "kenward_roger"):
        row = model.coef_table(df=df.replace("_", "-")).loc[T]
        assert row["std_error"] == pytest.approx(known[df]["std_error"], rel=1e-6)
        assert row["df"] == pytest.approx(known[df]["df"], abs=1e-4)


@pytest.mark.parametrize("design", STUDIES)
def test_method_c_is_that_of_nlme(design):
    """In the full design the correlation is one, which nlme comes near to."""
    model, nlme = fitted(design, "C"), REFERENCE[design]["C"]["nlme"]
    behind = model.log_likelihood_ - nlme["log_likelihood"]
    assert -1e-8 < behind < 2e-5
    row = model.coef_table().loc[T]
    assert row["estimate"] == pytest.approx(nlme["estimate"], abs=1e-6)
    assert row["std_error"] == pytest.approx(nlme["std_error"], rel=5e-5)
    ours = model.results_.variance_frame("variance")["estimate"].to_numpy()
    variances = REFERENCE[design]["C"]["variances"]
    names = ["subject_R", "subject_T", "subject_RT", "residual_R", "residual_T"]
    theirs = np.array([variances[name] for name in names])
    if design == "partial":  # what the data tell of the test treatment is the sum
        ours, theirs = (
            np.array([v[0], v[1] + v[4], v[2], v[3]]) for v in (ours, theirs)
        )
    np.testing.assert_allclose(ours, theirs, rtol=1e-4)


def test_a_correlation_of_one_is_told():
    model = fitted("full", "C")
    assert model.converged_
    assert "corr(treatment[R],treatment[T])" in str(model.results_.boundary)
    assert "on the boundary of its range" in " ".join(str(model.summary()).split())


def test_what_the_partial_design_does_not_tell_is_told():
    frame = load_bioequivalence_partial().frame
    with pytest.warns(NotConvergedWarning, match="not identified"):
        model = from_formula(FORMULAS["C"], frame, method="reml")
    assert not model.converged_
    assert "not identified" in str(model.summary())


# ------------------------------------------------- a partial design, identified otherwise


def study(seed, missing):
    """A partial replicate study with an interaction of subject and formulation."""
    rng = np.random.default_rng(seed)
    rows = []
    for subject in range(24):
        sequence = ("TRR", "RTR", "RRT")[subject % 3]
        level, extra = rng.normal(8.0, 0.2), rng.normal(0.0, 0.1 * (seed % 3))
        for period, treatment in enumerate(sequence, 1):
            sd, effect = (0.12, 0.0) if treatment == "R" else (0.10, 0.02 + extra)
            log_pk = level + effect + rng.normal(0.0, sd)
            rows.append((subject, sequence, period, treatment, np.exp(log_pk)))
    columns = ["subject", "sequence", "period", "treatment", "pk"]
    frame = pd.DataFrame(rows, columns=columns)
    return frame.sample(frac=1.0 - missing, random_state=seed).sort_index()


def identified(model, frame, *, zero=False):
    """The same V in four parameters: the variance of the test treatment is one.

    With ``zero`` that of its residuals is none, and the correlation is one.
    """
    sequences, periods = (sorted(frame[c].unique()) for c in ("sequence", "period"))
    is_T = (frame["treatment"] == "T").to_numpy(dtype=float)
    X = [is_T, np.ones(len(frame))]
    X += [frame["sequence"] == sequence for sequence in sequences[1:]]
    X += [frame["period"] == period for period in periods[1:]]
    own, is_R = same(frame["subject"].to_numpy()), 1.0 - is_T
    between = np.outer(is_R, is_T)
    K = [own * np.outer(is_R, is_R), np.diag(is_T), own * (between + between.T)]
    v = model.results_.variance_frame("variance")["estimate"].to_numpy()
    theta = np.array([v[0], v[1] + v[4], v[2], v[3]])
    parts = [Linear(theta, [*K, np.diag(is_R)])]
    if zero:
        parts = [Tied(v[:2], 1.0, K), Linear(v[3:4], [np.diag(is_R)])]
    X = np.column_stack(X).astype(float)
    return SmallSample(X, np.log(frame["pk"].to_numpy()), parts)


@pytest.mark.parametrize(
    ("seed", "missing"), [(None, 0.0), slow(2, 0.0), (3, 0.1), slow(4, 0.1)]
)
def test_degrees_of_freedom_of_a_partial_design(seed, missing):
    """Parameters that the data do not tell apart leave the treatment's test alone."""
    frame = (
        load_bioequivalence_partial().frame if seed is None else study(seed, missing)
    )
    with pytest.warns(NotConvergedWarning, match="not identified"):
        model = from_formula(FORMULAS["C"], frame, method="reml")
    oracle = identified(model, frame)
    assert model.log_likelihood_ == pytest.approx(oracle.log_likelihood, abs=1e-8)
    for df in ("satterthwaite", *KENWARD_ROGER):
        row = model.coef_table(df=df).loc[T]
        se = np.sqrt(oracle.vcov(df)[0, 0])
        own = oracle.df(df, np.eye(oracle.X.shape[1])[:1])[0]
        assert row["std_error"] == pytest.approx(se, rel=1e-7)
        assert row["df"] == pytest.approx(own, rel=1e-6)


@pytest.mark.parametrize("seed", [6, 16])
def test_a_residual_variance_of_zero_is_held(seed):
    """As SAS has it: a parameter on its boundary is taken out of the information."""
    frame = study(seed, 0.1)
    model = from_formula(FORMULAS["C"], frame, method="reml")
    assert model.converged_
    assert ("Residual", "T: sd(e)") in model.results_.boundary
    assert model.residual_parameters_["T: var(e)"] < 1e-8
    oracle = identified(model, frame, zero=True)
    assert model.log_likelihood_ == pytest.approx(oracle.log_likelihood, abs=1e-6)
    for df in ("satterthwaite", *KENWARD_ROGER):
        row = model.coef_table(df=df).loc[T]
        se = np.sqrt(oracle.vcov(df)[0, 0])
        own = oracle.df(df, np.eye(oracle.X.shape[1])[:1])[0]
        assert row["std_error"] == pytest.approx(se, rel=1e-7)
        assert row["df"] == pytest.approx(own, rel=1e-6)
    text = " ".join(str(model.summary()).split())
    assert "T: sd(e) of Residual: no standard error" in text
    assert "residual_zero_variance" in model.diagnose().kinds


@pytest.mark.slow
def test_a_residual_variance_of_zero_is_named_where_the_search_ends():
    """The first category's is what the others are relative to."""
    frame = study(16, 0.1)
    frame["treatment"] = frame["treatment"].map({"R": "U", "T": "T"})
    with pytest.warns(NotConvergedWarning, match=r"with T: sd\(e\) to 0 the variance"):
        from_formula(FORMULAS["C"], frame, method="reml")


def test_confounded_effects_that_matter_are_refused_still():
    """A variance of one group is not known either, and the intercept's error needs it."""
    frame = load_bioequivalence_full().frame.assign(all=1)
    frame["log_pk"] = np.log(frame["pk"])
    with pytest.warns(NotConvergedWarning, match="not identified"):
        one = from_formula("log_pk ~ treatment + (1 | all)", frame, method="reml")
    for df in ("satterthwaite", "kenward-roger"):
        with pytest.raises(ValueError, match="not identified"):
            one.coef_table(df=df)
