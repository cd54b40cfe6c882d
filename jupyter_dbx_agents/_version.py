"""The version; the only place in Python that states it."""

__version__ = "0.2.0.dev0"
