"""Remember: the journal, its schema, writer, readers, lease, proof and backup."""
