"""How venues speak: each dialect turns wire requests into engine calls and engine facts into the venue's own words."""
