"""Perp positions: hedges, tactical positions, funding, exits, leverage."""
