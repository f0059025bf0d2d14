"""The start of a run: attempts, reports, and the restricted start that follows a refusal of the account checks."""
