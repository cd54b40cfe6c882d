"""The private way from a command in a terminal to the server: a unix socket.

Not over the public port: a command there would have to forge the proxy's headers.  A unix socket
in a folder of mode 0700 cannot be reached from a browser, another machine or another user, and
the peer's user is checked once more by the kernel's word (``SO_PEERCRED``).
"""

SOCKET_VARIABLE = "JUPYTER_DBX_AGENTS_SOCKET"
