"""A design over rows that come batch by batch, whose sums are kept."""
