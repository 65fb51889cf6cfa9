"""Public docstrings follow numpydoc and say what they have to."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from functools import cache
from importlib import import_module

import pytest

from tests.public import LISTED

validate = cache(pytest.importorskip("numpydoc.validate").validate)

# what a reader of this package does without
IGNORED = {
    "GL01",  # text starts on the opening line
    "GL02",  # and may end on the last
    "GL03",
    "GL08",  # checked here, with the reason
    "SA01",  # See Also, where it helps
    "SA04",
    "EX01",  # asked for below, of classes and functions
    "ES01",  # one line may be enough
    "SS05",  # "Methods of", not only infinitives
    "SS06",
    "PR03",  # "X, y, groups: as for ``fit``", together and without types
    "PR04",
    "PR06",
    "PR08",  # descriptions may start with a symbol
    "PR09",
    "RT02",  # several values are named
    "RT03",
    "RT04",
    "RT05",
    "GL09",
}


OBJECTS = [f"{module}.{name}" for module, name in LISTED]


def methods() -> Iterator[str]:
    for module, name in LISTED:
        cls = getattr(import_module(module), name)
        if not inspect.isclass(cls):
            continue
        for method, value in inspect.getmembers(cls, inspect.isroutine):
            home = getattr(value, "__module__", "") or ""
            if not method.startswith("_") and home.startswith("sklearn_xmixed"):
                yield f"{module}.{name}.{method}"


METHODS = sorted(methods())

# classes that are returned, not called: their attributes are what is documented
RETURNED = (
    "diagnostics",
    "formula",
    "inference",
    "means",
    "reporting",
    "resampling",
    "stata",
    "translation",
)


def returned(name: str) -> bool:
    return name.split(".")[1] in RETURNED or name.endswith("Error")


@pytest.mark.parametrize("name", OBJECTS + METHODS)
def test_docstring_is_valid(name):
    found = validate(name)
    assert found["docstring"], "no docstring"
    ignored = IGNORED | ({"PR01", "RT01"} if returned(name) else set())
    wrong = [f"{code}: {text}" for code, text in found["errors"] if code not in ignored]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("name", OBJECTS)
def test_public_objects_have_an_example(name):
    """In their own docstring or in that of a method."""
    text = validate(name)["docstring"]
    if returned(name) or name.endswith("Error"):
        assert "Attributes\n" in text or "Parameters\n" in text
    elif not name.endswith("Warning"):
        own = [m for m in METHODS if m.startswith(f"{name}.")]
        texts = [text, *(validate(m)["docstring"] for m in own)]
        assert any("Examples\n" in one for one in texts)


def parameters(name: str) -> set[str]:
    found = import_module("sklearn_xmixed")
    for part in name.split(".")[1:]:
        found = getattr(found, part)
    return set(inspect.signature(found).parameters)


@pytest.mark.parametrize("name", METHODS)
def test_arrays_have_a_shape(name):
    """A method that is given rows says of what shape."""
    given = parameters(name) & {"X", "y", "sample_weight"}
    text = validate(name)["docstring"]
    if given and not returned(name):
        assert any(
            words in text for words in ("shape (n_samples", "s for ``", "to ``fit``")
        )


@pytest.mark.parametrize("package", ["", ".datasets", ".exceptions", ".plotting"])
def test_every_public_name_is_in_the_reference(package):
    module = import_module("sklearn_xmixed" + package)
    known = {name for _, name in LISTED}
    public = {
        name
        for name in module.__all__
        if not name.startswith("_") and not inspect.ismodule(getattr(module, name))
    }
    assert public - known == set()
