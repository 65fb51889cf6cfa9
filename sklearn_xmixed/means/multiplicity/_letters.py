"""Compact letters: means that share a letter do not differ."""

from __future__ import annotations

import numpy as np

__all__ = ["compact_letters"]

Array = np.ndarray
_ALPHABET = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


def compact_letters(estimate: Array, differ: Array) -> list[str]:
    """Letters by insertion and absorption (Piepho 2004).

    Parameters
    ----------
    estimate : ndarray of shape (k,)
        The largest mean has the letter a; nan has none.
    differ : ndarray of bool, shape (k, k)

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_xmixed.means.multiplicity._letters import compact_letters
    >>> differ = np.zeros((3, 3), dtype=bool)
    >>> differ[0, 2] = differ[2, 0] = True
    >>> compact_letters(np.array([1.0, 2.0, 3.0]), differ)
    ['b', 'ab', 'a']
    """
    known = np.flatnonzero(np.isfinite(estimate))
    columns = [frozenset(known.tolist())] if len(known) else []
    for i in known.tolist():
        for j in known[known > i].tolist():
            if not differ[i, j]:
                continue
            split: list[frozenset[int]] = []
            for column in columns:
                both = i in column and j in column
                split += [column - {i}, column - {j}] if both else [column]
            distinct = list(dict.fromkeys(split))
            columns = [c for c in distinct if not any(c < other for other in distinct)]
    rank = np.argsort(np.argsort(-np.where(np.isnan(estimate), -np.inf, estimate)))
    columns.sort(key=lambda c: sorted(rank[i] for i in c))
    letters = [""] * len(estimate)
    for number, column in enumerate(columns):
        turn, place = divmod(number, len(_ALPHABET))
        for i in column:
            letters[i] += _ALPHABET[place] + "'" * turn
    return letters
