"""``python -m sklearn_xmixed``."""

from .languages._commandline import main

__all__ = ["main"]

if __name__ == "__main__":
    raise SystemExit(main())
