"""Two venues as one: spot at the first, perps at the second."""
