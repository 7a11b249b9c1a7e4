"""What machines may send, in the kernel of a namespace: frames are sent, and seen at the other end or not."""

import dataclasses
import ipaddress
import os
import subprocess
from collections.abc import Iterator

import pytest
from pyroute2 import netns

from netplugin import frames, guard, links, model, naming, pins
from tests.lab import spoofs, wire
from tests.netplugin.conftest import ADDRESS, ENDPOINT, NETWORK

OTHER = dataclasses.replace(ENDPOINT, id="cd" * 32, name="db", address=ADDRESS + 1, mac="02:66:ac:1f:00:03")
SIX = ipaddress.IPv6Address("fd00:31::6")
ALONE = dataclasses.replace(ENDPOINT, name="six", address=None, address6=SIX, mac=naming.mac(SIX))
ME = spoofs.Who(mac=ENDPOINT.mac, ip=ADDRESS)
THEM = spoofs.Who(mac=OTHER.mac, ip=ADDRESS + 1)
GATEWAY = spoofs.Who(mac=naming.mac(NETWORK.gateway), ip=NETWORK.gateway)


def shown(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def enter(space: str) -> list[str]:
    return ["nsenter", f"--net=/run/netns/{space}"]


def plug(endpoint: model.Endpoint, network: model.Network) -> str:
    """Plug a machine in as the driver and then the engine do; return its namespace."""
    veth = naming.veth(endpoint.id)
    links.create_veth(veth, network)
    guard.pin(pins.pin(endpoint, network))
    space = f"fhtest-{os.getpid()}-{endpoint.name}"
    netns.create(space)
    shown("ip", "link", "set", veth.peer, "netns", space, "name", "eth0", "address", endpoint.mac)
    for address in endpoint.addresses:
        words = [f"{address}/24", "dev", "eth0"] if address.version == 4 else [f"{address}/64", "dev", "eth0", "nodad"]
        shown("ip", "-n", space, "address", "add", *words)
    shown("ip", "-n", space, "link", "set", "eth0", "up")
    return space


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Segment:
    """A bridge with two machines."""

    mine: str
    theirs: str

    def arriving(self, sent: tuple[spoofs.Frame, ...]) -> set[str]:
        """Send frames as mine; return what of them arrives at theirs, in words."""
        with wire.listening(enter(self.theirs), "eth0") as came:
            wire.send(enter(self.mine), "eth0", [frame.octets for frame in sent])
        return {frame.what for frame in sent if any(frame.mark in octets for octets in came)}


def segment(network: model.Network, *, antispoof: bool = True, mine: model.Endpoint = ENDPOINT) -> Iterator[Segment]:
    links.ensure_bridge(network)
    needed = guard.standing()
    guard.repair(pins.repairs((), needed, needed=antispoof))
    both = [dataclasses.replace(one, antispoof=antispoof) for one in (mine, OTHER)]
    spaces = [plug(one, network) for one in both]
    try:
        yield Segment(mine=spaces[0], theirs=spaces[1])
    finally:
        for space in spaces:
            netns.remove(space)


@pytest.fixture
def pinned(namespace: str) -> Iterator[Segment]:
    yield from segment(NETWORK)


@pytest.fixture
def pinned6(namespace: str) -> Iterator[Segment]:
    yield from segment(NETWORK, mine=ALONE)


@pytest.fixture
def open_one(namespace: str) -> Iterator[Segment]:
    yield from segment(dataclasses.replace(NETWORK, antispoof=False), antispoof=False)


def learned(mac: str) -> str:
    """Return the port behind which the bridge knows a hardware address."""
    lines = [line for line in shown("bridge", "fdb", "show", "br", "br0").splitlines() if line.startswith(mac)]
    return next((line.split()[2] for line in lines if "permanent" not in line), "")


def test_no_spoof_arrives_and_each_is_counted(pinned: Segment) -> None:
    tried = spoofs.spoofs(ME, THEM, GATEWAY)
    assert pinned.arriving(tried) == set()
    counted = {found.why: found.count for found in guard.stopped()}
    wanted = [frame.why for frame in tried]
    assert counted == {why: wanted.count(why) for why in frames.Why if why in wanted}
    assert {found.port for found in guard.stopped()} == {naming.veth(ENDPOINT.id).host}


def test_what_is_honest_arrives(pinned: Segment) -> None:
    sent = spoofs.honest(ME, THEM)
    assert pinned.arriving(sent) == {frame.what for frame in sent}
    assert guard.stopped() == ()


def test_who_has_ipv6_alone_sends_nothing_of_ipv4_and_its_own_of_ipv6(pinned6: Segment) -> None:
    """Nor from an IPv4 address that it gave itself: it was given none."""
    me = spoofs.Who(mac=ALONE.mac, ip=ADDRESS)
    mine = spoofs.honest(me, THEM)
    four = {frame.what for frame in mine if frame.what.startswith(("IPv4", "ARP")) and "for none" not in frame.what}
    assert len(four) == 6
    assert pinned6.arriving(spoofs.spoofs(me, THEM, GATEWAY)) == set()
    assert pinned6.arriving(mine) == {frame.what for frame in mine} - four
    told = {found.why for found in guard.stopped()}
    assert {frames.Why.IPV4, frames.Why.ARP, frames.Why.IPV6, frames.Why.NEIGHBOUR} <= told
    own, other = (
        spoofs._own(f"from {address}", me, spoofs._ipv6(address, 17, spoofs._udp(9, 9))) for address in (SIX, SIX + 1)
    )
    assert pinned6.arriving(spoofs._marked(b"WORLD", own, other)) == {f"from {SIX}"}


def test_an_open_machine_sends_what_it_likes(open_one: Segment) -> None:
    """So the test above would have seen what arrives."""
    tried = spoofs.spoofs(ME, THEM, GATEWAY)
    assert open_one.arriving(tried) == {frame.what for frame in tried if not frame.local}


@pytest.mark.parametrize("antispoof", [True, False])
def test_the_bridge_learns_no_address_of_another(request: pytest.FixtureRequest, antispoof: bool) -> None:
    """An LLDP frame from a neighbour's hardware address is taken before any rule is asked, and learned from."""
    pair: Segment = request.getfixturevalue("pinned" if antispoof else "open_one")
    shown(*enter(pair.theirs), "ping", "-c", "1", "-W", "2", "172.31.0.2")
    mine, theirs = (naming.veth(one.id).host for one in (ENDPOINT, OTHER))
    assert learned(OTHER.mac) == theirs
    (lldp,) = (frame for frame in spoofs.spoofs(ME, THEM, GATEWAY) if frame.what == "LLDP of another")
    behind = set()
    for _ in range(10):  # they, too, send something now and then, and are learned again
        wire.send(enter(pair.mine), "eth0", [lldp.octets])
        behind.add(learned(OTHER.mac))
    assert (mine in behind) is not antispoof
