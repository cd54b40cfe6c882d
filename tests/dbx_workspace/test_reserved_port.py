"""A port that is kept for a server until that listens."""

import socket

import pytest
from tornado.netutil import bind_sockets

from dbx_workspace.server import port_of, reserve_port


def test_a_reserved_port_is_for_a_server_that_asks_for_it_by_number_and_for_nobody_else():
    with reserve_port() as reserved:
        address = ("127.0.0.1", port_of(reserved))
        with socket.socket() as other, pytest.raises(OSError, match="in use"):
            other.bind(address)
        for _ in range(2):  # a server may look first whether it is free, as Jupyter does
            (listening,) = bind_sockets(address[1], address[0])
            with listening, socket.create_connection(address, 10) as client:
                assert client.getpeername() == address
