"""The repository on this machine."""
