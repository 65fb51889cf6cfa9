"""What older libraries lack: each stand-in, whichever library is installed."""

from __future__ import annotations

import importlib.util
import re
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from packaging.requirements import Requirement
from packaging.version import Version

import sklearn_xmixed
from sklearn_xmixed import MixedLinearRegressor, compat, from_formula
from sklearn_xmixed.datasets import load_sleepstudy
from sklearn_xmixed.exceptions import NotConvergedWarning
from tests.conftest import before

TOP = Path(__file__).resolve().parents[1]
PACKAGE = Path(sklearn_xmixed.__file__).parent


@pytest.fixture
def without(monkeypatch):
    """The file about callbacks as it is where scikit-learn has none."""
    monkeypatch.setitem(sys.modules, "sklearn.callback", None)
    path = PACKAGE / "compat" / "_callbacks.py"
    spec = importlib.util.spec_from_file_location("without_callbacks", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_callbacks_are_there_from_1_9_on():
    assert compat.HAS_CALLBACKS is not before("scikit-learn", "1.9")
    assert hasattr(MixedLinearRegressor(), "set_callbacks") is compat.HAS_CALLBACKS


def test_without_callbacks_the_error_says_why(without):
    class Model(without.CallbackSupportMixin):
        pass

    assert not without.HAS_CALLBACKS
    assert not hasattr(Model(), "set_callbacks")
    wanted = rf"1\.9 or newer, found {re.escape(version('scikit-learn'))}.*verbose=1"
    with pytest.raises(AttributeError, match=wanted):
        _ = Model().set_callbacks


def test_without_callbacks_methods_stay_what_they_are(without):
    class Model:
        @without.with_callbacks
        def fit(self, X, y=None):
            """Fits."""
            return X, y

    assert Model().fit(1, y=2) == (1, 2)
    assert Model.fit.__doc__ == "Fits."


def test_warnings_of_a_fit_are_about_the_users_line():
    """With any scikit-learn: the stand-in is as deep as the decorator."""
    X, y = load_sleepstudy(return_X_y=True)
    with pytest.warns(NotConvergedWarning) as found:
        MixedLinearRegressor("subject", max_iter=0, em_iter=0).fit(X, y)
    assert found[0].filename == __file__


class Stumbles:
    """A formula as formulaic before 1.2.2 has it, of a variable called ``yield``."""

    @property
    def required_variables(self):
        raise SyntaxError("invalid syntax")


def test_variables_that_are_words_of_python():
    names = ["yield", "dose", "os", "x.1"]
    text = "yield + log(dose) + x.1"
    assert compat.variables_used(Stumbles(), text, names) == ["yield", "dose", "x.1"]


def test_formulas_with_words_of_python():
    plain = load_sleepstudy().frame
    frame = plain.rename(columns={"reaction": "yield", "days": "for"})
    found = from_formula("yield ~ for + (for | subject)", frame)
    expected = from_formula("reaction ~ days + (days | subject)", plain)
    assert found.log_likelihood_ == expected.log_likelihood_
    assert_array_equal(found.predict(frame), expected.predict(plain))


@pytest.mark.parametrize("keyword", ["rng", "seed"])
def test_sobols_points_under_both_names(keyword, monkeypatch):
    """Of one generator the same points, whatever scipy calls it."""
    right = compat.sobol(3, 8, np.random.default_rng(0))
    given = []

    def named(d, **options):
        if options.keys() - {"scramble", keyword}:
            raise TypeError("got an unexpected keyword argument")
        given.append(keyword)
        return SimpleNamespace(random=lambda n: right[:n])

    monkeypatch.setattr("scipy.stats.qmc.Sobol", named)
    assert_array_equal(compat.sobol(3, 8, np.random.default_rng(0)), right)
    assert given == [keyword]
    assert right.shape == (8, 3)
    assert right.min() >= 0
    assert right.max() < 1


# ---------------------------------------------------- the versions we declare

PYPROJECT = TOP / "pyproject.toml"
needs_checkout = pytest.mark.skipif(
    not PYPROJECT.is_file(), reason="the tests lie apart from pyproject.toml"
)


def pinned() -> dict[str, str]:
    """Versions of the lowest set, by package."""
    lines = (Path(__file__).parent / "lowest.txt").read_text(encoding="utf-8")
    found = [Requirement(line) for line in lines.splitlines() if line[:1].isalpha()]
    return {r.name: str(r.specifier).removeprefix("==") for r in found}


@needs_checkout
def test_lowest_versions_are_those_that_are_tested():
    project = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["project"]
    declared = [*project["dependencies"], *project["optional-dependencies"]["test"]]
    lowest = {}
    for requirement in map(Requirement, declared):
        floors = [s.version for s in requirement.specifier if s.operator == ">="]
        lowest[requirement.name] = floors[0]
    tested = pinned()
    assert {name: Version(v) for name, v in lowest.items()} == {
        name: Version(tested[name]) for name in lowest
    }


@needs_checkout
def test_the_readme_states_the_lowest_versions():
    text = (TOP / "README.md").read_text(encoding="utf-8")
    stated = text.split("## Versions")[1].split("\n## ")[0]
    project = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["project"]
    for requirement in map(Requirement, project["dependencies"]):
        floor = next(s.version for s in requirement.specifier if s.operator == ">=")
        assert f"{requirement.name} {floor}" in stated
    assert project["requires-python"].removeprefix(">=") in stated
