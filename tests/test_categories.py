"""Categories in the fixed part, coded inside: the witness is the same model as a formula."""

from __future__ import annotations

import json
import pickle

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import BaggingRegressor
from sklearn.inspection import partial_dependence, permutation_importance
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV, KFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.utils import get_tags

from sklearn_xmixed import (
    MixedLinearRegressor,
    RandomEffects,
    bootstrap,
    from_formula,
    jackknife,
    lrtest,
    power,
    statsby,
    to_lme4,
    to_nlme,
    to_sas,
)
from sklearn_xmixed.inference import Results
from sklearn_xmixed.stata import to_command, xtmixed


def _data():
    rng = np.random.default_rng(5)
    n, G = 120, 12
    frame = pd.DataFrame(
        {
            "color": rng.choice(["red", "green", "blue"], n),
            "x": rng.normal(size=n),
            "size": pd.Categorical(rng.choice(["S", "M", "L"], n), ["S", "M", "L"]),
            "old": rng.random(n) < 0.5,
            "shop": np.repeat([f"s{k}" for k in range(G)], n // G),
        }
    )
    y = rng.normal(size=n) + np.repeat(rng.normal(size=G), n // G) + frame["x"]
    return frame, (y + (frame["color"] == "red")).rename("sales")


X, y = _data()
NAMES = ["color[T.green]", "color[T.red]", "x", "size[T.M]", "size[T.L]", "old"]
# the formula takes truth values for factors, the estimator for numbers
WITNESS = X.assign(sales=y, old=X["old"].astype(float))
MODEL = MixedLinearRegressor("shop", categorical="treatment").fit(X, y)
FORMULA = from_formula("sales ~ color + x + size + old + (1 | shop)", WITNESS)


def model(effects="shop", **parameters):
    return MixedLinearRegressor(effects, categorical="treatment", **parameters)


# -- the same as the formula, to the last digit -----------------------------------------


def same(one, other):
    assert one.fixed_names_ == other.fixed_names_
    assert_array_equal(one.coef_, other.coef_)
    assert one.intercept_ == other.intercept_
    assert one.log_likelihood_ == other.log_likelihood_
    pd.testing.assert_frame_equal(one.coef_table(), other.coef_table(), rtol=0, atol=0)


def test_it_is_the_model_of_the_formula():
    same(MODEL, FORMULA)
    assert MODEL.fixed_names_ == NAMES
    assert_array_equal(MODEL.predict(X), FORMULA.predict(WITNESS))
    assert MODEL.score(X, y) == FORMULA.score(WITNESS, y)
    assert MODEL.categories_ == {
        "color": ["blue", "green", "red"],
        "size": ["S", "M", "L"],
    }
    assert MODEL.n_features_in_ == 5
    assert_array_equal(MODEL.feature_names_in_, X.columns)


@pytest.mark.parametrize(
    ("parameters", "formula"),
    [
        ({"method": "reml", "df_method": "satterthwaite"}, "color + x + size + old"),
        ({"fit_intercept": False}, "0 + color + x + size + old"),
        ({"fixed": ["x", "size"], "fit_intercept": False}, "0 + x + size"),
        ({"fixed": ["size", "color"]}, "size + color"),
        ({"vce": "CR2", "method": "reml"}, "color + x + size + old"),
    ],
)
def test_other_models_are_too(parameters, formula):
    found = model(**parameters).fit(X, y)
    options = {
        k: v for k, v in parameters.items() if k not in ("fixed", "fit_intercept")
    }
    witness = from_formula(f"sales ~ {formula} + (1 | shop)", WITNESS, **options)
    same(found, witness)
    pd.testing.assert_frame_equal(found.anova(), witness.anova(), rtol=1e-12)


def test_slopes_of_coded_columns():
    """A coded column may have random coefficients, in the fixed part or beside it."""
    data = X.assign(red=(X["color"] == "red").astype(float))
    for fixed in (None, ["x"]):
        effects = RandomEffects("shop", ["color[T.red]"], intercept=False)
        found = model(effects, fixed=fixed).fit(X, y)
        plain = [n for n in NAMES if n != "color[T.red]"]
        columns = dict.fromkeys(["color[T.green]"], data["color"] == "green")
        columns |= {f"size[T.{s}]": data["size"] == s for s in "ML"}
        coded = data.assign(**columns)
        witness = MixedLinearRegressor(
            RandomEffects("shop", ["red"], intercept=False),
            fixed=["x"] if fixed else [*plain, "red"],
        ).fit(coded, y)
        assert_allclose(found.log_likelihood_, witness.log_likelihood_, rtol=1e-12)
        assert_allclose(found.predict(X), witness.predict(coded), rtol=1e-8)


def test_weights_and_offsets():
    w = np.random.default_rng(0).uniform(0.5, 2.0, len(y))
    found = model(weight_type="precision", method="reml").fit(X, y, w)
    witness = from_formula(
        "sales ~ color + x + size + old + (1 | shop)",
        WITNESS,
        weight_type="precision",
        method="reml",
        sample_weight=w,
    )
    same(found, witness)
    found = model(offset="x").fit(X, y)
    witness = from_formula(
        "sales ~ color + size + old + offset(x) + (1 | shop)", WITNESS
    )
    same(found, witness)


# -- terms, tests and means ---------------------------------------------------------------


def test_a_column_of_categories_is_one_term():
    assert [t.name for t in MODEL.terms_] == ["color", "x", "size", "old"]
    assert MODEL.terms_[0].factors == ("color",)
    assert MODEL.terms_[0].columns == ("color[T.green]", "color[T.red]")
    for kind in (1, 2, 3):
        pd.testing.assert_frame_equal(MODEL.anova(type=kind), FORMULA.anova(type=kind))
    same_term = MODEL.anova(terms={"color": NAMES[:2]})
    assert_allclose(same_term.loc["color"], MODEL.anova().loc["color"], rtol=1e-10)


def test_names_in_hypotheses():
    plain = MODEL.wald_test("color[T.red] = color[T.green]")
    for text in (
        "`color[T.red]` = `color[T.green]`",
        "_b[color[T.red]] - _b[color[T.green]] = 0",
    ):
        assert MODEL.wald_test(text).chi2 == plain.chi2
    assert FORMULA.wald_test("color[T.red] = color[T.green]").chi2 == plain.chi2
    found = MODEL.lincom("color[T.red] - 2 * size[T.M]")["estimate"].iloc[0]
    assert_allclose(found, MODEL.coef_[1] - 2 * MODEL.coef_[3])


@pytest.mark.parametrize("weights", ["equal", "proportional", "outer", "cells"])
@pytest.mark.parametrize("specs", ["color", ["size", "color"], "x", []])
def test_marginal_means(weights, specs):
    found = MODEL.marginal_means(specs, weights=weights)
    witness = FORMULA.marginal_means(specs, weights=weights)
    pd.testing.assert_frame_equal(found.table, witness.table)
    if specs == "color":
        pd.testing.assert_frame_equal(found.pairs().table, witness.pairs().table)


def test_means_over_observed_rows_and_slopes():
    found = MODEL.marginal_means("color", weights="observed", at=X)
    witness = FORMULA.marginal_means("color", weights="observed", at=WITNESS)
    assert_allclose(found.table["estimate"], witness.table["estimate"], rtol=1e-12)
    with pytest.raises(ValueError, match="only means and frequencies are kept"):
        MODEL.marginal_means("color", weights="observed")
    trends = [m.marginal_trends("color", "x").table for m in (MODEL, FORMULA)]
    pd.testing.assert_frame_equal(*trends)
    with pytest.raises(ValueError, match="'pink' is no level of 'color'"):
        MODEL.marginal_means("color", at={"color": ["pink"]})


def test_means_of_nested_factors():
    data = X.assign(town=X["color"].map({"red": "a", "green": "a", "blue": "b"}))
    found = model(fixed=["town", "color"]).fit(data, y)
    witness = from_formula("sales ~ town + color + (1 | shop)", data.assign(sales=y))
    for specs in ("town", "color"):
        pd.testing.assert_frame_equal(
            found.marginal_means(specs).table, witness.marginal_means(specs).table
        )


def test_results_as_json_and_pickle():
    text = json.dumps(MODEL.results_.to_dict(), allow_nan=False)
    found = Results.from_dict(json.loads(text))
    assert found.fixed_names == (*NAMES, "_cons")
    again = pickle.loads(pickle.dumps(MODEL))
    assert_array_equal(again.predict(X), MODEL.predict(X))
    assert again.categories_ == MODEL.categories_
    other = clone(MODEL)
    assert other.categorical == "treatment"
    assert not hasattr(other, "coef_")


# -- forms of input -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        lambda frame: frame.astype({"color": "string"}),
        lambda frame: frame.astype({"color": "category"}),
        lambda frame: frame.astype({"color": object}),
        lambda frame: (
            pl.DataFrame({c: frame[c].to_numpy() for c in frame if c != "size"})
            .with_columns(
                size=pl.Series(list(frame["size"]), dtype=pl.Enum(list("SML")))
            )
            .select(list(X))
        ),
        lambda frame: (
            pl.DataFrame({c: np.asarray(frame[c]) for c in frame if c != "size"})
            .with_columns(
                pl.col("color").cast(pl.Categorical),
                size=pl.Series(list(frame["size"]), dtype=pl.Enum(list("SML"))),
            )
            .select(list(X))
        ),
        lambda frame: pa.Table.from_pandas(
            frame.assign(size=frame["size"].map({"S": "0", "M": "1", "L": "2"}))
        ),
    ],
    ids=["string", "category", "object", "polars", "polars categories", "arrow"],
)
def test_every_kind_of_frame(change):
    data = change(X)
    found = model().fit(data, y)
    assert_array_equal(found.coef_, MODEL.coef_)
    assert_array_equal(found.predict(data), MODEL.predict(X))


def test_arrays():
    array = X.to_numpy(dtype=object)
    found = model("x4").fit(array, y)
    assert found.fixed_names_[:3] == ["x0[T.green]", "x0[T.red]", "x1"]
    assert_allclose(found.coef_[:3], MODEL.coef_[:3], rtol=1e-10)
    assert found.fixed_names_[3:5] == ["x2[T.M]", "x2[T.S]"]  # an array knows no order
    found = model().fit(array[:, :4], y, groups=X["shop"])
    assert_allclose(found.log_likelihood_, MODEL.log_likelihood_, rtol=1e-12)
    assert_allclose(
        found.predict(array[:3, :4].tolist(), groups=X["shop"][:3]),
        MODEL.predict(X)[:3],
        rtol=1e-10,
    )


def test_numbers_are_as_they_were():
    """Without text and categories nothing changes, and truth values are numbers."""
    numbers = X[["x", "old", "shop"]]
    found = model().fit(numbers, y)
    witness = MixedLinearRegressor("shop").fit(numbers, y)
    same(found, witness)
    assert found.categories_ == {}
    same(model(None).fit(numbers[["x", "old"]], y),
         MixedLinearRegressor().fit(numbers[["x", "old"]], y))  # fmt: skip


def test_categories_of_numbers():
    dose = pd.Series(pd.Categorical(np.tile([2, 1, 4], 40), [4, 1, 2]))
    found = model(None).fit(pd.DataFrame({"dose": dose}), y)
    assert found.fixed_names_ == ["dose[T.1]", "dose[T.2]"]
    assert_allclose(found.intercept_, y[dose == 4].mean())
    assert_array_equal(found.predict(pd.DataFrame({"dose": [4, 1]})),
                       found.predict(pd.DataFrame({"dose": dose[[2, 1]]})))  # fmt: skip
    # text of digits is text
    text = model(None).fit(pd.DataFrame({"dose": dose.astype(str)}), y)
    assert text.fixed_names_ == ["dose[T.2]", "dose[T.4]"]
    cut = pd.DataFrame({"x": pd.cut(X["x"], 3)})
    assert len(model(None).fit(cut, y).fixed_names_) == 2


def test_unused_categories_are_left_out():
    part = X["size"] != "S"
    found = model().fit(X[part], y[part])
    assert found.categories_["size"] == ["M", "L"]
    assert "size[T.L]" in found.fixed_names_
    assert not found.results_.omitted
    with pytest.raises(
        ValueError, match=r"\['S'\], in \d+ rows .* Known are \['M', 'L'\]"
    ):
        found.predict(X)


def test_a_single_category():
    found = model(fixed=["color", "x"]).fit(X.assign(color="red"), y)
    assert found.fixed_names_ == ["x"]
    with pytest.raises(ValueError, match="not there at fit"):
        found.predict(X)
    gone = X.assign(color=["red"] * 119 + [None])
    with pytest.raises(ValueError, match="categories of 'color' are missing"):
        model(fixed=["color", "x"]).fit(gone, y)
    assert model(fixed=["color", "x"], missing="drop").fit(gone, y).sample_.sum() == 119


# -- what is refused ----------------------------------------------------------------------


def test_the_default_names_the_way_out():
    with pytest.raises(ValueError, match="Set categorical='treatment'"):
        MixedLinearRegressor("shop").fit(X, y)
    with pytest.raises(
        ValueError, match=r"must be one of 'raise', 'treatment'. Got 'dummy'"
    ):
        MixedLinearRegressor(categorical="dummy").fit(X[["x"]], y)


def test_unknown_categories():
    new = X.assign(color="pink")
    with pytest.raises(
        ValueError, match=r"'color' .*\['pink'\], in 120 rows .*row 0"
    ) as e:
        MODEL.predict(new)
    assert "Known are ['blue', 'green', 'red']" in str(e.value)
    with pytest.raises(ValueError, match="not there at fit"):
        MODEL.score(new, y)


def test_missing_categories():
    gone = X.assign(color=X["color"].where(X.index != 7))
    with pytest.raises(
        ValueError, match=r"NaN: the categories of 'color' .* 1 rows .*row 7"
    ):
        model().fit(gone, y)
    with pytest.raises(ValueError, match="NaN: the categories of 'color'"):
        MODEL.predict(gone)
    found = model(missing="drop").fit(gone, y)
    same(found, model().fit(X.drop(index=7), y.drop(7)))
    assert_array_equal(np.flatnonzero(np.isnan(found.predict(gone))), [7])
    # a category that only the row left out had
    lone = X.assign(color=["grey", *X["color"][1:]], x=[np.nan, *X["x"][1:]])
    found = model(missing="drop").fit(lone, y)
    assert found.results_.omitted == ("color[T.grey]",)
    with pytest.raises(ValueError, match=r"\['grey'\]"):
        found.predict(lone)
    assert "grey" not in found.marginal_means("color").table.index


def test_what_makes_no_sense_is_refused():
    with pytest.raises(ValueError, match="columns of these names already"):
        model().fit(X.assign(**{"color[T.red]": 1.0}), y)
    with pytest.raises(ValueError, match="one name, 'dose"):
        model(None).fit(pd.DataFrame({"dose": ["1", 1] * 60}), y)
    with pytest.raises(ValueError, match="columns that are made of it"):
        model(fixed=["color", "color[T.red]"]).fit(X, y)
    with pytest.raises(ValueError, match=r"unknown columns \['color\[T.pink\]'\]"):
        model(fixed=["color[T.pink]"]).fit(X, y)
    with pytest.raises(ValueError, match="0 sample"):
        model(None, fixed=["color"]).fit(X[:0], y[:0])


def test_lazy_tables_are_refused():
    lazy = pl.DataFrame({c: np.asarray(X[c]) for c in X}).with_columns(
        sales=y.to_numpy()
    )
    with pytest.raises(
        NotImplementedError, match="does not code columns of a lazy table"
    ):
        model().fit(lazy.lazy(), "sales")
    with pytest.raises(NotImplementedError, match="Read the rows into memory"):
        MODEL.predict(lazy.lazy())
    numbers = model(fixed=["x"]).fit(lazy.lazy(), "sales")
    assert_allclose(numbers.coef_, model(fixed=["x"]).fit(X, y).coef_, rtol=1e-8)


# -- rows in batches and several responses --------------------------------------------------


def test_rows_in_batches():
    declared = X.assign(color=X["color"].astype("category"))
    order = np.argsort(declared["color"].cat.codes.to_numpy(), kind="stable")
    first, rest = order[:60], order[60:]  # no red among the first
    found = model().partial_fit(declared.iloc[first], y.iloc[first])
    assert found.results_.omitted == ("color[T.red]",)
    with pytest.raises(ValueError, match=r"\['red'\]"):
        found.predict(declared)
    found.partial_fit(declared.iloc[rest], y.iloc[rest])
    assert found.fixed_names_ == NAMES
    assert_allclose(found.log_likelihood_, MODEL.log_likelihood_, rtol=1e-12)
    assert_allclose(found.coef_, MODEL.coef_, rtol=1e-6)
    pd.testing.assert_frame_equal(
        found.marginal_means("color", weights="cells").table,
        MODEL.marginal_means("color", weights="cells").table,
    )
    again = pickle.loads(pickle.dumps(found))
    assert_array_equal(again.predict(X), found.predict(X))


def test_batches_know_the_categories_of_the_first():
    part = (X["color"] != "red").to_numpy()
    found = model().partial_fit(X[part], y[part])
    with pytest.raises(ValueError, match=r"partial_fit need all of them declared"):
        found.partial_fit(X[~part], y[~part])
    assert found.results_.n_obs == part.sum()


def test_several_responses():
    Y = np.column_stack([y, y**2, -y, X["x"] - y])
    found = model().fit(X, Y)
    for k in range(4):
        one = model().fit(X, Y[:, k])
        assert_allclose(found.coef_[k], one.coef_, rtol=1e-6, atol=1e-8)
        assert_allclose(found.predict(X)[:, k], one.predict(X), rtol=1e-6, atol=1e-8)
    with pytest.raises(ValueError, match="not there at fit"):
        found.predict(X.assign(color="pink"))
    # one response lacks a category
    Y[X["color"] == "red", 1] = np.nan
    found = model(missing="drop").fit(X, Y)
    assert found.categories_["color"] == ["blue", "green", "red"]
    assert found.predict(X).shape == (120, 4)


# -- procedures, translations -----------------------------------------------------------------


def test_procedures_have_the_same_columns_in_every_draw():
    backwards = X.iloc[::-1].reset_index(drop=True)
    backwards = backwards.assign(
        size=backwards["size"].cat.reorder_categories([*"LMS"])
    )
    fit = model().fit(backwards, y)
    drawn = bootstrap(fit, backwards, y, n_resamples=20, random_state=0).to_frame()
    assert list(drawn.loc["sales"].index) == [*fit.fixed_names_, "_cons"]
    assert_allclose(drawn["estimate"].loc["sales"][:-1], fit.coef_, rtol=1e-10)
    left = jackknife(MODEL, X, y).to_frame()
    assert_allclose(
        left["estimate"].loc["sales"].to_numpy(),
        MODEL.coef_table()["estimate"],
        rtol=1e-6,
    )
    parts = statsby(model(fixed=["color", "x"]), X, y, by="size")
    whole = model(fixed=["color", "x"]).fit(X[X["size"] == "S"], y[X["size"] == "S"])
    found = parts.loc["S"].to_numpy(dtype=float)[:3]
    assert_allclose(found, whole.coef_, rtol=1e-6)


def test_tests_profiles_and_diagnostics():
    smaller = model(fixed=["x", "size", "old"]).fit(X, y)
    test = lrtest(MODEL, smaller)
    assert test.df == 2
    fit = model(fixed=["color"]).fit(X, y)
    witness = from_formula("sales ~ color + (1 | shop)", WITNESS)
    for name in ("color[T.red]", "_cons"):
        ends = fit.confint([name], method="profile", X=X, y=y)
        others = witness.confint([name], method="profile", X=WITNESS, y=y)
        assert_allclose(ends, others, rtol=1e-6)
    assert_allclose(
        fit.influence(X, y).dfbetas, witness.influence(WITNESS, y).dfbetas, rtol=1e-6
    )
    assert_allclose(MODEL.r2(X), FORMULA.r2(WITNESS), rtol=1e-10)
    slope = model(RandomEffects("shop", ["color[T.red]"]), fixed=["x"]).fit(X, y)
    found = slope.diagnose(X, y)
    assert "slope_without_mean" in found.kinds
    proposed = found.model
    assert proposed.fixed == ["x", "color[T.red]"]
    assert "categorical='treatment'" in found.code
    assert proposed.fit(X, y).log_likelihood_ < 0


def test_power_of_a_coded_column():
    found = power(
        MODEL, X, effect={"color[T.red]": 1.0}, n_sims=40, random_state=0
    ).to_frame()
    assert (found["power"] > 0.5).all()


def test_translations():
    code = str(to_lme4(MODEL))
    assert 'factor(data$color, levels = c("blue", "green", "red"))' in code
    assert "sales ~ color + x + size + old + (1 | shop)" in code
    table = to_lme4(MODEL).parameters
    assert table.loc[("sales", "color[T.red]"), "in_lme4"] == 'fixef(fit)["colorred"]'
    assert "0 + color + x" in str(to_nlme(model(fit_intercept=False).fit(X, y)))
    assert not to_sas(MODEL).possible
    assert "color[T.green]" in to_sas(MODEL).reason
    slope = model(RandomEffects("shop", ["color[T.red]"])).fit(X, y)
    assert not to_lme4(slope).possible


@pytest.mark.parametrize("constant", [True, False])
def test_commands(constant):
    fit = model(fit_intercept=constant).fit(X, y)
    command = to_command(fit)
    data = X.assign(sales=y, old=X["old"].astype(int))
    assert f"{'i' if constant else 'ibn'}.color x i.size old" in command
    assert_allclose(
        xtmixed(command, data).log_likelihood_, fit.log_likelihood_, rtol=1e-12
    )
    with pytest.raises(ValueError, match="known only after fit"):
        to_command(model(fixed=["color"]), target="sales")


# -- scikit-learn ---------------------------------------------------------------------


def test_tags():
    tags = get_tags(model(None)).input_tags
    assert tags.categorical
    assert tags.string
    tags = get_tags(MixedLinearRegressor()).input_tags
    assert not tags.categorical
    assert not tags.string


def test_linear_regression_behind_an_encoder_is_the_same():
    columns = ["color", "x", "size"]
    encode = ColumnTransformer(
        [("c", OneHotEncoder(drop="first"), ["color", "size"])], remainder="passthrough"
    )
    witness = make_pipeline(encode, LinearRegression()).fit(X[columns], y)
    found = model(None).fit(X[columns], y)
    assert_allclose(found.predict(X[columns]), witness.predict(X[columns]), rtol=1e-10)


def test_pipelines_and_searches():
    scale = ColumnTransformer(
        [("scale", StandardScaler(), ["x"])],
        remainder="passthrough",
        verbose_feature_names_out=False,
    )
    pipe = make_pipeline(scale, model()).set_output(transform="pandas")
    assert_allclose(pipe.fit(X, y).predict(X), MODEL.predict(X), rtol=1e-6)
    search = GridSearchCV(
        MixedLinearRegressor("shop", fixed=["x"]),
        [{"fixed": [["x"], ["x", "color"]], "categorical": ["treatment"]}],
        cv=KFold(3, shuffle=True, random_state=0),
    ).fit(X, y)
    assert search.best_params_["fixed"] == ["x", "color"]
    assert cross_val_predict(model(), X, y, cv=KFold(3, shuffle=True)).shape == (120,)


def test_inspection():
    found = permutation_importance(MODEL, X, y, n_repeats=3, random_state=0)
    assert found.importances_mean[1] > found.importances_mean[2]
    shown = partial_dependence(
        MODEL,
        X,
        ["color"],
        categorical_features=["color", "size", "shop"],
        kind="average",
    )
    assert_array_equal(shown["grid_values"][0], ["blue", "green", "red"])
    b = MODEL.coef_
    assert_allclose(np.diff(shown["average"][0]), [b[0], b[1] - b[0]], rtol=1e-8)


def test_bags_of_arrays():
    bag = BaggingRegressor(model("x4"), n_estimators=3, random_state=0)
    assert bag.fit(X, y).predict(X).shape == (120,)
