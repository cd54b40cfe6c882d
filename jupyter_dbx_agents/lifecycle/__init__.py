"""What surrounds Jupyter's own start and stop."""
