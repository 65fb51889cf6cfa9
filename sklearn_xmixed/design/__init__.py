"""What turns the user's input into numbers: one noun per file.

``_labels`` alone knows data frames; ``_design`` and ``_moments`` are numbers only, which is
what the rooms below the user's terms see.
"""

from ._compile import Compiled, compile_design

__all__ = ["Compiled", "compile_design"]
