"""The kill switch: its levels, its flag file, what it does, and how it is released."""
