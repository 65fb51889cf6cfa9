"""What a check found, and all findings together."""

from __future__ import annotations

import textwrap
from dataclasses import asdict, dataclass
from html import escape
from typing import Any

import pandas as pd

__all__ = ["SEVERITIES", "Diagnosis", "Finding"]

#: worst first
SEVERITIES = ("error", "warning", "note")
WIDTH = 79


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong or fragile.

    Attributes
    ----------
    severity : {"error", "warning", "note"}
        Do not use these results; they may mislead; good to know.
    kind : str
        What it is in one word, to filter by.
    where : str
        The term, level or column.
    found : str
        What was found, with numbers.
    meaning : str
        What that means.
    advice : str
        What to do.
    """

    severity: str
    kind: str
    where: str
    found: str
    meaning: str
    advice: str


@dataclass(frozen=True, eq=False)
class Diagnosis:
    """Findings of ``MixedLinearRegressor.diagnose``; prints as text and as HTML.

    Attributes
    ----------
    findings : tuple of Finding
        Worst first; empty where nothing was found.
    checked : tuple of str
        What was looked at.
    model : MixedLinearRegressor or None
        The simplified model, not fitted; None where nothing is to be simplified.
    code : str
        The same as code; empty without.
    """

    findings: tuple[Finding, ...]
    checked: tuple[str, ...]
    model: Any = None
    code: str = ""

    @property
    def kinds(self) -> tuple[str, ...]:
        """Kinds of the findings."""
        return tuple(f.kind for f in self.findings)

    def to_frame(self) -> pd.DataFrame:
        """One row per finding.

        Returns
        -------
        DataFrame
            Columns are the attributes of ``Finding``.
        """
        columns = list(Finding.__dataclass_fields__)
        return pd.DataFrame([asdict(f) for f in self.findings], columns=columns)

    @property
    def _title(self) -> str:
        if not self.findings:
            return "Model check: no findings"
        counts = [(s, sum(f.severity == s for f in self.findings)) for s in SEVERITIES]
        parts = [f"{n} {s}{'s' * (n > 1)}" for s, n in counts if n]
        return f"Model check: {', '.join(parts)}"

    def __str__(self) -> str:
        out = [self._title]
        for number, f in enumerate(self.findings, 1):
            out += ["", f"{number}. {f.severity.upper()}  {f.where}  [{f.kind}]"]
            for head, text in (
                ("Found: ", f.found),
                ("Means: ", f.meaning),
                ("To do: ", f.advice),
            ):
                out += textwrap.wrap(
                    head + text,
                    WIDTH,
                    initial_indent="   ",
                    subsequent_indent="          ",
                    break_long_words=False,
                )
        if self.code:
            out += ["", "Simplified model:", "", self.code]
        out += ["", "Checked:"]
        if self.findings:
            out[-1] += f" {len(self.checked)} things, listed in .checked"
            return "\n".join(out)
        for text in self.checked:
            out += textwrap.wrap(
                text, WIDTH, initial_indent="- ", subsequent_indent="  "
            )
        return "\n".join(out)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        parts = [f"<p><strong>{escape(self._title)}</strong></p>"]
        if self.findings:
            heads = ("", "where", "found", "means", "to do")
            rows = "\n".join(
                "<tr>"
                + "".join(
                    f'<td style="text-align:left;vertical-align:top">{escape(x)}</td>'
                    for x in (f.severity, f.where, f.found, f.meaning, f.advice)
                )
                + "</tr>"
                for f in self.findings
            )
            head = "".join(f'<th scope="col">{h}</th>' for h in heads)
            parts.append(
                f"<table>\n<thead><tr>{head}</tr></thead>\n"
                f"<tbody>\n{rows}\n</tbody>\n</table>"
            )
        if self.code:
            parts.append(f"<p>Simplified model:</p>\n<pre>{escape(self.code)}</pre>")
        items = "".join(f"<li>{escape(x)}</li>" for x in self.checked)
        parts.append(f"<details><summary>Checked</summary><ul>{items}</ul></details>")
        return "\n".join(parts)
