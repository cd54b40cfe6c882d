"""Serving endpoints and AI Gateway: scripted models in the four dialects."""
