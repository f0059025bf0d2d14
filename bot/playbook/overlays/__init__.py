"""Positions outside a rotation: standing hedges and directional positions."""
