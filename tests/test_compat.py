"""What older libraries lack: each stand-in, whichever library is installed."""

from __future__ import annotations

import importlib.util
import re
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

import sklearn_xmixed
from sklearn_xmixed import MixedLinearRegressor, compat
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
