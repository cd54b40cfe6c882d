"""Terminals: terminado's manager, with flow control, a clean environment, and replays.

The way of a keystroke and its echo, and of a reconnect:

1. ``terminal_socket``: the websocket parses a ``stdin`` message and calls ``Terminal.type``.
2. ``terminal`` puts it into the ``input_queue``, which writes to the pty; ``flow`` records the key.
3. The echo: ``output`` reads the pty and joins slices into one ``stdout`` message.
4. ``terminal`` appends it to the ``replay``, and the socket sends it; ``flow`` counts what arrived.
5. A client that reconnects gets the ``replay``: older output as drawn by ``screen``, then the rest.

Questions of programs about colours are answered on the way by ``answers``.

``manager`` starts terminals, ``programs`` ends them; ``front_programs``, ``memory`` and ``metrics``
report on them.
"""
