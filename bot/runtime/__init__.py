"""One turn and what runs it: cycle, daemon, kill switch, settings, wiring."""
