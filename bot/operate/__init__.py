"""What informs an operator of a running bot; nothing here is part of a decision."""
