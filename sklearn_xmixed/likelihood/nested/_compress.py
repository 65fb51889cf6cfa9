"""Groups with the same design share one factor.

With R the same, groups enter the likelihood only through the sum of vec(C)
vec(C)'; a few stand-ins with the same sum replace any number of them.  A
random intercept then costs as many factorisations as there are distinct group sizes.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy import sparse

from ._tree import Floor, Shard, Shards

__all__ = ["compress", "design_classes", "worth_merging"]

Array = np.ndarray

#: groups that are looked at to guess whether designs repeat
SAMPLE = 512
#: more distinct designs than this are not merged
MAX_DESIGNS = 1024
#: numbers on the lowest floor below which a sweep costs its calls, not its arithmetic
SMALL = 1 << 14


def compress(shards: Shards) -> Shards:
    """The same likelihood with fewer nodes on the lowest floor, where it pays."""
    return tuple(_compress_shard(s) for s in shards)


def worth_merging(shards: Shards) -> Shards:
    """The same, unless there is so little that it does not pay."""
    size = sum(shard.floors[0].block.size for shard in shards)
    return compress(shards) if size > SMALL else shards


def _compress_shard(shard: Shard) -> Shard:
    lowest = _absorb(shard.floors[0])
    unmerged = Shard((lowest, *shard.floors[1:]))  # without weights sweeps are faster
    classes = design_classes(lowest)
    if classes is None:
        return unmerged
    order, starts = classes
    q, width, G = lowest.block.shape
    r = width - q
    ends = np.append(starts[1:], G)
    sizes = ends - starts
    made = np.minimum(sizes, q * r)
    if made.sum() > 0.7 * G:
        return unmerged
    at = np.concatenate([[0], np.cumsum(made)])
    block = np.empty((q, width, int(at[-1])))
    count = np.empty(int(at[-1]))
    first = np.empty(int(at[-1]), dtype=np.intp)
    one = len(starts) == 1  # all alike: nothing to sort
    sorted_block = lowest.block if one else lowest.block[:, :, order]
    sorted_count = lowest.count if one else lowest.count[order]
    for k, (a, b) in enumerate(zip(starts, ends, strict=True)):
        here = slice(at[k], at[k + 1])
        C = sorted_block[:, q:, a:b].reshape(q * r, b - a)
        if b - a > q * r:
            values, vectors = np.linalg.eigh(C @ C.T)
            C = vectors * np.sqrt(values.clip(0.0))
        block[:, :q, here] = sorted_block[:, :q, a : a + 1]
        block[:, q:, here] = C.reshape(q, r, -1)
        count[here] = sorted_count[a:b].sum() / made[k]
        first[here] = order[a]
    ancestors = tuple(a[first] for a in lowest.ancestors)
    merged = replace(
        lowest,
        block=block,
        count=count,
        shares=tuple(None if s is None else s[first] for s in lowest.shares),
        ancestors=ancestors,
        starts=tuple(
            np.flatnonzero(np.append(True, a[1:] != a[:-1])) for a in ancestors
        ),
    )
    return Shard((merged, *shard.floors[1:]))


def _absorb(floor: Floor) -> Floor:
    """The same with the groups' own weights put into C, whose square counts.

    What is left of the shares depends on the ancestors alone.
    """
    own = floor.shares[0]
    if own is None:
        return floor
    block = floor.block.copy()
    block[:, floor.q :] *= np.sqrt(own)
    shares = tuple(None if s is own else s / own for s in floor.shares)
    return replace(floor, block=block, shares=shares)


def design_classes(floor: Floor) -> tuple[Array, Array] | None:
    """Groups ordered by (ancestor, design), and where each run begins."""
    q, _, G = floor.block.shape
    if G < 4:
        return None
    upper = np.triu_indices(q)
    keys = floor.block[:, :q][upper]  # (q (q + 1) / 2, G)
    sample = keys[:, :: max(1, G // SAMPLE)]
    if np.unique(sample, axis=1).shape[1] > 0.5 * sample.shape[1] and G > 2 * SAMPLE:
        return None
    # equal designs differ by rounding only when their sums were formed apart
    parts = [] if not floor.ancestors else [floor.ancestors[0]]
    for row in keys:
        low, high = row.min(), row.max()
        scale = max(abs(low), abs(high))
        if high - low > 1e-13 * scale:
            parts.append(np.unique(np.round(row / scale, 13), return_inverse=True)[1])
    if not parts:
        return np.arange(G), np.zeros(1, dtype=np.intp)
    code = parts[0].astype(np.int64)
    for part in parts[1:]:
        code = np.unique(code * (int(part.max()) + 1) + part, return_inverse=True)[1]
    n_designs = int(code.max()) + 1
    if n_designs > min(MAX_DESIGNS, G):
        return None
    rows = sparse.csr_array(
        (np.ones(G, dtype=np.int8), code, np.arange(G + 1)), shape=(G, n_designs)
    ).tocsc()
    return rows.indices, rows.indptr[:-1]
