"""The same model in other programs' languages."""

from ._lme4 import to_lme4
from ._nlme import to_nlme
from ._sas import to_sas
from ._translation import Translation

__all__ = ["Translation", "to_lme4", "to_nlme", "to_sas"]
