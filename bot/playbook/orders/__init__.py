"""From legs to intents: sizes, prices, timing; and the way out of everything."""
