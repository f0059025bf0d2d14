"""The settings: their models, where they come from, and how they change while the bot runs."""
