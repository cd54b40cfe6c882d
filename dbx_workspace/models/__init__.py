"""Serving endpoints and AI Gateway: ``handlers`` is the API, ``catalog`` lists what is served.

``anthropic``, ``chat``, ``gemini`` and ``responses`` translate between a dialect and the one model,
which is ``script``.  ``rules`` has what is refused.
"""
