"""Ports of the host that lead to a machine, with real packets: the host in one namespace, the machine in another."""

import contextlib
import dataclasses
import ipaddress
import pathlib
import socket
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from netplugin import claims, exposure, firewall
from tests.netplugin.conftest import NETWORK

BRIDGE_SETTING = pathlib.Path("/proc/sys/net/ipv4/conf/br0/route_localnet")
WAY = exposure.Way(
    exposure=exposure.Exposure(
        network_id=NETWORK.id,
        name="web",
        endpoint_id=None,
        transport=exposure.Transport.TCP,
        host=None,
        host_port=8080,
        port=80,
    ),
    address=ipaddress.IPv4Address("172.31.0.2"),
)
# Tells whoever asks, by TCP and by UDP, the address under which it is seen.
SERVER = """
import socket, threading
stream, datagram = socket.create_server(("", 80)), socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
datagram.bind(("", 53))
def tell():
    while True:
        _, who = datagram.recvfrom(9)
        datagram.sendto(who[0].encode(), who)
threading.Thread(target=tell, daemon=True).start()
print("up", flush=True)
while True:
    connection, who = stream.accept()
    connection.sendall(who[0].encode())
    connection.close()
"""


def changed(**fields: object) -> exposure.Way:
    return dataclasses.replace(WAY, exposure=dataclasses.replace(WAY.exposure, **fields))  # type: ignore[arg-type]


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)


@pytest.fixture
def machine(other_namespace: str) -> Iterator[None]:
    """Plug a machine into a bridge, with a server on 80/tcp and 53/udp."""
    ip("link", "set", "lo", "up")
    ip("link", "add", "br0", "type", "bridge")
    ip("address", "add", "172.31.0.1/24", "dev", "br0")
    ip("link", "add", "fh0", "type", "veth", "peer", "name", "eth0", "netns", other_namespace)
    ip("link", "set", "fh0", "master", "br0", "up")
    ip("link", "set", "br0", "up")
    ip("-n", other_namespace, "address", "add", "172.31.0.2/24", "dev", "eth0")
    ip("-n", other_namespace, "link", "set", "eth0", "up")
    ip("-n", other_namespace, "route", "add", "default", "via", "172.31.0.1")
    enter = ["nsenter", f"--net=/run/netns/{other_namespace}", sys.executable, "-c", SERVER]
    with subprocess.Popen(enter, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        assert server.stdout.readline() == "up\n"
        yield
        server.kill()


def seen(address: str, port: int, kind: socket.SocketKind = socket.SOCK_STREAM) -> str | None:
    """Return what the server tells, None where nobody answers."""
    with socket.socket(socket.AF_INET, kind) as asker:
        asker.settimeout(5)
        try:
            asker.connect((address, port))
            asker.sendall(b"?")
            return asker.recv(64).decode()
        except (ConnectionRefusedError, TimeoutError):
            return None


@pytest.mark.usefixtures("machine")
def test_they_lead_there_from_the_host_s_own_addresses_and_nowhere_once_they_are_gone() -> None:
    ways = (changed(host_port=53, port=53, transport=exposure.Transport.UDP), WAY)
    firewall.ensure(NETWORK, ways)
    assert firewall.missing(NETWORK, ways) == ()
    assert seen("127.0.0.1", 8080) == "172.31.0.1"
    assert seen("172.31.0.1", 8080) == "172.31.0.1"
    assert seen("127.0.0.1", 53, socket.SOCK_DGRAM) == "172.31.0.1"
    firewall.ensure(NETWORK)
    assert firewall.missing(NETWORK) == ()
    assert (seen("127.0.0.1", 8080), BRIDGE_SETTING.read_text()) == (None, "0\n")


@pytest.mark.usefixtures("machine")
def test_one_of_an_address_is_of_no_other() -> None:
    firewall.ensure(NETWORK, (changed(host=ipaddress.IPv4Address("127.0.0.1")),))
    assert seen("127.0.0.1", 8080) == "172.31.0.1"
    assert seen("172.31.0.1", 8080) is None


@pytest.mark.usefixtures("machine")
def test_the_host_s_loopback_is_not_opened_to_machines(other_namespace: str) -> None:
    """What CVE-2020-8558 was: route_localnet alone lets neighbours speak with services on 127.0.0.1."""
    firewall.ensure(NETWORK, (WAY,))
    assert BRIDGE_SETTING.read_text() == "1\n"
    ip("-n", other_namespace, "route", "add", "127.0.0.9/32", "via", "172.31.0.1", "dev", "eth0", "table", "7")
    ip("-n", other_namespace, "rule", "add", "pref", "0", "to", "127.0.0.9", "lookup", "7")
    ask = ["nsenter", f"--net=/run/netns/{other_namespace}", "sh", "-c"]
    subprocess.run([*ask, "echo 1 >/proc/sys/net/ipv4/conf/eth0/route_localnet"], check=True)
    heard = list[str]()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as service:
        service.bind(("127.0.0.9", 9))
        service.settimeout(0.5)
        send = "import socket; s = socket.socket(2, 2); s.sendto(b'!', ('127.0.0.9', 9))"
        subprocess.run([*ask[:2], sys.executable, "-c", send], check=True)
        with contextlib.suppress(TimeoutError):
            heard.append(str(service.recv(9)))
    listed = subprocess.check_output(["nft", "list", "table", "ip", "fullhost-1f1f1f1f1f1f"], text=True)
    assert heard == []
    assert 'iifname != "lo" ip daddr 127.0.0.0/8 counter packets 1 ' in listed


@pytest.mark.usefixtures("machine")
def test_a_bridge_that_stays_is_left_as_it_was() -> None:
    for _ in range(2):
        firewall.ensure(NETWORK, (WAY,))
        firewall.delete(NETWORK.id)
        assert BRIDGE_SETTING.read_text() == "0\n"
    firewall.delete(NETWORK.id)


@pytest.mark.usefixtures("machine")
def test_a_setting_or_a_table_that_others_changed_is_put_back() -> None:
    firewall.ensure(NETWORK, (WAY,))
    BRIDGE_SETTING.write_text("0")
    assert firewall.missing(NETWORK, (WAY,))
    firewall.ensure(NETWORK, (WAY,))
    assert BRIDGE_SETTING.read_text() == "1\n"
    subprocess.run(["nft", "flush", "chain", "ip", "fullhost-1f1f1f1f1f1f", "published"], check=True)
    assert firewall.missing(NETWORK, (WAY,))
    firewall.ensure(NETWORK, (WAY,))
    assert seen("127.0.0.1", 8080) == "172.31.0.1"


@pytest.mark.usefixtures("machine")
def test_a_thousand_ports_are_one_rule_and_written_quickly_enough_for_a_call() -> None:
    ways = tuple(changed(host_port=20000 + n, port=80) for n in range(1000))
    began = time.monotonic()
    firewall.ensure(NETWORK, ways)
    assert time.monotonic() - began < 2.7  # the budget of a call
    assert seen("127.0.0.1", 20999) == "172.31.0.1"


@pytest.mark.usefixtures("namespace")
class TestClaims:
    """The host's own ports, each held by a socket."""

    def test_a_port_in_use_is_told_and_one_that_is_held_is_nobody_else_s(self) -> None:
        ip("link", "set", "lo", "up")
        held = claims.Claims()
        with socket.create_server(("127.0.0.1", 8080)):
            assert held.in_use(WAY.exposure) == "the host cannot give port 8080: Address already in use"
        assert held.in_use(WAY.exposure) is None
        assert held.in_use(WAY.exposure) is None
        with pytest.raises(OSError, match="Address already in use"):
            socket.create_server(("127.0.0.1", 8080))
        assert held.keep([]) == ()
        socket.create_server(("127.0.0.1", 8080)).close()

    def test_of_udp_too_and_of_one_address(self) -> None:
        ip("link", "set", "lo", "up")
        held, udp = claims.Claims(), changed(transport=exposure.Transport.UDP).exposure
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
            other.bind(("", 8080))
            assert str(held.in_use(udp)).endswith("Address already in use")
        elsewhere = changed(host=ipaddress.IPv4Address("192.0.2.9")).exposure
        assert str(held.in_use(elsewhere)).endswith("Cannot assign requested address")
        assert held.in_use(changed(transport=exposure.Transport.SCTP).exposure) is None
        held.keep([])

    def test_what_is_lost_at_a_restart_is_held_again(self) -> None:
        ip("link", "set", "lo", "up")
        exposures = [changed(host_port=9000 + n).exposure for n in range(claims.HELD + 9)]
        held = claims.Claims()
        assert held.keep(exposures) == ()
        assert held.keep(exposures) == ()
        with pytest.raises(OSError, match="Address already in use"):
            socket.create_server(("", 9000))
        held.keep([])
