# what type checkers cannot see: __init__.py gives the room this name
from .languages.translation import (
    Translation,
    to_lme4,
    to_nlme,
    to_sas,
)

__all__ = [
    "Translation",
    "to_lme4",
    "to_nlme",
    "to_sas",
]
