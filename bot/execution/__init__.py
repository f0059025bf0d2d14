"""Order placement and reconciliation: each order is sent once and journaled (DESIGN §4–5)."""
