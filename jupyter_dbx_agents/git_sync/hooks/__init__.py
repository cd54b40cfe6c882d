"""Git hooks and settings that git sync adds as a guest."""
