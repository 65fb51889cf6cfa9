"""Nested levels with independent residuals: the elimination tree."""
