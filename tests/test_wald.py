"""Wald tests, linear and nonlinear combinations, and the expressions they read."""

import math
import warnings
from functools import cache

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.stats import chi2, norm
from sklearn.exceptions import NotFittedError

from sklearn_xmixed import MixedLinearRegressor, RandomEffects, Residuals
from sklearn_xmixed.datasets import load_productivity, load_sleepstudy
from sklearn_xmixed.exceptions import ExpressionError, MixedModelWarning
from sklearn_xmixed.inference.hypotheses._dual import FUNCTIONS, Dual
from sklearn_xmixed.inference.hypotheses._expression import read
from sklearn_xmixed.inference.hypotheses._symbols import Symbols
from tests.conftest import examples, slow
from tests.test_summary_manual import manual_fit

INPUTS = ["private", "emp", "hwy", "water", "other", "unemp"]


@cache
def productivity(**parameters):
    X, y = load_productivity(return_X_y=True)
    return MixedLinearRegressor(["region", "state"], fixed=INPUTS, **parameters).fit(
        X, y
    )


@cache
def sleepstudy(**parameters):
    X, y = load_sleepstudy(return_X_y=True)
    effects = RandomEffects("subject", ["days"], covariance="unstructured")
    return MixedLinearRegressor(effects, **parameters).fit(X, y)


def zero_variance(**parameters):
    rng = np.random.default_rng(0)
    errors = rng.normal(size=(10, 4))
    errors -= errors.mean(axis=1, keepdims=True)
    X = pd.DataFrame({"g": np.repeat(np.arange(10), 4), "x": rng.normal(size=40)})
    return MixedLinearRegressor("g", fixed=[], **parameters).fit(X, errors.ravel())


# ---------------------------------------------------------------------- Wald tests


def test_the_manual_s_test():
    model = manual_fit("example 6, gender")
    test = model.wald_test("0.girl#c.age = 1.girl#c.age")
    assert (
        str(test)
        == """\
 ( 1)  [weight]0.girl#c.age - [weight]1.girl#c.age = 0

           chi2(  1) =     1.66
         Prob > chi2 =    0.1978"""
    )
    # as the manual's software prints its own constraint
    pasted = "[weight]0b.girl#c.age - [weight]1.girl#c.age = 0"
    assert model.wald_test(pasted).chi2 == pytest.approx(test.chi2, rel=1e-12)


@pytest.mark.parametrize("method", ["ml", "reml"])
def test_all_slopes_are_the_header_s_test(method):
    model = productivity(method=method)
    results = model.results_
    for hypothesis in (", ".join(INPUTS), INPUTS, [f"{x} = 0" for x in INPUTS]):
        test = model.wald_test(hypothesis)
        assert test.df == results.wald_df == 6
        assert_allclose(test.chi2, results.wald_chi2, rtol=1e-9)
        assert_allclose(test.p_value, results.wald_p, rtol=1e-6, atol=1e-300)


def test_one_coefficient_is_its_z_squared():
    model = productivity()
    table = model.coef_table()
    for name in INPUTS:
        test = model.wald_test(name)
        assert_allclose(test.chi2, table.loc[name, "z"] ** 2, rtol=1e-10)
        assert_allclose(
            test.p_value, table.loc[name, "p_value"], rtol=1e-7, atol=1e-300
        )


def test_expressions_and_matrices_agree_with_the_formula():
    model = productivity()
    names = [*INPUTS, "_cons"]
    R = np.array([[1.0, 1, 1, 1, 1, 0, 0], [0, 0, 1, -2, 0, 0, 0]])
    value = np.array([1.0, 0.25])
    beta = np.append(model.coef_, model.intercept_)
    V = model.vcov().to_numpy()[:7, :7]
    gap = R @ beta - value
    by_hand = gap @ np.linalg.solve(R @ V @ R.T, gap)
    in_words = "private + emp + hwy + water + other = 1, hwy - 2*water = 1/4"
    frame = pd.DataFrame(
        R[:, [6, 3, 2, 0, 1, 4]], columns=[names[k] for k in (6, 3, 2, 0, 1, 4)]
    )
    whole = np.hstack([R, np.zeros((2, 3))])
    for test in (
        model.wald_test(in_words),
        model.wald_test(R, value),
        model.wald_test(R.tolist(), value.tolist()),
        model.wald_test(frame, value),
        model.wald_test(whole, value),
    ):
        assert_allclose(test.chi2, by_hand, rtol=1e-9)
        assert test.df == 2
        assert_allclose(test.p_value, chi2.sf(by_hand, 2), rtol=1e-9)
        assert test.constraints[1] == "[gsp]hwy - 2*[gsp]water = 0.25"


def test_equations_may_be_written_before_b():
    model = productivity()
    plain = model.lincom("hwy - 2*water")
    for text in ("[gsp]_b[hwy] - 2*[gsp]_b[water]", "[gsp]hwy - 2*[gsp]_b[water]"):
        assert_allclose(model.lincom(text).to_numpy(), plain.to_numpy())
    sd = "[region]_b[sd(_cons)]"
    assert_allclose(
        model.nlcom(sd).iloc[0, 0], model.nlcom("_b[region:sd(_cons)]").iloc[0, 0]
    )


def test_chains_are_pairs():
    model = productivity()
    chain = model.wald_test("private = emp = hwy")
    assert chain.constraints == (
        "[gsp]private - [gsp]emp = 0",
        "[gsp]private - [gsp]hwy = 0",
    )
    pairs = model.wald_test(["private == emp", "emp = hwy"])
    assert_allclose(chain.chi2, pairs.chi2, rtol=1e-9)


@settings(max_examples=examples(30), deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 5))
def test_the_way_of_writing_makes_no_difference(seed, rows):
    """Nor do redundant rows: the statistic is that of the space they span."""
    rng = np.random.default_rng(seed)
    model = productivity()
    R = rng.normal(size=(rows, 7))
    value = rng.normal(size=rows)
    one = model.wald_test(R, value)
    mix = rng.normal(size=(rows + 2, rows))
    other = model.wald_test(mix @ R, mix @ value)
    assert_allclose(one.chi2, other.chi2, rtol=1e-6)
    assert one.df == other.df == rows
    assert other.dropped == (rows + 1, rows + 2)


def test_robust_standard_errors_are_used():
    model = productivity(vce="robust")
    table = model.coef_table()
    assert_allclose(model.wald_test("hwy").chi2, table.loc["hwy", "z"] ** 2, rtol=1e-10)
    assert_allclose(
        model.lincom("hwy").iloc[0].to_numpy(), table.loc["hwy"].to_numpy(), rtol=1e-10
    )


def test_fixed_and_random_parameters_jointly():
    """V is block diagonal, so the statistics add up."""
    model = sleepstudy()
    fixed = model.wald_test("days = 10").chi2
    random = model.wald_test("_b[subject:sd(days)] = 6").chi2
    both = model.wald_test("days = 10, _b[subject:sd(days)] = 6")
    assert_allclose(both.chi2, fixed + random, rtol=1e-10)
    se = model.results_.variance_frame("sd").loc[("subject", "sd(days)")]
    assert_allclose(random, ((se["estimate"] - 6) / se["std_error"]) ** 2, rtol=1e-10)


def test_contradictions():
    model = productivity()
    with pytest.raises(ValueError, match=r"Constraint 2, \[gsp\]hwy = 1, contradicts"):
        model.wald_test("hwy = 0, hwy = 1")
    test = model.wald_test("hwy = water, water = hwy, hwy = water + 0")
    assert (test.df, test.dropped) == (1, (2, 3))
    assert "Constraint 3 dropped" in str(test)


def test_omitted_columns():
    X, y = load_sleepstudy(return_X_y=True)
    model = MixedLinearRegressor("subject").fit(X.assign(twice=2 * X["days"]), y)
    test = model.wald_test("days, twice")
    assert (test.df, test.dropped) == (1, (2,))
    with pytest.raises(ValueError, match=r"Nothing is left.*twice was omitted"):
        model.wald_test("twice")
    with pytest.raises(ValueError, match="contradicts the others or the omission"):
        model.wald_test("days, twice = 1")
    row = model.lincom("twice").iloc[0]
    assert row["estimate"] == 0
    assert row[1:].isna().all()


@pytest.mark.parametrize("term", ["sd(_cons)", "var(_cons)", "sd(days)"])
def test_a_variance_of_zero_is_no_matter_for_wald(term):
    for hypothesis in (
        f"_b[subject:{term}] = 0",
        f"0 = _b[subject:{term}]",
        f"`subject:{term}`",
    ):
        with pytest.raises(
            ValueError, match=r"boundary of what a variance can be.*lrtest"
        ):
            sleepstudy().wald_test(hypothesis)
    assert sleepstudy().wald_test("_b[subject:corr(days,_cons)] = 0").df == 1


def test_estimates_without_standard_errors():
    model = zero_variance()
    with pytest.raises(ValueError, match=r"g: sd\(_cons\) has no standard.*boundary"):
        model.wald_test("_b[g:sd(_cons)] = 1")
    with pytest.raises(ValueError, match="lns"):
        model.wald_test([[0, 1, 0]])
    assert model.wald_test([[1, 0, 0]]).df == 1
    assert model.wald_test("_b[Residual:sd(Residual)] = 1").df == 1
    with pytest.raises(ValueError, match="std_errors=False"):
        sleepstudy(std_errors=False).wald_test("_b[subject:sd(days)] = 1")
    assert sleepstudy(std_errors=False).wald_test("days").df == 1


@pytest.mark.parametrize(
    ("hypothesis", "value", "error", "message"),
    [
        ([], None, ValueError, "no hypothesis"),
        (np.zeros((0, 7)), None, ValueError, "no hypothesis"),
        (np.ones((1, 3)), None, ValueError, "one column per coefficient, 7 "),
        (np.ones((2, 2, 2)), None, ValueError, r"got shape \(2, 2, 2\)"),
        (np.full((1, 7), np.nan), None, ValueError, "not finite"),
        (
            np.eye(7)[:2],
            [1, 2, 3],
            ValueError,
            "value needs one number, or one per row",
        ),
        ("hwy", 1.0, ValueError, "write the right-hand side into the equation"),
        (pd.DataFrame({"street": [1.0]}), None, ValueError, "'street' of the matrix"),
        (None, None, TypeError, "got None"),
        ({"hwy": 1}, None, TypeError, "A hypothesis is an equation"),
        ("1 = 2", None, ValueError, "has no estimate in it"),
    ],
)
def test_bad_hypotheses(hypothesis, value, error, message):
    with pytest.raises(error, match=message):
        productivity().wald_test(hypothesis, value)


# --------------------------------------------------------------------- combinations


def test_each_coefficient_is_a_combination():
    model = productivity()
    for level in (0.5, 0.95, 0.999):
        table = model.coef_table(level)
        ours = model.lincom(list(table.index), level)
        assert_allclose(ours.to_numpy(), table.to_numpy(), rtol=1e-10)
        assert list(ours.index) == list(table.index)


def test_linear_combination_by_hand():
    model = sleepstudy()
    c = np.array([9.0, 1.0])
    V = model.results_.beta_vcov
    row = model.lincom({"end": "_cons + 9*days"}, 0.9).loc["end"]
    se = math.sqrt(c @ V @ c)
    estimate = model.intercept_ + 9 * model.coef_[0]
    q = norm.ppf(0.95)
    expected = [
        estimate,
        se,
        estimate / se,
        2 * norm.sf(estimate / se),
        estimate - q * se,
        estimate + q * se,
    ]
    assert_allclose(row, expected, rtol=1e-10)
    # a constant moves the estimate alone
    moved = model.lincom("_cons + 9*days - 100").iloc[0]
    assert_allclose(moved["estimate"], estimate - 100)
    assert_allclose(moved["std_error"], se)
    assert_allclose(
        model.lincom("(2*_cons + 18*days)/2").iloc[0]["std_error"], se, rtol=1e-12
    )


def structured(structure, by=None, **options):
    X, y = load_sleepstudy(return_X_y=True)
    X = X.assign(half=np.where(X["subject"].astype(str) < "340", "a", "b"))
    return MixedLinearRegressor(
        "subject",
        fixed=["days"],
        residuals=Residuals(structure, time="days", by=by, **options),
    ).fit(X, y)


MODELS = {
    "unstructured": lambda: sleepstudy(),
    "exchangeable": lambda: MixedLinearRegressor(
        RandomEffects("subject", ["days"], covariance="exchangeable")
    ).fit(*load_sleepstudy(return_X_y=True)),
    "blocks": lambda: MixedLinearRegressor(
        [RandomEffects("region", ["unemp"]), RandomEffects("region"), "state"],
        fixed=INPUTS,
    ).fit(*load_productivity(return_X_y=True)),
    "factor": lambda: MixedLinearRegressor(
        RandomEffects("region", factor="state", covariance="exchangeable"), fixed=INPUTS
    ).fit(*load_productivity(return_X_y=True)),
    "ar": lambda: structured("ar"),
    "ar 2": lambda: structured("ar", order=2),
    "ar by": lambda: structured("ar", by="half"),
    "exponential": lambda: structured("exponential"),
    "exchangeable residuals": lambda: MixedLinearRegressor(
        RandomEffects("subject", intercept=False),
        fixed=["days"],
        residuals=Residuals("exchangeable"),
    ).fit(*load_sleepstudy(return_X_y=True)),
    "independent by": lambda: structured("independent", by="half"),
}


@cache
def fitted(name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return MODELS[name]()


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("metric", ["sd", "variance", "estimation"])
def test_every_variance_parameter_has_the_table_s_standard_error(name, metric):
    """The delta method by duals against the tables' own formulas."""
    model = fitted(name)
    frame = model.results_.variance_frame(metric)
    assert frame["std_error"].notna().any()
    for (level, term), row in frame.iterrows():
        if np.isnan(row["std_error"]):
            continue
        ours = model.nlcom(f"_b[{level}:{term}]").iloc[0]
        assert_allclose(ours["estimate"], row["estimate"], rtol=1e-9, atol=1e-12)
        assert_allclose(ours["std_error"], row["std_error"], rtol=1e-9)


def test_names_of_the_manual_s_estimation_metric():
    model = fitted("blocks")
    pairs = {
        "_b[lns1_1_1:_cons]": "_b[region:lns(unemp)]",
        "[lns1_2_1]_cons": "_b[region_2:lns(_cons)]",
        "_b[lns2_1_1:_cons]": "_b[state:lns(_cons)]",
        "_b[lnsig_e:_cons]": "_b[Residual:lns(Residual)]",
    }
    for theirs, ours in pairs.items():
        assert_allclose(model.nlcom(theirs).iloc[0, 0], model.nlcom(ours).iloc[0, 0])
    slopes = sleepstudy()
    assert_allclose(
        slopes.nlcom("tanh(_b[atr1_1_1_2:_cons])").iloc[0, :2].to_numpy(),
        slopes.nlcom("_b[subject:corr(days,_cons)]").iloc[0, :2].to_numpy(),
        rtol=1e-12,
    )


def test_nonlinear_combination_by_hand():
    model = sleepstudy()
    b, a = model.coef_[0], model.intercept_
    V = model.results_.beta_vcov
    slope = np.array([-a / b**2, 1 / b])
    row = model.nlcom("_cons / days").iloc[0]
    assert_allclose(row["estimate"], a / b)
    assert_allclose(row["std_error"], math.sqrt(slope @ V @ slope), rtol=1e-12)


def test_share_of_variance():
    """The delta method in (log sd, log sigma): d rho = 2 rho (1 - rho)(da - ds)."""
    X, y = load_sleepstudy(return_X_y=True)
    model = MixedLinearRegressor("subject").fit(X, y)
    v, e = "_b[subject:var(_cons)]", "_b[Residual:var(Residual)]"
    row = model.nlcom(f"{v}/({v}+{e})").iloc[0]
    V = model.results_.alpha_vcov
    tau, sigma = np.exp(model.results_.alpha)
    rho = tau**2 / (tau**2 + sigma**2)
    assert_allclose(row["estimate"], rho, rtol=1e-12)
    se = 2 * rho * (1 - rho) * math.sqrt(V[0, 0] + V[1, 1] - 2 * V[0, 1])
    assert_allclose(row["std_error"], se, rtol=1e-12)


def test_zero_variances_have_no_standard_error_and_say_so():
    model = zero_variance()
    with pytest.warns(
        MixedModelWarning, match=r"g: var\(_cons\) has no standard error"
    ):
        row = model.nlcom("_b[g:var(_cons)] + _b[Residual:var(Residual)]").iloc[0]
    assert row["estimate"] == pytest.approx(model.sigma_**2)
    assert row[1:].isna().all()


@pytest.mark.parametrize(
    ("expression", "error", "message"),
    [
        ("hwy * water", ValueError, "not linear in the estimates; use nlcom"),
        ("exp(hwy)", ValueError, "not linear"),
        ("_b[state:sd(_cons)]", ValueError, "not linear"),
        ("hwy / water", ValueError, "not linear"),
        ("hwy ^ 2", ValueError, "not linear"),
        ("2 + 2", ValueError, "has no estimate"),
        ("hwy = 0", ValueError, "equations are for wald_test"),
        ("", ValueError, "An expression is missing"),
        ([], ValueError, "no expression"),
        ({}, ValueError, "no expression"),
        (3, TypeError, "got 3"),
        ([3], TypeError, "got 3"),
    ],
)
def test_bad_combinations(expression, error, message):
    with pytest.raises(error, match=message):
        productivity().lincom(expression)


@pytest.mark.parametrize("level", [0, 1, 95, -0.5, "0.95", True, np.nan, None])
def test_confidence_levels_out_of_range(level):
    for method in ("lincom", "nlcom"):
        with pytest.raises(
            ValueError, match="confidence_level must lie between 0 and 1"
        ):
            getattr(productivity(), method)("hwy", confidence_level=level)


def test_unfitted_estimators():
    for method in ("wald_test", "lincom", "nlcom"):
        with pytest.raises(NotFittedError):
            getattr(MixedLinearRegressor(), method)("x")


def test_linear_regression_and_constants_alone():
    X, y = load_sleepstudy(return_X_y=True)
    plain = MixedLinearRegressor(fixed=["days"]).fit(X, y)
    assert plain.wald_test("days = 10").df == 1
    assert plain.nlcom("_b[Residual:sd(Residual)]").iloc[0, 0] == pytest.approx(
        plain.sigma_
    )
    constant = MixedLinearRegressor("subject", fixed=[]).fit(X, y)
    assert constant.wald_test("_cons = 300").df == 1
    nothing = MixedLinearRegressor("subject", fixed=[], fit_intercept=False).fit(X, y)
    with pytest.raises(ValueError, match="There is no estimate '_cons'"):
        nothing.wald_test("_cons")


# ---------------------------------------------------------------------- expressions


def test_odd_names():
    X, y = load_sleepstudy(return_X_y=True)
    rng = np.random.default_rng(3)
    odd = ["a b", "x-1", "log", "1", "exp(days)", "weiß", "2^x", "a[0]", "q:r", "e"]
    X = X.assign(**{name: rng.normal(size=len(y)) for name in odd})
    model = MixedLinearRegressor("subject").fit(X, y)
    table = model.coef_table()
    for name in odd:
        for written in (
            f"`{name}`",
            f"_b[{name}]",
            f"_b[reaction:{name}]",
            f"2*`{name}` - `{name}`",
        ):
            row = model.lincom(written).iloc[0]
            assert_allclose(row["estimate"], table.loc[name, "estimate"], rtol=1e-12)
    for name in ("log", "weiß", "e"):
        assert_allclose(model.lincom(name).iloc[0, 0], table.loc[name, "estimate"])
    # a function where it is called, a column where it is not; 1 is a number
    value = model.nlcom("log + log(exp(`log`)) + 1 + 1e0").iloc[0, 0]
    assert_allclose(value, 2 * table.loc["log", "estimate"] + 2)


def test_frames_of_polars():
    pl = pytest.importorskip("polars")
    X, y = load_sleepstudy(return_X_y=True)
    model = MixedLinearRegressor("subject").fit(pl.from_pandas(X), y.to_numpy())
    assert model.wald_test("days = 10").df == 1


@pytest.mark.parametrize(
    ("text", "marked", "message"),
    [
        ("hwyy = 0", "hwyy", "no estimate 'hwyy'"),
        ("hwy = 0, watr = 0", "watr", "Did you mean 'water'"),
        ("hwy +", "+", "cannot be read"),
        ("hwy water", "water", "cannot be read"),
        ("(hwy", "(", "cannot be read"),
        ("hwy ? 2", "?", "has no meaning"),
        ("hwy; water", ";", "has no meaning"),
        ("sd(_cons) = 1", "sd", r"written _b\[region:sd\(_cons\)\]"),
        ("system(hwy)", "system", "Functions are abs"),
        ("log(0 - emp)", "log(0 - emp)", "log of -0.754"),
        ("hwy / (emp - emp)", "hwy / (emp - emp)", "division by zero"),
        ("(0 - hwy)^0.5", "(0 - hwy)^0.5", "power 0.5 of -0.07"),
        ("exp(1000*emp)", "exp(1000*emp)", "math range error"),
        ("sqrt(hwy - hwy)", "sqrt(hwy - hwy)", "sqrt of 0"),
        ("exp(hwy, 2)", "exp(hwy, 2)", "not an expression"),
        ("`hwy", "`", "not closed"),
        ("_b[hwy", "[", "not closed"),
        ("[gsp]", "[gsp]", "must follow"),
        ("hwy.real", "hwy.real", "no estimate"),
        ("hwy = ", None, "missing here"),
        ("hwy,,water", None, "missing here"),
    ],
)
def test_errors_show_the_place(text, marked, message):
    with pytest.raises(ExpressionError, match=message) as caught:
        productivity().wald_test(text)
    _, line, carets = str(caught.value).splitlines()[:3]
    assert line == f"    {text}"
    start, end = carets.index("^"), carets.rindex("^") + 1
    if marked is not None:
        assert line[start:end] == marked
    else:
        assert end - start == 1


@pytest.mark.parametrize("terms", [10_000, slow(100_000)])
def test_long_expressions_are_refused_and_not_run(terms):
    model = productivity()
    assert model.lincom("+".join(["hwy"] * 200)).iloc[0, 0] > 0
    for text in ("(" * 5000 + "hwy" + ")" * 5000, "+".join(["hwy"] * terms)):
        with pytest.raises(ExpressionError):
            model.lincom(text)


ATOMS = ["x", "y", "2", "0.5", "1.5", "3"]


@st.composite
def expressions(draw, depth=3):
    if depth == 0:
        return draw(st.sampled_from(ATOMS))
    kind = draw(st.sampled_from(["atom", "binary", "binary", "call", "minus", "power"]))
    inner = expressions(depth=depth - 1)
    if kind == "atom":
        return draw(st.sampled_from(ATOMS))
    if kind == "binary":
        return f"({draw(inner)} {draw(st.sampled_from('+-*/'))} {draw(inner)})"
    if kind == "call":
        return f"{draw(st.sampled_from(sorted(FUNCTIONS)))}({draw(inner)})"
    if kind == "minus":
        return f"(-{draw(inner)})"
    return f"({draw(inner)})^{draw(st.sampled_from(['2', '3', '0.5', 'y']))}"


class TwoNames:
    """x and y at given values."""

    size = 2

    def __init__(self, at):
        self.at = at

    def find(self, name, equation=None):
        return {"x": 0, "y": 1}.get(name)

    def value(self, number):
        return Dual(float(self.at[number]), np.eye(2)[number], 1)

    def known(self):
        return ["x", "y"]


@settings(max_examples=examples(200), deadline=None)
@given(expressions(), st.floats(0.3, 2.0), st.floats(0.3, 2.0))
def test_slopes_are_those_of_differences(text, x, y):
    at = np.array([x, y])
    expression = read(text, TwoNames(at))
    h = 1e-6
    try:
        dual = expression.evaluate(TwoNames(at))
        ends = [
            [
                expression.evaluate(TwoNames(at + s * h * e)).value
                for s in (-2, -1, 1, 2)
            ]
            for e in np.eye(2)
        ]
    except ExpressionError:
        return
    slope = [(a - 8 * b + 8 * c - d) / (12 * h) for a, b, c, d in ends]
    size = max(1.0, abs(dual.value), np.abs(dual.slope).max())
    if not np.isfinite(size) or size > 1e5:
        return
    bend = max(abs(np.diff(e, 3)).max() for e in ends)
    if bend > 1e-9 * size:  # too curved (or broken) for the differences
        return
    assert_allclose(dual.slope, slope, rtol=1e-5, atol=1e-6 * size)
    if dual.degree < 2:  # linear means linear
        whole = expression.evaluate(TwoNames(np.zeros(2))).value + dual.slope @ at
        assert_allclose(dual.value, whole, rtol=1e-9, atol=1e-9)


def test_symbols_of_every_metric_are_there():
    names = Symbols(sleepstudy().results_).known()
    assert names[:2] == ["days", "_cons"]
    assert "_b[subject:cov(days,_cons)]" in names
    assert "_b[subject:corr(days,_cons)]" in names


def test_effects_without_variance_have_no_correlation():
    rng = np.random.default_rng(0)
    g, x = np.repeat(np.arange(20), 5), np.tile(np.arange(5.0), 20)
    # no group has a mean or a slope of its own
    line = np.column_stack([np.ones(5), np.arange(5.0)])
    e = rng.normal(size=(20, 5))
    e -= e @ line @ np.linalg.inv(line.T @ line) @ line.T
    y = x + e.ravel()
    X = pd.DataFrame({"g": g, "x": x})
    effects = RandomEffects("g", ["x"], covariance="unstructured")
    model = MixedLinearRegressor(effects).fit(X, y)
    assert len(model.results_.boundary) == 3
    for term, value in (
        ("corr(x,_cons)", np.nan),
        ("cov(x,_cons)", 0.0),
        ("var(x)", 0.0),
        ("lns(x)", -np.inf),
    ):
        with pytest.warns(MixedModelWarning, match="has no standard error"):
            row = model.nlcom(f"_b[g:{term}]").iloc[0]
        np.testing.assert_equal(row["estimate"], value)
        assert row[1:].isna().all()
    with pytest.warns(MixedModelWarning, match="has no standard error"):
        row = model.nlcom("exp(2*_b[lns1_1_1:_cons])").iloc[0]
    assert row["estimate"] == 0
