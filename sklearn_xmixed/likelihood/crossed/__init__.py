"""Factors that cross: exact by blocks, or iterative with random probes."""
