"""Imports run downwards: a room knows the rooms below it and no other."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import sklearn_xmixed

ROOT = Path(sklearn_xmixed.__file__).parent
PACKAGE = "sklearn_xmixed"

# bottom first; rooms on one line do not know one another
FLOORS = [
    {"_moments", "exceptions"},
    {"covariance", "residuals"},
    {"_design"},
    {"likelihood"},
    {"optimization"},
    {"_estimation"},
    {"inference", "prediction"},
    {"reporting", "marginal"},
    {"diagnostics", "resampling", "translation"},
    {"_regressor"},
    {"_fromtext"},
    {"stata", "formula", "plotting", "_compare"},
    {"_commandline"},
    {"__main__"},
]
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}

# what lays data over a specification and puts a fit together: below the regressor,
# above nothing that is numbers only
AROUND = {
    "_spec",
    "_labels",
    "_validation",
    "_clusters",
    "_compile",
    "_equations",
    "_fixed",
    "_levels",
    "_variables",
    "_factors",
    "_weights",
    "_within",
    "_saved",
    "_answers",
    "_messages",
    "_fitted",
    "_postestimation",
    "_log",
    "_callbacks",
    "datasets",
}
NUMBERS_ONLY = {
    "_moments",
    "_design",
    "covariance",
    "residuals",
    "likelihood",
    "optimization",
}


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
    if room not in FLOOR:
        return
    wrong = [
        f"line {line}: {other}"
        for line, other in rooms_imported(path)
        if other != room and other in FLOOR and FLOOR[other] >= FLOOR[room]
    ]
    assert not wrong, f"{ids(path)} imports upwards or sideways: {wrong}"


@pytest.mark.parametrize("path", FILES, ids=ids)
def test_numbers_know_no_frames(path):
    """numpy and scipy alone below the design, and nothing of the user's terms."""
    room = room_of(path)
    if room not in NUMBERS_ONLY:
        return
    allowed = {"numpy", "scipy", PACKAGE, "__future__", *sys_modules()}
    wrong = [
        f"line {line}: {name}"
        for line, name in imports(path)
        if name.split(".")[0] not in allowed
    ]
    wrong += [
        f"line {line}: {other}"
        for line, other in rooms_imported(path)
        if other in AROUND
    ]
    assert not wrong, f"{ids(path)}: {wrong}"


def sys_modules() -> frozenset[str]:
    import sys

    return sys.stdlib_module_names


def test_every_room_is_known():
    """A new module has to find its place in the list above."""
    rooms = {room_of(path) for path in FILES}
    assert rooms - set(FLOOR) - AROUND == set()


@pytest.mark.parametrize("path", FILES, ids=ids)
def test_nothing_below_knows_the_regressor(path):
    above = {"_fromtext", "stata", "formula", "plotting"}
    if room_of(path) in {"_regressor", "_callbacks", *above}:
        return
    assert "_regressor" not in {other for _, other in rooms_imported(path)}


def test_the_check_sees_relative_imports():
    path = ROOT / "likelihood" / "_basis.py"
    assert "sklearn_xmixed._moments" in {name for _, name in imports(path)}
    path = ROOT / "_estimation.py"
    assert {"_design", "covariance", "likelihood", "optimization"} <= {
        room for _, room in rooms_imported(path)
    }
