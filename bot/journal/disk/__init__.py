"""The journal's file on its disk: who may write it, its name and rights, its copy, and the space kept beside it."""
