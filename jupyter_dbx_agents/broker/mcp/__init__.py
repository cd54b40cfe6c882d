"""MCP through the broker: ``/mcp/{server}``, streamable HTTP, to the workspace's own MCP servers.

An agent's call: ``handler`` checks it as a model call is checked, and reads one message
(``messages``); what the broker can answer itself it answers at once (``sessions``, ``catalog``);
anything else goes through ``forwarding`` in a session that ``upstream_session`` opened at the
workspace with the current PAT, and the answer's events (``events``) stream back.
``paths`` has the list of what may be reached; ``web_search`` is a server of the broker's own.

Decided, by what five agents were measured to do with a proxy
- ``initialize`` and ``tools/list`` are answered at once from a cache that is refreshed: agents wait
  for neither for long, ask once, and one bad answer loses the server for the whole session.
- The session ids are ours.  The workspace's sessions begin, end and are replaced behind them, since
  one agent in five never begins another one.
- No status of the workspace reaches a call.  Two agents hang on a 401 or a 503; a JSON-RPC error in
  a 200 is shown by all.
- The GET stream is held open, whether the workspace has one or not.
- The protocol's versions with ``initialize`` are spoken.  ``server/discover`` of the later ones is
  refused as they prescribe, and clients fall back.
- Written by hand and not on the ``mcp`` package: that is made of ASGI applications and anyio
  streams, parses each message into models (so a result of 100 MB is held four times), has no
  place for a token that changes between a refusal and the replay, and takes 0.9 s to import.

Invariants; ``tests/broker/mcp`` has a test of nearly the same name for each
- Only listed paths of the workspace's own host are reached; redirects are not followed.
- A call that may change something is never sent twice once it may have begun.
- A cut answer never looks complete.
- Whatever the workspace does, a call gets an answer within a bounded time.
"""
