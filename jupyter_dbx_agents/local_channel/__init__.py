"""The private channel from a command in a terminal to the server: a unix socket.

A call's way: a terminal's environment names the socket → ``client.call`` with a path of ``paths`` →
``server``, which refuses other users → the handler of ``web/rest`` → the table of operations.
``command`` writes the ``jupyter dbx-agents`` that terminals have on their ``PATH``.

Not over the public port: a command there would have to forge the proxy's headers.  A unix socket
in a folder of mode 0700 cannot be reached from a browser, another machine or another user, and the
kernel is asked for the peer's user as well (``SO_PEERCRED``).
"""

SOCKET_VARIABLE = "JUPYTER_DBX_AGENTS_SOCKET"
