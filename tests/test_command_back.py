"""From estimators back to commands and to code."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from sklearn_xmixed import MixedLinearRegressor, RandomEffects, Residuals, xtmixed
from sklearn_xmixed.languages.stata.columns._data import Data
from sklearn_xmixed.languages.stata.grammar._dfmethods import METHODS
from sklearn_xmixed.stata import parse, plan, to_code, to_command
from tests.command_frame import DATA, XTSET
from tests.conftest import examples

NUMBERS = ["x", "z", "t", "w", "longer_name"]
DF_METHODS = [*METHODS.values(), "kenward-roger-observed"]
columns = st.lists(st.sampled_from(NUMBERS), unique=True, max_size=3)
kinds = st.sampled_from(
    [None, "independent", "identity", "exchangeable", "unstructured"]
)


@st.composite
def equations(draw):
    out = []
    if draw(st.booleans()):
        factor = draw(st.sampled_from([None, "f", "k"]))
        out.append(RandomEffects("_all", [], factor=factor))
    for group in draw(st.sampled_from([(), ("g",), ("h", "g"), ("h", "h", "g")])):
        out.append(
            RandomEffects(
                group,
                draw(columns),
                covariance=draw(kinds),
                intercept=draw(st.booleans()),
                collinear=draw(st.booleans()),
            )
        )
    return out


@st.composite
def estimators(draw):
    spec = draw(equations())
    method = draw(st.sampled_from(["ml", "reml"]))
    grouped = any(e.group != "_all" for e in spec)
    residuals = None
    if grouped and draw(st.booleans()):
        name = draw(
            st.sampled_from(["exchangeable", "ar", "ma", "banded", "exponential"])
        )
        order = draw(st.sampled_from([None, 1, 2]))
        residuals = Residuals(
            name,
            order=order if name in ("ar", "ma", "banded") else None,
            time=None if name == "exchangeable" else "t",
            by=draw(st.sampled_from([None, "h"])),
        )
    structured = residuals is not None
    vce, cluster = "oim", None
    if method == "ml" and draw(st.booleans()):
        vce = draw(st.sampled_from(["robust", "cluster"]))
        cluster = "h" if vce == "cluster" else None
    return MixedLinearRegressor(
        spec or None,
        residuals=residuals,
        method=method,
        fixed=draw(columns),
        fit_intercept=draw(st.booleans()),
        vce=vce,
        cluster=cluster,
        parameterization=draw(st.sampled_from(["matsqrt", "matlog"])),
        em_iter=draw(st.sampled_from([0, 20, 7])),
        em_tol=draw(st.sampled_from([1e-10, 1e-4])),
        solver=draw(st.sampled_from(["newton", "lbfgs"])),
        max_iter=draw(st.sampled_from([100, 5])),
        tol=draw(st.sampled_from([1e-10, 1e-5])),
        std_errors=structured or draw(st.booleans()),
        lr_test=draw(st.booleans()),
        df_method=draw(
            st.sampled_from([None, *(DF_METHODS if method == "reml" else ())])
        ),
        missing="drop",
    )


def same(value):
    return repr(value.get_params()) if hasattr(value, "get_params") else repr(value)


@given(estimators())
@settings(
    max_examples=examples(200),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
def test_there_and_back(estimator):
    line = to_command(estimator, target="y")
    parameters, _ = plan(parse(line), Data(DATA))
    again = MixedLinearRegressor(**parameters).get_params(deep=False)
    for name, value in estimator.get_params(deep=False).items():
        if name == "random_effects":
            ours, theirs = value or [], again[name] or []
            assert [same(e) for e in ours] == [same(e) for e in theirs], line
        else:
            assert same(value) == same(again[name]), (name, line)


def test_weights_and_fitted_names():
    model = MixedLinearRegressor(
        RandomEffects("g", weight="w"), fixed=["x"], weight_type="sampling"
    )
    assert to_command(model, target="y", weight="w") == (
        "xtmixed y x [pw=w] || g:, pweight(w)"
    )
    fitted = MixedLinearRegressor("g").fit(DATA[["x", "g"]], DATA["y"])
    assert to_command(fitted) == "xtmixed y x || g:"


def test_what_a_command_cannot_say():
    with pytest.raises(ValueError, match="Pass target="):
        to_command(MixedLinearRegressor("g", fixed=["x"]))
    with pytest.raises(ValueError, match="known only after fit"):
        to_command(MixedLinearRegressor("g"), target="y")
    with pytest.raises(ValueError, match="'my x' is no name of a variable"):
        to_command(MixedLinearRegressor("g", fixed=["my x"]), target="y")
    with pytest.raises(
        ValueError, match=r"No dfmethod\(\) .*='kenward-roger-2009'; those"
    ):
        to_command(
            MixedLinearRegressor("g", fixed=["x"], df_method="kenward-roger-2009"),
            target="y",
        )
    with pytest.raises(TypeError, match="takes a MixedLinearRegressor"):
        to_command("y x || g:")
    with pytest.raises(TypeError, match="takes what xtmixed returns"):
        to_code(MixedLinearRegressor())


LINES = (
    "y x || g:",
    'mixed y i.f##c.x i.s if (x > -1) & (s != "c") || g: x, cov(un) level(90)',
    "y i.k#c.x [pw=w/2] in 3/-4 || g:, pweight(w) pwscale(gk)",
    "y x || g:, pweight(w / 2) vce(robust)",
    "mixed y i.f x || g:, reml dfmethod(kroger, oim)",
    "y x || g: x, dfm(sat)",
    "y L.x D.z i.f || h: || g: L.x, nocons reml",
    "D.y x if x < 2 in f/40 || g:, res(ex, by(h))",
    "y x || _all: R.f || g:, nolrtest",
    "y c.x##c.x /// a comment\n if z > 0 | /* another */ f == 2 || g:",
)


@pytest.mark.parametrize("line", LINES)
@pytest.mark.filterwarnings("ignore::sklearn_xmixed.exceptions.MixedModelWarning")
def test_commands_come_back_and_code_runs(line):
    fit = xtmixed(line, DATA, xtset=XTSET, show=False)
    again = xtmixed(to_command(fit), DATA, xtset=XTSET, show=False)
    assert str(again) == str(fit)
    scope = {"data": DATA}
    exec(to_code(fit), scope)
    model = scope["model"]
    assert type(model) is MixedLinearRegressor
    assert_allclose(model.log_likelihood_, fit.log_likelihood_, rtol=1e-10)
    assert model.fixed_names_ == fit.fixed_names_
    assert_allclose(model.coef_, fit.coef_, rtol=1e-6, atol=1e-8)


def test_a_changed_parameter_is_in_the_command():
    fit = xtmixed("y x || g: x, var", DATA, show=False)
    fit.set_params(method="reml", random_effects__g__covariance="unstructured")
    assert to_command(fit) == "xtmixed y x || g: x, covariance(unstructured) reml var"


def test_diagnostics_of_a_command_are_those_of_the_estimator():
    line = "y i.f##c.x if x < 2 || g:"
    fit = xtmixed(line, DATA, show=False)
    columns, y, _ = fit.design(DATA)
    plain = fit.to_estimator().fit(columns, y)
    ours = fit.influence(DATA, DATA["y"])
    theirs = plain.influence(columns, y)
    assert_allclose(ours.coef, theirs.coef, rtol=1e-6)
    assert_allclose(ours.dfbetas, theirs.dfbetas, rtol=1e-6, atol=1e-9)
    assert str(fit.diagnose(DATA, DATA["y"])).count("\n") == str(
        plain.diagnose(columns, y)
    ).count("\n")
