"""A turn as the journal keeps it: what it reads and what it decides."""
