"""What every venue must do, whatever is behind it."""
