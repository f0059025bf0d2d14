"""How the market is read: indicators, signals, condition, stance, explanation."""
