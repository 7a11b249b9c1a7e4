"""The DHCP client on a bridge's segment, beside a machine that lives there, against real dnsmasq and real Kea."""

import dataclasses
import ipaddress
import json
import pathlib
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator

import pytest

from netplugin import binding, dhcp, links, model, naming, segment
from tests.lab import lessor
from tests.netplugin.conftest import ENDPOINT, NETWORK

ADDRESS = ipaddress.IPv4Address
LAN = dataclasses.replace(
    NETWORK,
    subnet=ipaddress.IPv4Network("192.0.2.0/24"),
    gateway=ADDRESS("192.0.2.1"),
    address=ADDRESS("192.0.2.10"),
    snat=False,
    range=ipaddress.IPv4Network("192.0.2.192/26"),
    unlisted=model.Unlisted.DHCP,
)
MAC, PAIR = naming.client_mac("h1", LAN, "scratch"), naming.client(LAN.id, "scratch")
SERVER = ADDRESS("192.0.2.1")
Serve = Callable[[list[str]], "subprocess.Popen[bytes]"]


def ip(*words: str) -> str:
    return subprocess.run(["ip", *words], check=True, capture_output=True, text=True).stdout


@pytest.fixture
def server(namespace: str, other_namespace: str) -> Iterator[str]:
    """Give the namespace of a server that is plugged into the host's bridge as a LAN would be."""
    ip("link", "set", "lo", "up")
    links.ensure_bridge(LAN)
    ip("link", "add", "lan0", "type", "veth", "peer", "name", "eth0", "netns", other_namespace)
    ip("link", "set", "lan0", "master", LAN.bridge, "up")
    ip("-n", other_namespace, "address", "add", f"{SERVER}/24", "dev", "eth0")
    for link in ("lo", "eth0"):
        ip("-n", other_namespace, "link", "set", link, "up")
    yield other_namespace
    assert segment.plugged() == (), "a client's interface is gone when it has asked"


@pytest.fixture
def serve(server: str, tmp_path: pathlib.Path) -> Iterator[Serve]:
    """Run servers in their namespace, until the test is over; a server is there once its socket is."""
    running = []

    def start(command: list[str]) -> "subprocess.Popen[bytes]":
        with (tmp_path / "server.log").open("ab") as log:
            enter = ["ip", "netns", "exec", server]
            running.append(process := subprocess.Popen([*enter, *command], stdout=log, stderr=log))
        end = time.monotonic() + 20
        while ":67 " not in subprocess.run([*enter, "ss", "-Hlun"], check=True, capture_output=True, text=True).stdout:
            assert process.poll() is None, (tmp_path / "server.log").read_text()
            assert time.monotonic() < end
            time.sleep(0.02)
        return process

    yield start
    for process in running:
        process.terminate()
        process.wait(10)


@pytest.fixture
def pool(tmp_path: pathlib.Path) -> lessor.Lessor:
    return lessor.Lessor(folder=tmp_path / "server", interface="eth0", first="192.0.2.50", last="192.0.2.60")


def ask(wish: binding.Address | None = None, *, seconds: float = 15.0) -> binding.Lease | None:
    segment.plug(PAIR, LAN, mac=MAC)
    try:
        return dhcp.ask(PAIR.peer, "scratch", wish=wish, seconds=seconds)
    finally:
        segment.unplug(PAIR.host)


def give_back(address: binding.Address) -> bool:
    segment.plug(PAIR, LAN, mac=MAC, address=address)
    try:
        return dhcp.release(PAIR.peer, "scratch", address, seconds=3)
    finally:
        segment.unplug(PAIR.host)


def settle_in(address: binding.Address, space: str) -> model.Veth:
    """Have a machine live at an address, in a sandbox, as the engine and the driver do it."""
    veth = naming.veth(ENDPOINT.id)
    links.create_veth(veth, LAN)
    ip("link", "set", veth.peer, "netns", space, "address", naming.mac(address))
    ip("-n", space, "address", "add", f"{address}/24", "dev", veth.peer)
    ip("-n", space, "link", "set", veth.peer, "up")
    return veth


def test_a_name_is_leased_an_address_renewed_and_given_back(serve: Serve, pool: lessor.Lessor) -> None:
    """With the look of 3 s that dnsmasq takes before it offers an address for the first time."""
    serve(pool.dnsmasq())
    first = ask()
    assert first is not None
    assert (first.server, first.seconds) == (SERVER, lessor.SHORTEST)
    assert pool.leases == {str(first.address): (MAC, "scratch")}
    assert ask(first.address) == first
    assert ask() == first
    assert give_back(first.address)
    assert pool.leases == {}
    other = ADDRESS("192.0.2.60" if str(first.address) != "192.0.2.60" else "192.0.2.50")
    assert ask(other) == dataclasses.replace(first, address=other), "the wished address, if it is free"


@pytest.mark.parametrize("kind", ["dnsmasq", "kea"])
def test_a_machine_that_lives_at_the_address_misses_nothing_while_it_is_renewed(
    serve: Serve, pool: lessor.Lessor, server: str, machine: str, kind: str
) -> None:
    """Kea answers to the hardware address that asks, whatever that asks for: it may not be the machine's."""
    serve(pool.kea() if kind == "kea" else pool.dnsmasq("--no-ping"))
    first = ask()
    assert first is not None
    veth = settle_in(first.address, machine)
    pings = ["ip", "netns", "exec", server, "ping", "-q", "-i", "0.01", "-c", "150", str(first.address)]
    with subprocess.Popen(pings, stdout=subprocess.PIPE, text=True) as pinging:
        for _ in range(3):
            assert ask(first.address) == first
        told = pinging.communicate(timeout=30)[0]
    assert " 0% packet loss" in told, told
    assert naming.mac(first.address) in ip("-n", server, "neighbour", "show", str(first.address))
    links.delete_link(veth.host)


def test_kea_takes_a_lease_back(serve: Serve, pool: lessor.Lessor) -> None:
    serve(dataclasses.replace(pool, last=pool.first).kea())
    first = ask()
    assert first is not None
    assert give_back(first.address)
    segment.plug(PAIR, LAN, mac="02:68:00:00:00:01")
    try:
        other = dhcp.ask(PAIR.peer, "other", wish=None, seconds=3)
    finally:
        segment.unplug(PAIR.host)
    assert other is not None
    assert other.address == first.address, "it is free for another name"


def test_silence_is_told_in_time(server: str) -> None:
    began = time.monotonic()
    assert ask(seconds=1.0) is None
    assert not give_back(ADDRESS("192.0.2.50"))
    assert time.monotonic() - began < 10


def test_what_a_server_says_is_no_word_of_a_command(serve: Serve, pool: lessor.Lessor) -> None:
    with tempfile.TemporaryDirectory(prefix="fh") as folder:  # an option has 255 octets, tmp_path may have a hundred
        bait = pathlib.Path(folder) / "bait"
        evil = f"$(touch {bait});`touch {bait}`\n;touch {bait};%n"
        options = (f"--dhcp-option-force={number},{evil}" for number in (12, 15, 17, 40, 56, 67))
        serve(pool.dnsmasq("--no-ping", *options))
        lease = ask()
        assert lease is not None
        assert (lease.server, bait.exists()) == (SERVER, False)


def test_the_interface_of_a_client_is_no_way_into_the_host(server: str) -> None:
    segment.plug(PAIR, LAN, mac=MAC)
    try:
        (port,) = json.loads(ip("-json", "link", "show", PAIR.host))
        assert (port["master"], port["mtu"]) == (LAN.bridge, LAN.mtu)
        (client,) = json.loads(ip("-json", "address", "show", PAIR.peer))
        assert (client["address"], client["addr_info"]) == (MAC, [])
        assert segment.plugged() == (PAIR.host,)
        assert links.ports() == {}, "the keeper leaves it alone"
        arping = ["busybox", "arping", "-f", "-c", "2", "-w", "2", "-I", "eth0", str(LAN.address)]
        enter = ["ip", "netns", "exec", server]
        told = subprocess.run([*enter, *arping], check=True, capture_output=True, text=True).stdout
        assert MAC not in told, "it does not answer for the host's addresses"
        assert "02:66:c0:00:02:0a" in told, "the bridge does"
    finally:
        segment.unplug(PAIR.host)
    segment.unplug(PAIR.host)


def test_a_segment_that_is_not_there_is_told_and_leaves_nothing(namespace: str) -> None:
    with pytest.raises(model.Cannot, match="cannot ask for an address on the bridge br0: the kernel says"):
        segment.plug(PAIR, LAN, mac=MAC)
    links.ensure_bridge(LAN)
    segment.plug(PAIR, LAN, mac=MAC)
    with pytest.raises(model.Cannot, match="File exists"):
        segment.plug(PAIR, LAN, mac=MAC)
    assert segment.plugged() == ()


def test_a_client_that_cannot_even_ask_is_no_silence(namespace: str) -> None:
    with pytest.raises(model.Cannot, match=r"cannot ask a DHCP server by udhcpc: it says '.*No such device"):
        dhcp.ask("fl0", "scratch", wish=None, seconds=1)


def test_a_client_that_is_not_installed_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> None:
    dhcp.check()
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(model.Cannot, match="udhcpc: it is not installed; apt install udhcpc"):
        dhcp.check()
    with pytest.raises(model.Cannot, match="udhcpc: it is not installed; apt install udhcpc"):
        dhcp.ask("lo", "scratch", wish=None, seconds=1)
