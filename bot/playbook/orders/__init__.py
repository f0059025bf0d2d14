"""From legs to intents: sizes, prices, timing; and flattening."""
