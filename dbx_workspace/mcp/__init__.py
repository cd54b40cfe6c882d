"""The workspace's MCP servers: SQL, Genie, functions and web search over a small sample catalog.

A request's way: ``handlers`` authenticates it like any other, finds the server by its path and the
client's session in ``state``; a tool of ``sql``, ``genie``, ``functions`` or ``web_search`` runs,
the first two on the ``engine``, which executes real SQL; the answer is a stream of events.  The
control API changes what ``state`` has: the servers that there are, and their faults.

Sources: docs.databricks.com ``agents/mcp-tools`` (September 2026), and reports of real servers of
August and September 2026 for names of tools, arguments and results.
"""
