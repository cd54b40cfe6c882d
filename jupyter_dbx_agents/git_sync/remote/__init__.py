"""The copy in the workspace: files, and the marker and archive beside them."""
