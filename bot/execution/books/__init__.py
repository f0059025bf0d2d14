"""The books: what the account should hold by the journal since both last agreed."""
