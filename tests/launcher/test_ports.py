"""Which port DNS gets: sockets of the kernel, on loopback addresses that nobody uses."""

import contextlib
import ipaddress
import os
import socket
from collections.abc import Iterator

import pytest

from launcher import ports

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="port 53 is for root alone")

ADDRESS = ipaddress.IPv4Address("127.31.0.1")
ABSENT = ipaddress.IPv4Address("198.51.100.77")  # RFC 5737: on no interface, as the bridge's before it is made


@contextlib.contextmanager
def server(address: ipaddress.IPv4Address, kind: socket.SocketKind, port: int = 53) -> Iterator[None]:
    with socket.socket(socket.AF_INET, kind) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listening.bind((str(address), port))
        if kind == socket.SOCK_STREAM:
            listening.listen()
        yield


@pytest.mark.parametrize("address", [ADDRESS, ABSENT])
def test_53_where_it_is_free(address: ipaddress.IPv4Address) -> None:
    assert ports.free(address) == 53


@pytest.mark.parametrize("kind", [socket.SOCK_DGRAM, socket.SOCK_STREAM])
def test_another_port_where_a_server_has_53_even_one_that_would_share_it(kind: socket.SocketKind) -> None:
    with server(ADDRESS, kind), server(ADDRESS, kind, 1053):
        assert ports.free(ADDRESS) == 1054


def test_a_resolver_on_loopback_alone_does_not_claim_the_bridge() -> None:
    with server(ADDRESS, socket.SOCK_DGRAM):
        assert ports.beside_other_servers(ABSENT) == 53
