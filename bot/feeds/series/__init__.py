"""Series that the operator has set up: their text, where it comes from, and those of DefiLlama by a short name."""
