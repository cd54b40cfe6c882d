"""The MCP servers that all agents are offered: what the workspace has and what the owner adds.

``servers`` merges the built-in ones, the configured ones and the owner's (``owned``), asks the
broker which there are, and gives the roster what it writes into each agent's files.
"""
