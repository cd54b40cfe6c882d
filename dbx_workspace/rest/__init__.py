"""The other REST APIs: each ``*_handlers`` and ``accounts`` has operations on the store beside it.

The stores are ``files``, ``mlflow`` and ``tokens``; they use no HTTP.
"""
