"""Streams of a running bot: what they say makes a guard look sooner, and fresh ones let it look less often."""
