"""What the venues' folders share of one account: its writes, its fee rates and the leverage brackets of its perps."""
