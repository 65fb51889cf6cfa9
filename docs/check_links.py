"""Check a built site: `python docs/check_links.py docs/_build`.

Every link and picture must lead to a file of the site, every fragment to an anchor in
it. Links to other sites are counted, not followed.
"""

from __future__ import annotations

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

REFERENCES = {"a": "href", "link": "href", "img": "src", "script": "src"}


class Page(HTMLParser):
    """The anchors of a page and what it refers to."""

    def __init__(self, path: Path):
        super().__init__()
        self.anchors: set[str] = set()
        self.references: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.anchors |= {found[key] for key in ("id", "name") if found.get(key)}
        if reference := found.get(REFERENCES.get(tag, "")):
            self.references.append(reference)


def check(site: Path) -> tuple[list[str], int, int]:
    """Broken references, number of references inside and of those to other sites."""
    pages = {
        path.resolve(): Page(path)
        for path in sorted(site.rglob("*.html"))
        if "_static" not in path.parts
    }
    broken, inside, outside = [], 0, 0
    for path, page in pages.items():
        for reference in page.references:
            parts = urlsplit(reference)
            if parts.scheme or parts.netloc:
                outside += 1
                continue
            inside += 1
            target = path
            if parts.path:
                target = (path.parent / unquote(parts.path)).resolve()
            lost = not target.is_file()
            if not lost and parts.fragment and target in pages:
                lost = unquote(parts.fragment) not in pages[target].anchors
            if lost:
                broken.append(f"{path.relative_to(site.resolve())}: {reference}")
    return broken, inside, outside


def main() -> int:
    site = Path(sys.argv[1])
    broken, inside, outside = check(site)
    print("\n".join(broken))
    print(f"{inside} links inside the site, {len(broken)} broken; {outside} to others")
    return 1 if broken or not inside else 0


if __name__ == "__main__":
    sys.exit(main())
