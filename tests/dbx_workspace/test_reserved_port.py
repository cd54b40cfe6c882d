"""Ports that are reserved until their server listens."""

import socket

import pytest
from tornado.netutil import bind_sockets

from dbx_workspace.server import port_of, reserve_port


def test_only_a_server_that_names_a_reserved_port_gets_it():
    with reserve_port() as reserved:
        address = ("127.0.0.1", port_of(reserved))
        with socket.socket() as other, pytest.raises(OSError, match="in use"):
            other.bind(address)
        for _ in range(2):  # a server may first check that the port is free, as Jupyter does
            (listening,) = bind_sockets(address[1], address[0])
            with listening, socket.create_connection(address, 10) as client:
                assert client.getpeername() == address
