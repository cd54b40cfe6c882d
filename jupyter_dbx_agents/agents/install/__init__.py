"""Installs agents: npm and Python packages, pinned by hash, beside running ones.

``startup`` makes each installation a start-up task; ``installer`` builds the agent's recipe, which
``npm`` or ``python_package`` is, in a folder of its own with ``program``; ``links`` point to it.
"""
