"""What we look at: the market at one instant, and the value locked in protocols and chains."""
