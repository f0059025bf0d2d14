"""What a person reads: queries, rows, tables, explanations."""
