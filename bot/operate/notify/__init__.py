"""Notices through Apprise: an outbox that the journal keeps."""
