"""A rotation: campaign, tranche, progress, renamed tokens."""
