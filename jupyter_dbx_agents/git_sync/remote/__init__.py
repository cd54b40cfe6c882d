"""The copy in the workspace."""
