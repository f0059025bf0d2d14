"""The table `[series]`: the operator's own drivers as evidence."""
