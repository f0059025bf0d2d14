"""The numbers and names that a decision is made with."""
