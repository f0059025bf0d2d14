"""Profit and loss from the journal: by period, sleeve, campaign and token; equity over time; export."""
