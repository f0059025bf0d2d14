"""The proof: the same cycle on a virtual clock over recorded markets, its benchmarks, and the report of it."""
