"""How the house is kept: lengths of functions and files, and no circles of imports."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import sklearn_xmixed
from tests.test_imports import FILES, PACKAGE, ids, imports, tree_of

ROOT = Path(sklearn_xmixed.__file__).parent

# lines of a function without its docstring, and parameters of what is not public
LONGEST, MOST = 60, 8
# a longer one says this in its docstring, with the reason
REASON = "kept whole"
# what users call, by keyword
PUBLIC = {
    "MixedLinearRegressor.__init__",
    "IntervalMethods.confint",
    "TableMethods.summary",
    "bootstrap",
    "jackknife",
    "lrtest",
    "make_multilevel",
    "power",
    "rolling",
    "statsby",
    "GroupCurvesDisplay.from_predictions",
}


def functions(path: Path) -> Iterator[tuple[str, ast.FunctionDef]]:
    def inside(node: ast.AST, name: str) -> Iterator[tuple[str, ast.FunctionDef]]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.FunctionDef):
                yield name + child.name, child
                yield from inside(child, name + child.name + ".")
            elif isinstance(child, ast.ClassDef):
                yield from inside(child, child.name + ".")

    return inside(tree_of(path), "")


def lines_of(function: ast.FunctionDef) -> int:
    body = function.body
    first = body[min(1, len(body) - 1)] if ast.get_docstring(function) else body[0]
    return function.end_lineno - first.lineno + 1


def test_functions_are_short():
    long = [
        f"{ids(path)}: {name}: {lines_of(function)} lines"
        for path in FILES
        for name, function in functions(path)
        if lines_of(function) > LONGEST
        and REASON not in (ast.get_docstring(function) or "")
    ]
    assert not long, long


def parameters_of(function: ast.FunctionDef) -> int:
    spec = function.args
    names = [a.arg for a in [*spec.posonlyargs, *spec.args, *spec.kwonlyargs]]
    return len([a for a in names if a not in ("self", "cls")])


def test_signatures_are_short():
    many = [
        f"{ids(path)}: {name}: {parameters_of(function)} parameters"
        for path in FILES
        for name, function in functions(path)
        if parameters_of(function) > MOST and name not in PUBLIC
    ]
    assert not many, many


def test_no_circles_of_imports():
    """Between files, deferred imports included; a package stands for its __init__."""
    module = {}
    for path in FILES:
        parts = [PACKAGE, *path.relative_to(ROOT).with_suffix("").parts]
        module[".".join(parts).removesuffix(".__init__")] = path
    graph = {
        name: {
            other
            for _, other in imports(path)
            if other in module and not name.startswith(other + ".")
        }
        for name, path in module.items()
    }
    left = set(graph)
    while left:  # take away what imports nothing that is left
        free = {name for name in left if not graph[name] & left - {name}}
        if not free:
            break
        left -= free
    assert not left, sorted(left)
