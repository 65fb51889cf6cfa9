"""A page as HTML for notebooks: plain tables in the colours of their surroundings."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from ._page import Fact, Header, Page
from ._tables import Row, Table

__all__ = ["STYLE", "html_table", "render_html"]

STYLE = """
.xmixed-summary table {
  background: transparent; border: 0; border-collapse: collapse;
  color: inherit; margin: 0 0 1em 0; font-variant-numeric: tabular-nums;
}
.xmixed-summary caption {
  caption-side: top; color: inherit; font-weight: bold; text-align: left;
}
.xmixed-summary :is(tr, th, td) {
  background: transparent; border: 0; color: inherit;
}
.xmixed-summary :is(th, td) {
  padding: 0.15em 0.7em; text-align: right; vertical-align: baseline;
}
.xmixed-summary :is(tbody th, thead th:first-child) { text-align: left; }
.xmixed-summary tbody th[scope="row"] { font-weight: normal; }
.xmixed-summary th[scope="colgroup"] { text-align: center; }
.xmixed-summary thead tr:last-child > * { border-bottom: 1px solid currentColor; }
.xmixed-summary tbody + tbody > tr:first-child > * {
  border-top: 1px solid currentColor;
}
.xmixed-summary p { color: inherit; margin: 0 0 0.5em 0; max-width: 48em; }
""".strip()


def render_html(page: Page) -> str:
    """The page as an HTML fragment without outside assets."""
    parts = [f"<style>\n{STYLE}\n</style>"]
    if page.header is not None:
        parts.append(_header(page.header))
        if page.header.groups is not None:
            parts.append(html_table(page.header.groups, spans=1))
        if page.header.clusters:
            parts.append(f"<p>{escape(page.header.clusters)}</p>")
    if page.fixed is not None:
        parts.append(html_table(page.fixed, spans=_spans(page.fixed)))
    if page.random is not None:
        parts.append(html_table(page.random, spans=_spans(page.random)))
    if page.lr_test is not None:
        told = "&ensp;".join(f"{_text(f)} = {escape(f.value)}" for f in page.lr_test)
        parts.append(f"<p>LR test vs. linear regression: {told}</p>")
    parts += [f"<p>{escape(note)}</p>" for note in page.notes]
    return _element("div", parts, ' class="xmixed-summary"')


def _spans(table: Table) -> int:
    """How many cells the last heading stands above: an interval's has two."""
    return 1 if table.columns[-1] == "Legend" else 2


def _text(fact: Fact) -> str:
    return escape(fact.label)


def _element(tag: str, parts: Iterable[str], attributes: str = "") -> str:
    return "\n".join([f"<{tag}{attributes}>", *parts, f"</{tag}>"])


def _header(header: Header) -> str:
    facts = [header.n_obs]
    if header.group:
        name, count, *sizes = header.group
        facts += [name, count]
        facts += [Fact(f"Obs per group: {f.label}", f.value) for f in sizes]
    if header.df:
        method, *values = header.df
        facts += [method, *(Fact(f"DF: {f.label}", f.value) for f in values)]
    facts += [*header.wald, header.likelihood]
    rows = [
        f'<tr><th scope="row">{_text(fact)}</th><td>{escape(fact.value)}</td></tr>'
        for fact in facts
    ]
    caption = f"<caption>{escape(header.title)}</caption>"
    return _element("table", [caption, _element("tbody", rows)])


def html_table(table: Table, *, spans: int) -> str:
    """A table whose last heading stands above ``spans`` cells."""
    *single, last = (" ".join(head.split("\n")) for head in table.columns)
    heads = [f'<th scope="col">{escape(c)}</th>' for c in (table.stub, *single)]
    scope = "col" if spans == 1 else "colgroup"
    span = "" if spans == 1 else f' colspan="{spans}"'
    heads.append(f'<th scope="{scope}"{span}>{escape(last)}</th>')
    n_cells = len(single) + spans
    bodies = []
    for section in table.sections:
        rows = []
        if section.title:
            rows.append(
                f'<tr><th scope="rowgroup" colspan="{n_cells + 1}">'
                f"{escape(section.title)}</th></tr>"
            )
        rows += [_row(row, n_cells) for row in section.rows]
        bodies.append(_element("tbody", rows))
    lines = [f"<tr>{''.join(heads)}</tr>"]
    if table.above:
        lines.insert(
            0,
            f'<tr><td colspan="2"></td><th scope="colgroup" colspan="{n_cells - 1}">'
            f"{escape(table.above)}</th></tr>",
        )
    head = _element("thead", lines)
    return _element("table", [head, *bodies])


def _row(row: Row, n_cells: int) -> str:
    cells = [f"<td>{escape(cell)}</td>" for cell in row.cells]
    missing = n_cells - len(cells)
    if missing:
        cells.append(f'<td colspan="{missing}"></td>')
    return f'<tr><th scope="row">{escape(row.name)}</th>{"".join(cells)}</tr>'
