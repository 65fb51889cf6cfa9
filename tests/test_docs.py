"""The pages in docs/: cited equations exist, links lead somewhere.

That their examples run is seen to by pytest itself, which collects the pages.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import sklearn_xmixed

PACKAGE = Path(sklearn_xmixed.__file__).parent
DOCS = Path(__file__).resolve().parents[1] / "docs"
# a build leaves copies and generated pages beside them
PAGES = sorted(
    path
    for path in DOCS.rglob("*.md")
    if not {"_build", "auto_examples", "generated"} & {*path.relative_to(DOCS).parts}
)

NUMBER = r"\(?\d+[a-z]?\)?"
# Eq. (7), Eqs. 5-8, Eqs. (5)-(8), Eqs. 12, 13, 15; then, maybe, "of the ... page"
CITATION = re.compile(
    rf"\bEqs?\.\s*({NUMBER}(?:(?:\s*[-–]\s*|,\s*|\s+and\s+){NUMBER})*)"
    r"(?:\s+of\s+the\s+(\w+)(?:\s+(page))?)?"
)


def _citations() -> Iterator[tuple[str, str, int]]:
    """(file, page, number) of every equation that the package cites."""
    for path in sorted(PACKAGE.rglob("*.py")):
        text = re.sub(r"\n\s*#?\s*", " ", path.read_text(encoding="utf-8"))
        for found in CITATION.finditer(text):
            numbers, owner, page = found.groups()
            if owner and not page:  # of the manual, of a paper
                continue
            for part in re.split(r",|\band\b", numbers):
                ends = [int(k) for k in re.findall(r"\d+", part)]
                for number in range(ends[0], ends[-1] + 1):
                    yield (
                        path.relative_to(PACKAGE).as_posix(),
                        owner or "likelihood",
                        number,
                    )


def _numbers(page: Path) -> list[int]:
    """Numbers of a page's equations.

    These are displayed, with a label such as (likelihood-7), or indented lines with
    (7) at their end.
    """
    text = page.read_text(encoding="utf-8")
    text = re.sub(r"(?ms)^```\w.*?^```", "", text)  # code
    found = re.findall(
        rf"(?m)^(?: {{4}}.*\((\d+)\)[^\S\n]*|\$\$ \({page.stem}-(\d+)\))$", text
    )
    return [int(a or b) for a, b in found]


def _equations(page: str) -> set[int]:
    return set(_numbers(DOCS / f"{page}.md"))


CITED = sorted(set(_citations()))


def test_citations_are_found():
    assert ("likelihood/nested/_tree.py", "likelihood", 7) in CITED  # inside Eqs. 5-8
    assert ("likelihood/_scores.py", "likelihood", 23) in CITED


def test_cited_equations_exist():
    known = {page: _equations(page) for _, page, _ in CITED}
    wrong = [
        f"{file} cites Eq. ({number}) of docs/{page}.md"
        for file, page, number in CITED
        if number not in known[page]
    ]
    assert not wrong, wrong


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.stem)
def test_equations_are_numbered_once_and_in_order(page):
    numbers = _numbers(page)
    assert numbers == list(range(1, len(numbers) + 1))


def test_examples_are_collected(pytestconfig):
    """By --doctest-glob; nothing is excepted but what a build leaves."""
    assert "docs" in pytestconfig.getini("testpaths")
    assert "*.md" in pytestconfig.getoption("doctestglob")


README = DOCS.parent / "README.md"


def test_code_of_the_readme_runs(capsys):
    blocks = re.findall(r"(?ms)^```python\n(.*?)^```", README.read_text("utf-8"))
    assert len(blocks) == 2
    names: dict[str, object] = {}
    exec(blocks[0], names)
    assert names["model"].results_.n_obs == 180  # type: ignore[attr-defined]
    pytest.importorskip("formulaic")
    exec(blocks[1], names)
    assert capsys.readouterr().out.count("-875.96967") >= 2


@pytest.mark.parametrize("page", [README, *PAGES], ids=lambda path: path.stem)
def test_files_that_are_linked_exist(page):
    """As GitHub follows them; pages of the gallery are made when the site is built."""
    text = re.sub(r"(?ms)^```.*?^```", "", page.read_text("utf-8"))
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", text):
        if "://" not in target and "auto_examples/" not in target:
            assert (page.parent / target).is_file(), target


def test_speed_in_the_readme_is_that_of_the_benchmarks():
    text = README.read_text("utf-8")
    table = text[text.index("| rows |") :].split("\n\n")[0]
    found = set(re.findall(r"\b\d+\.\d+\b", table))
    known = set(
        re.findall(r"\b\d+\.\d+\b", (DOCS / "benchmarks.md").read_text("utf-8"))
    )
    assert found, table
    assert found <= known
