"""One exchange, pure and synchronous: accounts, matching, margin, funding, liquidation; one truth for all dialects."""
