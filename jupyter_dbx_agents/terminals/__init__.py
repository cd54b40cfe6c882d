"""Terminals: terminado's manager, with a clean environment and an end for every process."""
