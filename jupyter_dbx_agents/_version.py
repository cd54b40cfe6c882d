"""The version; the only place in Python that states it."""

__version__ = "0.1.0"
