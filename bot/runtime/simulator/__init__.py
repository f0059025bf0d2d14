"""The embedded exchange as the venue of a run."""
