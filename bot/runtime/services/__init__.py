"""Services of a running bot: tasks beside its turns."""
