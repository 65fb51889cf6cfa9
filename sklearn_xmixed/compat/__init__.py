"""What older libraries lack, or systems call otherwise: one file for each, with its reason.

Everybody else imports from here and asks for no version.
"""

from ._callbacks import HAS_CALLBACKS, CallbackSupportMixin
from ._categories import with_categories
from ._decorators import available_if, with_callbacks
from ._memory import available_memory
from ._sobol import sobol
from ._variables import variables_used

__all__ = [
    "HAS_CALLBACKS",
    "CallbackSupportMixin",
    "available_if",
    "available_memory",
    "sobol",
    "variables_used",
    "with_callbacks",
    "with_categories",
]
