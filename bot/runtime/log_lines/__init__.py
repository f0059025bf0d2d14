"""What log lines say: to a person at a terminal, of a turn, of a run."""
