"""Markets for the engine: synthetic, replayed, scripted, pushed. All are paths: exact functions of time."""
