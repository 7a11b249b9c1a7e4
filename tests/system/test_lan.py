"""Machines on a LAN, by an interface of the host in the network's bridge; and machines on two networks."""

import json
from collections.abc import Iterator

import pytest

from tests.lab import commands, host, images, lan, world, zones

BRIDGE = "br-lan"


@pytest.fixture
def beside(lab: world.Lab) -> Iterator[lan.Lan]:
    """Give the LAN that the lab's host is on with eth1."""
    images.ensure(lab.engine, images.BUSYBOX)
    with lan.beside(lab.where, lab.host) as made:
        yield made
        lab.engine.clean()


def create(lab: world.Lab, name: str, **given: str) -> None:
    words = [word for key, text in given.items() for word in ("--opt", f"fullhost.{key}={text}")]
    lab.engine.docker("network", "create", "-d", "fullhost", "--ipam-driver", "null", *words, name)


def create_lan(lab: world.Lab, **given: str) -> None:
    """Make the network of the LAN, on which the host has an address of its own to ask the LAN's name server from."""
    known = {
        "parent": lan.PARENT,
        "bridge": BRIDGE,
        "subnet": lan.SUBNET,
        "address": "192.0.2.10",
        "domain": lan.ZONE.origin,
        "dns": lan.ROUTER,
    }
    create(lab, "lan", **{**known, **given})


def start(lab: world.Lab, name: str, *networks: str) -> None:
    """Start a container that stays, on the networks in turn, as its name's machine."""
    first, *others = networks
    attach = ["--network", f"name={first},driver-opt=fullhost.name={name}", "--name", name]
    lab.engine.docker("create", *attach, "--stop-signal=KILL", images.BUSYBOX, "sleep", "100000")
    for other in others:
        lab.engine.docker("network", "connect", "--driver-opt", f"fullhost.name={name}", other, name)
    lab.engine.docker("start", name)


def inside(lab: world.Lab, name: str, *command: str) -> str:
    return lab.engine.docker("exec", name, *command)


def test_a_machine_is_on_the_lan(lab: world.Lab, beside: lan.Lan) -> None:
    create_lan(lab)
    start(lab, "database", "lan")
    assert "default via 192.0.2.1 dev eth0" in inside(lab, "database", "ip", "route")
    assert inside(lab, "database", "nc", lan.BEYOND, str(host.MIRROR_PORT)) == "192.0.2.20\n", "nobody translates"
    inside(lab, "database", "ping", "-c", "1", "-W", "2", lan.NEIGHBOUR)
    assert beside.neighbour.pings("192.0.2.20"), "what is on a LAN is reached by its neighbours"
    assert lab.host.pings("192.0.2.20")
    # The bridge lets bridged frames be filtered where somebody turned that on: Docker's FORWARD policy is DROP.
    lab.host.run("sysctl", "-qw", "net.bridge.bridge-nf-call-iptables=1")
    try:
        inside(lab, "database", "ping", "-c", "1", "-W", "2", lan.BEYOND)
    finally:
        lab.host.run("sysctl", "-qw", "net.bridge.bridge-nf-call-iptables=0")
    lab.engine.clean()
    link = json.loads(lab.host.ip("-json", "link", "show", lan.PARENT))[0]
    assert ("master" in link, link["operstate"]) == (False, "UP"), "the interface is the host's again"
    assert not lab.host.works("ip", "link", "show", BRIDGE)


def test_an_interface_that_falls_out_or_comes_late_is_put_back(lab: world.Lab, beside: lan.Lan) -> None:
    create_lan(lab)
    start(lab, "database", "lan")
    lab.host.ip("link", "set", lan.PARENT, "nomaster")
    commands.wait("eth1 in the bridge", lambda: beside.neighbour.pings("192.0.2.20"), seconds=30)
    lab.host.ip("link", "delete", lan.PARENT)
    commands.wait("it to be missed", lambda: "the interface eth1 is gone" in lab.run("fhv", "status"), seconds=30)
    beside.wire()
    commands.wait("eth1 in the bridge again", lambda: beside.neighbour.pings("192.0.2.20"), seconds=30)
    assert "is gone" not in lab.run("fhv", "status")


def test_the_host_may_be_the_router_of_a_lan(lab: world.Lab, beside: lan.Lan) -> None:
    """As a router with a cable to a switch: the bridge bears the gateway's address, and translates."""
    create_lan(lab, gateway="192.0.2.10", snat="true", mtu="1400")
    start(lab, "database", "lan")
    assert inside(lab, "database", "nc", host.OUTSIDE_ADDRESS, str(host.MIRROR_PORT)) == f"{host.HOST_ADDRESS}\n"
    assert "mtu 1400" in inside(lab, "database", "ip", "link", "show", "eth0")
    assert beside.neighbour.pings("192.0.2.20")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"parent": "eth7"}, "there is no such interface"),
        ({"parent": "lo"}, "it is the loopback"),
        ({"parent": host.BRIDGE}, f"it is a bridge itself; use it as one: -o fullhost.bridge={host.BRIDGE}"),
        ({"parent": "eth0"}, "eth0 has the address 198.51.100.2/24, which the host would lose"),
        ({"mtu": "9000"}, "it carries 1500 octets, and the network is to carry 9000; ip link set eth1 mtu 9000"),
        ({"bridge": host.BRIDGE}, "the bridge stood before, and is left alone; ip link set eth1 master br0"),
        ({"snat": "true"}, "machines go out by 192.0.2.1, which is not this host's"),
        ({"vlan": "4095"}, "a VLAN is 1 to 4094"),
    ],
    ids=str,
)
def test_what_cannot_be_a_parent_is_refused_and_nothing_is_changed(
    lab: world.Lab, beside: lan.Lan, given: dict[str, str], said: str
) -> None:
    before = lab.host.ip("-brief", "link")
    with pytest.raises(commands.LabError) as refused:
        create_lan(lab, **given)
    assert said in str(refused.value)
    assert lab.host.ip("-brief", "link") == before


def test_a_parent_is_of_one_network(lab: world.Lab, beside: lan.Lan) -> None:
    create_lan(lab)
    with pytest.raises(commands.LabError, match="has the interface eth1 in its bridge br-lan"):
        create(lab, "other", parent=lan.PARENT, subnet="10.9.0.0/24")


def test_a_machine_is_on_two_networks_with_the_address_of_its_name_on_each(lab: world.Lab, beside: lan.Lan) -> None:
    lab.create_network()
    create_lan(lab)
    lab.nameserver.publish(*zones.SEED)
    start(lab, "database", "fullhost", "lan")
    start(lab, "webserver", "lan", "fullhost")
    for _ in range(2):
        for name, ours, theirs in (("database", "172.31.0.2", "192.0.2.20"), ("webserver", "172.31.0.3", "192.0.2.21")):
            shown = inside(lab, name, "ip", "-o", "-4", "address")
            assert (f" {ours}/24 " in shown, f" {theirs}/24 " in shown) == (True, True), shown
            assert lab.host.pings(ours)
            assert beside.neighbour.pings(theirs)
        # The engine gives the default route to the network whose name comes first in the alphabet.
        assert "default via 172.31.0.1 " in inside(lab, "database", "ip", "route")
        assert inside(lab, "database", "nc", host.OUTSIDE_ADDRESS, str(host.MIRROR_PORT)) == f"{host.HOST_ADDRESS}\n"
        lab.engine.docker("restart", "--time=0", "database", "webserver")
    lab.engine.docker("network", "disconnect", "lan", "database")
    assert not beside.neighbour.pings("192.0.2.20")
    assert lab.host.pings("172.31.0.2")
