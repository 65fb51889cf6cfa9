"""The command: from a pasted line to a fitted estimator."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.base import clone

from sklearn_xmixed import MixedLinearRegressor, RandomEffects, lrtest, xtmixed
from sklearn_xmixed.datasets import load_productivity, load_sleepstudy
from sklearn_xmixed.exceptions import CommandError


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
    assert_allclose(large.log_likelihood_, 1430.5017, atol=5.1e-5)


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
