"""sectorbot: spot and perpetual positions rotated between two token sectors."""

__version__ = "0.1.0"
