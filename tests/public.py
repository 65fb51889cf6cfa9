"""The public names: what the API reference lists."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

API = Path(__file__).resolve().parents[1] / "docs" / "api.rst"


def _listed() -> Iterator[tuple[str, str]]:
    module = ""
    for line in API.read_text(encoding="utf-8").splitlines():
        if ".. currentmodule::" in line:
            module = line.split()[-1]
        elif module and line.startswith("   ") and line.strip().isidentifier():
            yield module, line.strip()


#: module and name
LISTED = sorted(set(_listed()))
