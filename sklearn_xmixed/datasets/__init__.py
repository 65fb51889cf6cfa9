"""Data sets: small published ones, the manual's own, and simulated ones.

* ``load_*`` read tables that are part of the package.
* `fetch_xtmixed_data` gets the data sets of the Stata manual's worked examples.
* `make_xtmixed_data` simulates stand-ins for them.
* `make_multilevel` simulates nested data of any depth and keeps the truth.
"""

from ._bundled import (
    load_orthodont,
    load_ovary,
    load_pastes,
    load_penicillin,
    load_productivity,
    load_sleepstudy,
)
from ._fetch import fetch_xtmixed_data
from ._simulate import make_multilevel
from ._standins import make_xtmixed_data
from ._trials import load_bioequivalence_full, load_bioequivalence_partial, load_fev

__all__ = [
    "fetch_xtmixed_data",
    "load_bioequivalence_full",
    "load_bioequivalence_partial",
    "load_fev",
    "load_orthodont",
    "load_ovary",
    "load_pastes",
    "load_penicillin",
    "load_productivity",
    "load_sleepstudy",
    "make_multilevel",
    "make_xtmixed_data",
]
