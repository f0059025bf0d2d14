"""What is compared again while the bot runs: account settings, leverage, restored rotations, holds of the venue."""
