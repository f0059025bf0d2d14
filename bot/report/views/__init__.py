"""What an operator reads, one subject per module: its rows as plain mappings, and the table that draws them.

Pure functions. Amounts are text with all of their digits, quote values end in `_quote`, shares are fractions, times are
UTC ms. `--json` prints the rows as they are.
"""
