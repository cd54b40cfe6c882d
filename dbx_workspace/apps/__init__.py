"""The Apps service: ``handlers`` is its API, ``service`` the life cycle of apps and deployments.

``source`` reads what is deployed; ``records`` are the apps and deployments themselves.
"""
