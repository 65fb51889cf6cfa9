"""The command: from a pasted line to a fitted estimator."""

import pickle

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from sklearn.base import clone

from sklearn_xmixed import MixedLinearRegressor, RandomEffects, lrtest, xtmixed
from sklearn_xmixed.datasets import load_productivity, load_sleepstudy
from sklearn_xmixed.exceptions import CommandError
from sklearn_xmixed.languages.stata.columns._data import Data
from sklearn_xmixed.stata import parse, plan
from tests.command_frame import DATA


@pytest.fixture(scope="module")
def sleep():
    return load_sleepstudy().frame


def test_a_command_is_the_estimator_it_describes(sleep):
    line = "reaction days || subject: days, covariance(unstructured) reml"
    found = xtmixed(line, sleep, show=False)
    plain = MixedLinearRegressor(
        RandomEffects("subject", ["days"], covariance="unstructured"),
        fixed=["days"],
        method="reml",
    ).fit(sleep, sleep["reaction"])
    assert isinstance(found, MixedLinearRegressor)
    assert_allclose(found.log_likelihood_, plain.log_likelihood_, rtol=1e-12)
    assert_allclose(found.predict(sleep), plain.predict(sleep), rtol=1e-9)
    assert str(found) == str(plain.summary())
    assert repr(found) == f"CommandRegressor({line!r})"


def test_clone_pickle_and_parameters(sleep):
    found = xtmixed("reaction days || subject:", sleep, show=False)
    again = pickle.loads(pickle.dumps(found))
    assert_allclose(again.predict(sleep), found.predict(sleep), rtol=0, atol=0)
    other = clone(found).set_params(method="reml").fit(sleep)
    reml = xtmixed("reaction days || subject:, reml", sleep, show=False)
    assert_allclose(other.log_likelihood_, reml.log_likelihood_, rtol=1e-12)


def test_printing(sleep, capsys):
    line = "reaction days || subject:"
    found = xtmixed(line, sleep)
    printed = capsys.readouterr().out
    assert printed.startswith("Performing EM optimization:")
    assert "Computing standard errors:" in printed
    assert printed.endswith(f"{found}\n")
    xtmixed(line + ", nolog", sleep)
    assert capsys.readouterr().out == f"{found}\n"
    for quiet in ({"show": False}, {}):
        command = line if quiet else f"quietly xtmixed {line}"
        xtmixed(command, sleep, **quiet)
        assert capsys.readouterr().out == ""


def test_three_levels_and_lrtest():
    frame = load_productivity().frame
    line = "gsp private emp hwy water other unemp"
    small = xtmixed(f"{line} || region:", frame, show=False)
    large = xtmixed(f"{line} || region: || state:", frame, show=False)
    assert lrtest(large, small).kind == "chibar2(01)"
    assert f"{large.log_likelihood_:.4f}" == "1430.5017"  # as in the manual


def test_an_error_marks_the_place(sleep):
    with pytest.raises(CommandError) as caught:
        xtmixed("reaction days || subjet:", sleep)
    assert str(caught.value) == (
        "The data have no variable 'subjet'.\n"
        "    reaction days || subjet:\n"
        "                     ^^^^^^\n"
        "Did you mean 'subject'? Their variables are subject, days, reaction."
    )
    again = pickle.loads(pickle.dumps(caught.value))
    assert str(again) == str(caught.value)


def test_missing_rows_are_left_out_and_predicted_as_missing(sleep):
    frame = sleep.copy()
    frame["days"] = frame["days"].astype(float)
    frame.loc[[3, 50], "days"] = np.nan
    frame.loc[7, "reaction"] = np.nan
    found = xtmixed("reaction days || subject:", frame, show=False)
    assert found.results_.n_obs == 177
    assert np.flatnonzero(~found.sample_).tolist() == [3, 7, 50]
    assert np.flatnonzero(np.isnan(found.predict(frame))).tolist() == [3, 50]


LINE = "y i.k##c.x i.s if x < 2 || g:"


@pytest.mark.parametrize("form", ["polars", "pyarrow", "object", "nullable", "dta"])
def test_other_forms_of_the_data(form, tmp_path):
    expected = xtmixed(LINE, DATA, show=False)
    if form == "dta":
        path = tmp_path / "frame.dta"
        DATA.to_stata(path, write_index=False)
        data = pd.read_stata(path)
        assert isinstance(data["k"].dtype, pd.CategoricalDtype)
    elif form == "object":
        data = DATA.astype(dict.fromkeys(("x", "f", "g", "s"), object))
    elif form == "nullable":
        data = DATA.convert_dtypes()
    else:
        polars = pytest.importorskip("polars")
        data = polars.from_pandas(DATA)
        data = data if form == "polars" else data.to_arrow()
    if form == "pyarrow":  # categories become plain texts, sorted
        line, same = LINE.replace("i.k", "ib3.k"), LINE
    else:
        line = same = LINE
    found = xtmixed(line, data, show=False)
    expected = xtmixed(same, DATA, show=False)
    assert_allclose(found.log_likelihood_, expected.log_likelihood_, rtol=1e-9)
    assert_allclose(found.predict(data), expected.predict(DATA), rtol=1e-6)


def test_labelled_and_coded_dta_files(tmp_path):
    path = tmp_path / "frame.dta"
    DATA.to_stata(path, write_index=False)
    labelled = pd.read_stata(path)
    coded = pd.read_stata(path, convert_categoricals=False)
    one = xtmixed('y i.k if k != "lo" || g:', labelled, show=False)
    two = xtmixed("y i.k if k != 0 || g:", coded, show=False)
    assert_allclose(one.log_likelihood_, two.log_likelihood_, rtol=1e-10)
    assert one.fixed_names_ == ["3.k"]
    assert two.fixed_names_ == ["2.k"]
    assert one.notes_ == ("Note: levels of k are 1 = lo, 2 = mid, 3 = hi.",)


def test_columns_need_names():
    with pytest.raises(TypeError, match="need names"):
        xtmixed("y x || g:", DATA.to_numpy(), show=False)
    twice = DATA.set_axis(["y", "x", "x", *DATA.columns[3:]], axis=1)
    with pytest.raises(CommandError, match="several columns named 'x'"):
        xtmixed("y x || g:", twice, show=False)


def dummies(name):
    return pd.get_dummies(DATA[name]).to_numpy(dtype=float)


def crossed(*blocks):
    out = np.ones((len(DATA), 1))
    for block in blocks:
        out = (out[:, :, None] * block[:, None, :]).reshape(len(DATA), -1)
    return out


F, K, S, X = dummies("f"), dummies("k"), dummies("s"), DATA[["x"]].to_numpy()
SPACES = [
    ("i.f", [F]),
    ("ib3.f", [F]),
    ("f#k", [crossed(F, K)]),
    ("f##k", [crossed(F, K)]),
    ("i.f i.f#i.k", [crossed(F, K)]),
    ("i.f#i.k i.s", [crossed(F, K), S]),
    ("f##k##s", [crossed(F, K, S)]),
    ("f#k#s", [crossed(F, K, S)]),
    ("i.f#c.x", [crossed(F, X)]),
    ("x i.f#c.x", [crossed(F, X)]),
    ("i.f##c.x", [F, crossed(F, X)]),
    ("i.f##i.k##c.x", [crossed(F, K), crossed(F, K, X)]),
    ("i.f##i.k i.f#i.k#c.x", [crossed(F, K), crossed(F, K, X)]),
    ("i.f i.k i.s#c.x c.x#c.x", [F, K, crossed(S, X), X**2]),
    ("ib2.f##ib3.k i.s", [crossed(F, K), S]),
    ("ib(last).f##ib(freq).s##c.x", [crossed(F, S), crossed(F, S, X)]),
]


@pytest.mark.parametrize(("terms", "blocks"), SPACES, ids=[t for t, _ in SPACES])
def test_columns_span_what_all_indicators_span(terms, blocks):
    """Whichever levels are bases, and without the cells that no row has."""
    _, recipe = plan(parse(f"y {terms}"), Data(DATA))
    ours = np.column_stack([recipe.read(DATA).column(c) for c in recipe.fixed])
    one = np.ones((len(DATA), 1))
    mine = np.column_stack([one, ours])
    theirs = np.column_stack([one, *blocks])
    rank = np.linalg.matrix_rank(theirs)
    assert np.linalg.matrix_rank(mine) == rank
    assert np.linalg.matrix_rank(np.column_stack([mine, theirs])) == rank
    if "k" not in terms:  # without empty cells no column is too many
        assert mine.shape[1] == rank


def test_summary_options_of_factors():
    fit = xtmixed("y i.f##i.k || g:, nolog nohead noret nolr", DATA, show=False)

    def stub(**options):
        lines = str(fit.summary(**options)).splitlines()[3:-1]
        return [line.partition("|")[0].strip() for line in lines]

    assert stub() == [
        *("f", "2", "3", "", "k", "2", "3", "", "f#k", "2 2", "2 3", "3 2", "3 3", ""),
        "_cons",
    ]
    assert "3 3" not in stub(empty_cells=False)
    assert "" not in stub(squeeze=True)
    assert stub(base_levels=True)[:4] == ["f", "1", "2", "3"]
    assert "1 2" in stub(base_levels="all")
    text = str(fit.summary(base_levels=True))
    assert "          1  |          0  (base)\n" in text
    assert "        3 3  |          0  (empty)\n" in text
    legend = str(fit.summary(coef_legend=True))
    assert "_b[2.f#3.k]" in legend
    assert "3 3" in fit.summary()._repr_html_()


def test_cross_validation_takes_the_user_s_frame():
    from sklearn.model_selection import cross_val_predict

    fit = xtmixed("y i.f c.x#c.x || g:", DATA, show=False)
    found = cross_val_predict(fit, DATA, DATA["y"], cv=4)
    assert found.shape == (48,)
    assert np.isfinite(found).all()


def test_weights_are_the_command_s():
    fit = xtmixed("y x [fw=w] || g:", DATA, show=False)
    rows = DATA.loc[DATA.index.repeat(DATA["w"])]
    many = xtmixed("y x || g:", rows, show=False)
    assert_allclose(fit.coef_, many.coef_, rtol=1e-6)
    assert_allclose(fit.log_likelihood_, many.log_likelihood_, rtol=1e-9)
    with pytest.raises(ValueError, match="sample_weight was given too"):
        fit.fit(DATA, sample_weight=np.ones(48))
