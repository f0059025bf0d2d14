"""Who may enter, and what every request passes."""
