"""SAS's covariance structures on data that its results are known for: 64 listings.

SAS stops when a Newton step would gain 1e-8 of -2 log L, so that its estimates are not
quite the maximum.  What that can change is no matter of taste: with an excess d of -2 log L
an estimate is off by at most sqrt(d) of its standard errors, and standard errors with f
degrees of freedom by sqrt(d / 2f) of themselves.  To that comes half a unit of the last
digit printed.  37 of the 64 likelihoods agree to 1e-6; no other differs by more than
SAS's own criterion says.
"""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from scipy.stats import chi2, norm

from sklearn_xmixed import (
    MixedLinearRegressor,
    RandomEffects,
    Residuals,
    from_formula,
)
from sklearn_xmixed.datasets import load_fev
from tests.conftest import slow
from tests.everyday import each_value
from tests.small_sample_oracle import Scaled, SmallSample, same

DOCUMENT = json.loads(Path(__file__).with_name("sas_structures.json").read_text())
CASES = DOCUMENT["cases"]
PLANE = ["visitn", "visitn2"]
# SAS's type: ours, and in terms of our estimates what SAS calls its parameters; {i} and {j}
# are visits, {k} is SAS's number, {l} the number less one, {m} more one
AR = {"structure": "ar", "time": "visitn"}
SAME = {"structure": "exchangeable"}
TOEPLITZ = {"structure": "toeplitz", "order": 3, "time": "visitn"}
HETEROGENEOUS = {"variance": "visit"}
STRUCTURES = {
    "AR(1)": AR,
    "ARH(1)": AR | HETEROGENEOUS,
    "CS": SAME,
    "CSH": SAME | HETEROGENEOUS,
    "TOEP": TOEPLITZ,
    "TOEPH": TOEPLITZ | HETEROGENEOUS,
    "ANTE(1)": {"structure": "antedependence", "time": "visitn"} | HETEROGENEOUS,
    "UN": {"structure": "unstructured", "time": "visit"},
    "SP(POW)(visitn)": {"structure": "exponential", "time": "visitn"},
    "SP(EXP)(visitn)": {"structure": "exponential", "time": "visitn"},
    "SP(EXP)(visitn visitn2)": {"structure": "exponential", "time": PLANE},
    "SP(GAU)(visitn)": {"structure": "gaussian", "time": "visitn"},
    "SP(GAU)(visitn visitn2)": {"structure": "gaussian", "time": PLANE},
}
PARAMETERS = {
    r"AR\(1\)|ARH\(1\)|CSH|SP\(POW\)": "[rho]",
    r"Var\((\d)\)": "[var(eVIS{k})]",
    r"CS": "[corr(e)] * [var(e)]",
    r"TOEPH\((\d)\)": "[rho{k}]",
    r"TOEP\((\d)\)": "[rho{l}] * [var(e)]",
    r"Rho\((\d)\)": "[corr(e{k},e{m})]",
    r"SP\(EXP\)": "-1 / ln([rho])",
    r"SP\(GAU\)": "[range]",
    r"Residual|Variance": "[var(e)]",
}
# intervals of these are those of a scaled chi-squared variable, of all others normal
POSITIVE = re.compile(r"Residual|Variance|Var\(|SP\((EXP|GAU)|UN\((\d),\2\)")
NAMES = {"Intercept": "_cons", "ARMCD TRT": "treated", "SEX Female": "female"}


def ids(case):
    linear = "-linear" if case["se"].startswith("prasad") else ""
    return f"{case['file']}{linear}"


#: each type, method and kind of standard errors and degrees of freedom once a day
KINDS = ("type", "method", "se", "ddfm", "group", "weight")
DAILY = each_value([{k: str(case.get(k)) for k in KINDS} for case in CASES], 18)
every = pytest.mark.parametrize(
    "case",
    [case if k in DAILY else slow(case) for k, case in enumerate(CASES)],
    ids=ids,
)


@cache
def fitted(kind, by, n_coefficients, method, vce="oim", weight=None):
    frame = load_fev().frame.dropna(subset=["fev1"])
    frame["treated"] = (frame["arm"] == "TRT").astype(float)
    frame["female"] = (frame["sex"] == "Female").astype(float)
    return MixedLinearRegressor(
        RandomEffects("subject", intercept=False),
        fixed=["treated", "female"][: n_coefficients - 1],
        residuals=Residuals(**STRUCTURES[kind], by=by),
        method=method,
        vce=vce,
        weight_type="precision" if weight else "frequency",
    ).fit(
        frame.drop(columns="fev1"),
        frame["fev1"],
        sample_weight=frame[weight] if weight else None,
    )


def of(case):
    by = "arm" if "group" in case else None
    # one listing has no coefficients: its fixed part is the arm
    number = len(case["coefficients"]) or 2
    weight = case.get("weight")  # WEIGHT divides the variance of a row
    return fitted(case["type"], by, number, case["method"], weight=weight)


def excess(case):
    """By how much SAS's -2 log L is larger than ours."""
    return float(case["minus_2_log_likelihood"]) + 2.0 * of(case).log_likelihood_


def stopped(case):
    """How far from the maximum SAS stopped, in standard errors."""
    return np.sqrt(max(excess(case), 0.0) + 1e-8)


def half_unit(printed):
    return 0.5 * 10.0 ** -len(printed.partition(".")[2])


def expression(case, parameter):
    """SAS's parameter in terms of our estimates."""
    name = parameter["name"]
    if name.startswith("UN("):
        visits = case["visits"].split()
        i, j = sorted(visits[int(k) - 1] for k in re.findall(r"\d", name))
        text = f"[var(e{i})]" if i == j else f"[cov(e{i},e{j})]"
    elif case["type"] == "CS" and name in ("Residual", "Variance"):
        text = "[var(e)] * (1 - [corr(e)])"
    else:
        matches = ((re.fullmatch(p, name), text) for p, text in PARAMETERS.items())
        match, text = next(pair for pair in matches if pair[0])
        k = int(match[1]) if match.re.groups else 0
        text = text.format(k=k, l=k - 1, m=k + 1)
    arm = f"{parameter['arm']}: " if "arm" in parameter else ""
    return text.replace("[", f"_b[Residual:{arm}")


def df_method(case):
    if case["ddfm"] != "kenward-roger":
        return case["ddfm"]
    linear = "-linear" if case["se"].startswith("prasad") else ""
    return f"kenward-roger{linear}-observed"


# SAS differentiates SP(EXP) in its range, where this package has the correlation at distance
# one: the second-order term of Kenward and Roger's first paper depends on that
ELSEWHERE = "ddfm_covtype/kr1_spexp.txt"


@every
def test_likelihood(case):
    value = float(case["minus_2_log_likelihood"])
    criterion = float(case["criterion"]) + half_unit(case["criterion"])
    assert of(case).converged_
    assert -1e-8 <= excess(case) <= 0.5 * criterion * value


@pytest.mark.slow
def test_most_likelihoods_agree_to_six_decimals():
    near = [abs(excess(case)) < 1e-6 for case in CASES]
    assert sum(near) == 37
    assert len(near) == 64


@every
def test_covariance_parameters(case):
    model, left = of(case), stopped(case)
    assert len(case["parameters"]) == len(model.residual_parameters_)
    for parameter in case["parameters"]:
        row = model.nlcom(expression(case, parameter)).iloc[0]
        slack = half_unit(parameter["estimate"]) + left * row["std_error"]
        difference = row["estimate"] - float(parameter["estimate"])
        assert abs(difference) <= slack, parameter


@every
def test_standard_errors_of_covariance_parameters(case):
    """By the intervals that SAS makes of them."""
    model, left = of(case), stopped(case)
    # two listings were made without intervals
    limited = [p for p in case["parameters"] if "lower" in p]
    assert limited or "SAS/sas_resid" in case["file"]
    for parameter in limited:
        row = model.nlcom(expression(case, parameter)).iloc[0]
        estimate, error = row["estimate"], row["std_error"]
        if POSITIVE.match(parameter["name"]):
            df = 2.0 * (estimate / error) ** 2
            limits = df * estimate / chi2.ppf([0.975, 0.025], df)
        else:
            limits = estimate + norm.ppf([0.025, 0.975]) * error
        for ours, key in zip(limits, ("lower", "upper"), strict=True):
            # an end moves with the estimate (the upper end of a variance, which is a
            # multiple of it, by more than that) and with its standard error
            slack = half_unit(parameter[key]) + left * abs(ours - estimate)
            slack += left * error * max(ours / estimate, 1.0)
            assert abs(ours - float(parameter[key])) <= slack, parameter


@every
def test_coefficients(case):
    model, left = of(case), stopped(case)
    assert case["coefficients"] or case["file"] == "SAS/sas_resid_un_grp.txt"
    for name, estimate, error, df in case["coefficients"]:
        if case["file"] == "SAS/sas_sp_gau_kr.txt":  # the placebo against the treated
            signs = {"Intercept": "_cons + treated", "ARMCD PBO": "-treated"}
            row = model.lincom(signs[name], df=df_method(case)).iloc[0]
        else:
            row = model.coef_table(df=df_method(case)).loc[NAMES[name]]
        se, ours = row["std_error"], row["df"]
        assert abs(row["estimate"] - float(estimate)) <= half_unit(estimate) + left * se
        assert abs(ours - float(df)) <= 0.5 + left * ours
        if case["file"] != ELSEWHERE:
            slack = half_unit(error) + left * se / np.sqrt(2.0 * ours)
            assert abs(se - float(error)) <= slack


@pytest.mark.parametrize("case", [c for c in CASES if "exact" in c], ids=ids)
def test_all_digits(case):
    row = of(case).coef_table(df=df_method(case)).loc["treated"]
    left = stopped(case)
    estimate, error, df = map(float, case["exact"])
    assert abs(row["estimate"] - estimate) <= left * error
    assert abs(row["df"] - df) <= left * df
    if case["file"] != ELSEWHERE:
        assert abs(row["std_error"] - error) <= left * error / np.sqrt(2.0 * df)


def test_kenward_roger_of_the_range():
    """The one standard error that differs is SAS's if V is a function of the range."""
    case = next(c for c in CASES if c["file"] == ELSEWHERE)
    model, left = of(case), stopped(case)
    frame = load_fev().frame.dropna(subset=["fev1"])
    distances = cdist(frame[PLANE], frame[PLANE])
    inside = same(frame["subject"].to_numpy())
    shape = np.array([-1.0 / np.log(model.residual_parameters_["rho"])])
    part = Scaled(
        model.residual_parameters_["var(e)"],
        shape,
        lambda x: inside * np.exp(-distances / x[0]),
    )
    treated = (frame["arm"] == "TRT").to_numpy(dtype=float)
    X = np.column_stack([treated, np.ones(len(frame))])
    oracle = SmallSample(X, frame["fev1"].to_numpy(), [part])
    method, first = df_method(case), np.eye(2)[:1]
    error, df = map(float, case["exact"][1:])
    se = np.sqrt(oracle.vcov(method)[0, 0])
    assert abs(se - error) <= left * error / np.sqrt(2.0 * df)
    assert abs(oracle.df(method, first)[0] - df) <= left * df
    # and it is not ours
    ours = model.coef_table(df=method).loc["treated", "std_error"]
    assert ours == pytest.approx(0.9026982, abs=1e-6)


@pytest.mark.parametrize("case", DOCUMENT["robust"], ids=lambda case: case["type"])
def test_robust_errors(case):
    """EMPIRICAL is CR0; its degrees of freedom are those of between and within."""
    model = fitted(case["type"], None, 2, "reml", "CR0")
    table = model.coef_table(df="between-within")
    row, df = table.loc["treated"], float(case["df"])
    assert row["df"] == df
    # SAS stopped where it did in the listing with model-based errors
    listing = next(
        c for c in CASES if c["type"] == case["type"] and "exact" in c and c["exact"]
    )
    left, error = stopped(listing), float(case["std_error"])
    slack = left * error / np.sqrt(2.0 * df)
    assert abs(row["estimate"] - float(case["estimate"])) <= left * error
    assert abs(row["std_error"] - error) <= slack
    own = np.sqrt(float(case["intercept_variance"]))
    assert abs(table.loc["_cons", "std_error"] - own) <= slack


@pytest.mark.parametrize(
    "case", DOCUMENT["terms"], ids=lambda case: f"{case['fixed']}: type {case['kind']}"
)
def test_tests_of_terms(case):
    text = f"fev1 ~ {case['fixed']} + residuals(ar, time=visitn | subject)"
    frame = load_fev().frame.dropna(subset=["fev1"])
    model = from_formula(text, frame, method="reml")
    table = model.anova(case["kind"], df="satterthwaite")
    words = {"ARMCD": "arm", "SEX": "sex", "FEV1_BL": "baseline"}
    for effect, number, denominator, F in case["tests"]:
        parts = {words[word] for word in effect.split("*")}
        row = next(r for name, r in table.iterrows() if set(name.split(":")) == parts)
        assert row["df"] == int(number)
        assert row["f_value"] == pytest.approx(float(F), rel=1e-5)
        if int(number) == 1:
            assert row["df_denom"] == pytest.approx(float(denominator), rel=1e-5)


def test_degrees_of_freedom_of_two_rows_depend_on_these():
    """The spectral method is not free of how a hypothesis is written: SAS's rows."""
    case = next(c for c in DOCUMENT["terms"] if "sex" in c["fixed"])
    text = f"fev1 ~ {case['fixed']} + residuals(ar, time=visitn | subject)"
    frame = load_fev().frame.dropna(subset=["fev1"])
    model = from_formula(text, frame, method="reml")
    names = model.coef_table().index
    slopes = np.eye(len(names))[["baseline" in name for name in names]]
    test = model.wald_test(slopes, df="satterthwaite")
    _, _, denominator, F = case["tests"][-1]
    assert len(slopes) == 2
    assert test.f_value == pytest.approx(float(F), rel=1e-5)
    assert test.df_denom == pytest.approx(float(denominator), rel=1e-5)
    ours = model.anova(case["kind"], df="satterthwaite")["df_denom"].iloc[-1]
    assert ours == pytest.approx(test.df_denom, rel=2e-3)
