"""What we want: pure functions from what is seen and remembered to bounded wishes and notes."""
