"""Demo, back-test, sweep and recorded data."""
