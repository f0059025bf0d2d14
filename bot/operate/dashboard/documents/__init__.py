"""What the pages and the API show, made from the journal."""
