"""What things are: frozen values and tables. Imports nothing of ours."""
