"""``python -m sklearn_xmixed``."""

from .languages.command_line import main

__all__ = ["main"]

if __name__ == "__main__":
    raise SystemExit(main())
