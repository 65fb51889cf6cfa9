"""Imports run downwards: a room knows the rooms below it and no other."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

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
    {"postestimation", "_parameters"},
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


@cache
def tree_of(path: Path) -> ast.Module:
    """Parsed once for all rules, here and in test_house.py."""
    return ast.parse(path.read_text(encoding="utf-8"))


def statements(node: ast.AST) -> Iterator[ast.AST]:
    """Of a body and those within it; an import is no part of an expression."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.stmt | ast.excepthandler | ast.match_case):
            yield child
            yield from statements(child)


@cache
def imports(path: Path) -> list[tuple[int, str]]:
    """Absolute names of everything a file imports, deferred imports included."""
    module = [PACKAGE, *path.relative_to(ROOT).with_suffix("").parts]
    found = []
    for node in statements(tree_of(path)):
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


# every rule is one test over all files: thousands of short tests are slow to run
FILES = sorted(p for p in ROOT.rglob("*.py") if p != ROOT / "__init__.py")


def ids(path: Path) -> str:
    return str(path.relative_to(ROOT))


def rooms_imported(path: Path) -> list[tuple[int, str]]:
    return [
        (line, name.split(".")[1])
        for line, name in imports(path)
        if name.startswith(PACKAGE + ".")
    ]


def test_no_import_runs_upwards():
    wrong = [
        f"{ids(path)}, line {line}: {other}"
        for path in FILES
        for line, other in rooms_imported(path)
        if other != room_of(path) and FLOOR[other] >= FLOOR[room_of(path)]
    ]
    assert not wrong, f"imports upwards or sideways: {wrong}"


def of_numbers(path: Path) -> bool:
    of_design = path.parent == ROOT / "design" and path.stem in NUMBERS_OF_DESIGN
    return room_of(path) in NUMBERS_ONLY or of_design


def test_numbers_know_no_frames():
    """numpy and scipy alone below the design, and nothing of the user's terms."""
    allowed = {"numpy", "scipy", PACKAGE, "__future__", *sys.stdlib_module_names}
    wrong = [
        f"{ids(path)}, line {line}: {name}"
        for path in FILES
        if of_numbers(path)
        for line, name in imports(path)
        if name.split(".")[0] not in allowed
        or (name.startswith(PACKAGE + ".") and name.split(".")[1] in USER_TERMS)
        or (
            name.startswith(f"{PACKAGE}.design")
            and name.removeprefix(f"{PACKAGE}.design.") not in NUMBERS_OF_DESIGN
        )
    ]
    assert not wrong, wrong


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
        "_parameters.py",
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


def test_nobody_asks_for_a_kind_of_model():
    asked = [
        f"{ids(path)}, line {node.lineno}: {ast.unparse(node)}"
        for path in FILES
        if path not in FACTORIES
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "isinstance"
        and any(
            KINDS.search(ast.unparse(name))
            for name in ast.walk(node.args[1])
            if isinstance(name, ast.Name)
        )
    ]
    assert not asked, asked
