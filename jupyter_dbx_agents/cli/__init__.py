"""The commands of ``jupyter dbx-agents``."""
