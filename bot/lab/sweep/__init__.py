"""The walk-forward search over settings."""
