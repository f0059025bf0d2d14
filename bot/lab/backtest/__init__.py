"""The back-test: the same cycle on a virtual clock over recorded markets."""
