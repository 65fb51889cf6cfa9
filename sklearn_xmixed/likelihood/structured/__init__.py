"""Nested levels with structured residuals: a tree of whitened rows at every psi."""
