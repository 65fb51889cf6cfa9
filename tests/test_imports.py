"""Imports run downwards: a room knows the rooms below it and no other."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import sklearn_xmixed

ROOT = Path(sklearn_xmixed.__file__).parent
PACKAGE = "sklearn_xmixed"

# bottom first; rooms on one line do not know one another
FLOORS = [
    {"exceptions", "_spec", "compat", "datasets", "optimization"},
    {"covariance", "residuals", "expressions", "tables"},
    {"design"},
    {"likelihood"},
    {"estimation"},
    {"inference"},
    {"reporting", "fitted"},
    {"marginal", "diagnostics", "resampling"},
    {"plotting"},
    {"means", "planning"},
    {"postestimation"},
    {"_regressor"},
    {"languages", "encoding", "conformal"},
    {"__main__"},
]
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}

# numpy and scipy alone, and of the design nothing but its numbers
NUMBERS_ONLY = {"covariance", "residuals", "likelihood", "optimization"}
NUMBERS_OF_DESIGN = {"_design", "_moments", "_products"}
USER_TERMS = {"_spec", "datasets", "exceptions"}


def room_of(path: Path) -> str:
    first = path.relative_to(ROOT).parts[0]
    return first.removesuffix(".py")


def imports(path: Path) -> list[tuple[int, str]]:
    """Absolute names of everything a file imports, deferred imports included."""
    module = [PACKAGE, *path.relative_to(ROOT).with_suffix("").parts]
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = module[: -node.level] if node.level else []
            name = ".".join([*base, *([node.module] if node.module else [])])
            if name == PACKAGE:  # from . import room
                found += [(node.lineno, f"{name}.{alias.name}") for alias in node.names]
            else:
                found.append((node.lineno, name))
    return found


FILES = sorted(p for p in ROOT.rglob("*.py") if p != ROOT / "__init__.py")


def ids(path: Path) -> str:
    return str(path.relative_to(ROOT))


def rooms_imported(path: Path) -> list[tuple[int, str]]:
    return [
        (line, name.split(".")[1])
        for line, name in imports(path)
        if name.startswith(PACKAGE + ".")
    ]


@pytest.mark.parametrize("path", FILES, ids=ids)
def test_no_import_runs_upwards(path):
    room = room_of(path)
    wrong = [
        f"line {line}: {other}"
        for line, other in rooms_imported(path)
        if other != room and FLOOR[other] >= FLOOR[room]
    ]
    assert not wrong, f"{ids(path)} imports upwards or sideways: {wrong}"


@pytest.mark.parametrize("path", FILES, ids=ids)
def test_numbers_know_no_frames(path):
    """numpy and scipy alone below the design, and nothing of the user's terms."""
    room = room_of(path)
    numbers = room == "design" and path.stem in NUMBERS_OF_DESIGN
    if room not in NUMBERS_ONLY and not numbers:
        return
    allowed = {"numpy", "scipy", PACKAGE, "__future__", *sys_modules()}
    wrong = [
        f"line {line}: {name}"
        for line, name in imports(path)
        if name.split(".")[0] not in allowed
    ]
    wrong += [
        f"line {line}: {name}"
        for line, name in imports(path)
        if name.startswith(PACKAGE + ".") and name.split(".")[1] in USER_TERMS
    ]
    wrong += [
        f"line {line}: {name}"
        for line, name in imports(path)
        if name.startswith(f"{PACKAGE}.design")
        and name.split(".")[-1] not in NUMBERS_OF_DESIGN
    ]
    assert not wrong, f"{ids(path)}: {wrong}"


def sys_modules() -> frozenset[str]:
    import sys

    return sys.stdlib_module_names


def test_every_room_is_known():
    """A new module has to find its place in the list above."""
    rooms = {room_of(path) for path in FILES}
    assert rooms == set(FLOOR)


def test_the_check_sees_relative_imports():
    path = ROOT / "likelihood" / "_basis.py"
    assert f"{PACKAGE}.design._moments" in {name for _, name in imports(path)}
    path = ROOT / "estimation" / "_estimate.py"
    assert {"design", "covariance", "likelihood", "optimization"} <= {
        room for _, room in rooms_imported(path)
    }


def test_little_lies_at_the_top():
    assert {path.name for path in ROOT.glob("*.py")} == {
        "__init__.py",
        "__main__.py",
        "_regressor.py",
        "_spec.py",
        "exceptions.py",
    }


# what the contracts of docs/design.md are for: nobody asks which of them it is
KINDS = re.compile(
    "Nested|Structured|Crossed|Exact|Iterative|Compound|Exchangeable|White|"
    "Kind$|Posterior$|Objective$|Errors$|Sample$|Tree$|Crossing$"
)
FACTORIES = {ROOT / "likelihood" / "_factory.py"}


@pytest.mark.parametrize("path", FILES, ids=ids)
def test_nobody_asks_for_a_kind_of_model(path):
    asked = [
        f"line {node.lineno}: {ast.unparse(node)}"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) == "isinstance"
        and any(
            KINDS.search(ast.unparse(name))
            for name in ast.walk(node.args[1])
            if isinstance(name, ast.Name)
        )
    ]
    assert path in FACTORIES or not asked, f"{ids(path)}: {asked}"
