"""Git hooks in the user's repositories and git configuration."""
