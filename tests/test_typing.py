"""What type checkers see of the package: a user's program passes `mypy --strict`."""

from __future__ import annotations

import ast
import inspect
import os
import runpy
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module, metadata
from pathlib import Path

import pytest

import sklearn_xmixed
from tests.public import LISTED

PACKAGE = Path(sklearn_xmixed.__file__).parent
PROGRAM = Path(__file__).parent / "typed" / "user.py"
# what has a name at the top without a file there
LANGUAGES = ["formula", "stata", "translation"]


def installed(*packages: str) -> bool:
    try:
        return all(metadata.version(package) for package in packages)
    except metadata.PackageNotFoundError:
        return False


def check(path: Path, folder: Path) -> str:
    """What ``mypy --strict`` says of a file, as of one beside an installed package."""
    environment = dict(os.environ)
    if PACKAGE.parent.name != "site-packages":
        environment["MYPYPATH"] = str(PACKAGE.parent)
    command = [sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent"]
    done = subprocess.run(
        [*command, "--config-file=", "--cache-dir", str(folder / "cache"), str(path)],
        capture_output=True, text=True, cwd=folder, env=environment, check=False,
    )  # fmt: skip
    return done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.skipif(
    not installed("mypy", "pandas-stubs"), reason="needs mypy and pandas-stubs"
)
def test_a_typed_program_passes_strict_mypy(tmp_path):
    assert check(PROGRAM, tmp_path).startswith("Success")
    wrong = tmp_path / "wrong.py"
    wrong.write_text(
        "from sklearn_xmixed import MixedLinearRegressor\n"
        "model = MixedLinearRegressor(em_iter='many').fit([[1.0]], [1.0])\n"
        "names: str = model.fixed_names_\n"
        "mean: float = model.predict([[1.0]], return_std=True)\n"
    )
    assert "Found 3 errors" in check(wrong, tmp_path)


@pytest.mark.filterwarnings("ignore")
def test_the_typed_program_runs():
    pytest.importorskip("formulaic")
    runpy.run_path(str(PROGRAM), run_name="__main__")


def test_the_package_says_that_it_is_typed():
    assert (PACKAGE / "py.typed").is_file()


@pytest.mark.parametrize("name", LANGUAGES)
def test_stubs_name_what_a_room_gives(name):
    stub = ast.parse((PACKAGE / f"{name}.pyi").read_text("utf-8"))
    (imported,) = (node for node in stub.body if isinstance(node, ast.ImportFrom))
    room = import_module(f"sklearn_xmixed.{name}")
    assert [alias.name for alias in imported.names] == room.__all__
    assert f".{imported.module}" == room.__name__.removeprefix("sklearn_xmixed")


def functions_of(name: str, found: object) -> Iterator[tuple[str, object]]:
    """A function, or the constructor, methods and properties of a class."""
    if not inspect.isclass(found):
        yield name, found
        return
    for each in dir(found):
        owner = next(c for c in found.__mro__ if each in vars(c))
        ours = owner.__module__.startswith("sklearn_xmixed")
        if not ours or (each.startswith("_") and each != "__init__"):
            continue
        value = inspect.getattr_static(found, each)
        for inner in ("fget", "func", "__func__", "fn"):  # of a property, a decorator
            value = getattr(value, inner, value)
        if inspect.isfunction(value):
            yield f"{name}.{each}", value


def test_public_signatures_are_annotated():
    bare = []
    for module, name in LISTED:
        public = getattr(import_module(module), name)
        for full, function in functions_of(f"{module}.{name}", public):
            spec = inspect.signature(function)
            missing = [
                p.name
                for p in spec.parameters.values()
                if p.annotation is p.empty and p.name not in ("self", "cls")
            ]
            if spec.return_annotation is spec.empty and full[-8:] != "__init__":
                missing.append("return")
            bare += [f"{full}: {each}" for each in missing]
    assert not bare, bare
