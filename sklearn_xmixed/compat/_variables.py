"""Variables of a formula: formulaic before 1.2.2 stumbles over Python's own words.

Columns are often called ``yield``.  Its matrices are right; only the list of the
variables fails, with a SyntaxError.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

__all__ = ["variables_used"]


def variables_used(formula: Any, text: str, names: Iterable[str]) -> list[str]:
    """Names of the data that a formula uses, in the data's order.

    Parameters
    ----------
    formula : formulaic.Formula or formulaic.ModelSpec
    text : str
        The same as a text.
    names : iterable of str
        Columns of the data.
    """
    try:
        required = set(formula.required_variables)
    except SyntaxError:
        return [n for n in names if re.search(rf"(?<!\w){re.escape(n)}(?!\w)", text)]
    return [name for name in names if name in required]
