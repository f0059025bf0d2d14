"""The dashboard: a web page and an API over the journal of one or more bots."""
