"""The iteration log on paper: progress with any scikit-learn."""

from __future__ import annotations

import pytest
from numpy.testing import assert_allclose

from sklearn_xmixed import MixedLinearRegressor
from sklearn_xmixed.datasets import make_multilevel

LEVELS = ["school", "class"]
data = make_multilevel((10, 3), 6, level_names=LEVELS, random_state=0)
X, y = data.data, data.target


def model(**parameters) -> MixedLinearRegressor:
    return MixedLinearRegressor(**{"random_effects": LEVELS, **parameters})


def test_silent_by_default(capsys):
    model().fit(X, y)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("verbose", "em_only", "em_shown"),
    [(1, False, False), (2, False, True), (1, True, True)],
)
def test_iteration_log(verbose, em_only, em_shown, capsys):
    fitted = model(verbose=verbose, em_only=em_only, em_iter=300).fit(X, y)
    shown = capsys.readouterr().out
    history = fitted.history_
    if not em_shown:
        history = history[history["phase"] == "gradient"]
    lines = [line for line in shown.splitlines() if line.startswith("Iteration")]
    assert len(lines) == len(history)
    values = [float(line.split("=")[1].split("(")[0]) for line in lines]
    assert_allclose(values, history["log_likelihood"], rtol=1e-7)
    assert "Performing EM optimization" in shown
    assert ("gradient-based" in shown) is not em_only
    assert ("Computing standard errors" in shown) is not em_only


def test_iteration_log_of_reml(capsys):
    model(verbose=1, method="reml").fit(X, y)
    assert "log restricted-likelihood = " in capsys.readouterr().out
