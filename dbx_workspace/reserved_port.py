"""A port for a server that is about to be started in a process of its own."""

from __future__ import annotations

import socket


def reserve_port() -> socket.socket:
    """Return a socket whose loopback port nobody else is given until it is closed.

    It is bound and never listens.  Linux gives its port to nobody who asks for any, to listen or to
    connect from, but lets a server that asks for it by number listen there: both set SO_REUSEADDR
    (socket(7)), as tornado does.
    """
    reserved = socket.socket()
    reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    reserved.bind(("127.0.0.1", 0))
    return reserved


def port_of(reserved: socket.socket) -> int:
    """Return the number of a reserved port."""
    return int(reserved.getsockname()[1])
