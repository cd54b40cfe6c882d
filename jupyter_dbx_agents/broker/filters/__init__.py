"""Corrections of agents' requests, so that the gateway accepts them, and of its answers.

``request`` parses a request and applies those corrections of ``chat`` and ``tools`` that its agent
and dialect need; ``events`` applies theirs to the answer's stream.  ``json_steps`` has what they
share.
"""
