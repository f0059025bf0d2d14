"""The verbs of `sectorbot`."""
