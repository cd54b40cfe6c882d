"""Installs agents: npm and Python packages, pinned by hash, beside running ones."""
