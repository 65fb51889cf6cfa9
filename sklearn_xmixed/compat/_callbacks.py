"""scikit-learn's callbacks, which came with 1.9 and are still experimental.

Where they are missing nobody can set one, and a fit is watched through ``verbose``.
"""

from __future__ import annotations

from typing import Any

import sklearn

__all__ = ["HAS_CALLBACKS", "CallbackSupportMixin", "with_callbacks"]

try:
    from sklearn.callback import CallbackSupportMixin, with_callbacks

    HAS_CALLBACKS = True
except ImportError:
    from functools import wraps

    HAS_CALLBACKS = False

    class CallbackSupportMixin:  # type: ignore[no-redef]
        """Says why there is no ``set_callbacks``."""

        @property
        def set_callbacks(self) -> Any:
            """Not there: ``hasattr`` is False, and asking for it tells the reason."""
            raise AttributeError(
                "set_callbacks needs scikit-learn 1.9 or newer, found "
                f"{sklearn.__version__}. Upgrade scikit-learn, or watch the iterations "
                "with verbose=1 (verbose=2 shows those of EM too)."
            )

    def with_callbacks(method: Any) -> Any:
        """The method as it is; one call deeper, as in 1.9, for the place of warnings."""

        @wraps(method)
        def called(estimator: Any, *args: Any, **kwargs: Any) -> Any:
            return method(estimator, *args, **kwargs)

        return called
