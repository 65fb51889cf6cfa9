"""What older libraries lack or call otherwise: one file for each, with its reason.

Everybody else imports from here and asks for no version.
"""

from ._callbacks import HAS_CALLBACKS, CallbackSupportMixin, with_callbacks

__all__ = ["HAS_CALLBACKS", "CallbackSupportMixin", "with_callbacks"]
