"""Trading rules: pure functions from snapshot, account and memory to intents and notes."""
