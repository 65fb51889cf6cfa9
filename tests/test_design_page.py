"""docs/design.md and docs/contributing.md: floors, rooms and files are those there are."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.test_imports import FLOOR, ROOT

DOCS = Path(__file__).resolve().parents[1] / "docs"
DESIGN = (DOCS / "design.md").read_text(encoding="utf-8")


def test_floors_are_those_of_the_imports():
    rows = re.findall(r"^\| (\d+) \| `(\w+)/?`", DESIGN, re.M)
    told = {room: int(floor) for floor, room in rows}
    # these lie at the top level and are named above the table
    beside = {"_spec", "exceptions", "__main__"}
    assert told == {r: f + 1 for r, f in FLOOR.items() if r not in beside}


@pytest.mark.parametrize("page", ["design", "contributing"])
def test_files_and_folders_exist(page):
    text = (DOCS / f"{page}.md").read_text(encoding="utf-8")
    named = {n for n in re.findall(r"`([\w/]+(?:\.py|/))`", text) if "/" in n}
    places = [ROOT, ROOT.parent, *(p for p in ROOT.rglob("*") if p.is_dir())]
    lost = [n for n in named if not any((place / n).exists() for place in places)]
    assert named
    assert not lost


def test_every_folder_says_what_it_holds():
    inside = [p for p in ROOT.rglob("__init__.py") if p.parent.name != "data"]
    silent = [str(p) for p in inside if not p.read_text("utf-8").startswith('"""')]
    assert not silent
