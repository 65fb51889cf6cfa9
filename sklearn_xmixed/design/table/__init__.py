"""A design over a table that is not in memory: sums of its engine, or whole groups read."""
