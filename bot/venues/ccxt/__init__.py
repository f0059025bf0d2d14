"""What every venue behind ccxt has in common."""
