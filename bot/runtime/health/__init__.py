"""The health file of the daemon, and the check that reads it."""
