"""The site of `docs/`: its build, its commands, its printed output and its pictures."""
