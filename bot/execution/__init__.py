"""Do it once, and remember: journal, reconciliation, order placement (DESIGN §4–5)."""
