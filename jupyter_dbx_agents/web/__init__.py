"""REST operations, uploads, the plain page and events."""
