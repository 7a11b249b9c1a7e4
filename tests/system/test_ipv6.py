"""IPv6 beside IPv4: an AAAA record gives the address as an A record does, on real engines, with real packets."""

import json
from collections.abc import Iterator

import pytest

from tests.lab import commands, host, images, world, zones

LOCAL, REVERSE = zones.SEED
PREFIX, GATEWAY = "fd00:31::/64", host.GATEWAY6
DATABASE, WEBSERVER = "fd00:31::2", "fd00:31::3"
OUTSIDE, OWN = "2001:db8:5::1", "2001:db8:5::2"
DUAL = LOCAL.replacing("database", "A 172.31.0.2", f"AAAA {DATABASE}").replacing(
    "webserver", "A 172.31.0.3", f"AAAA {WEBSERVER}"
)


@pytest.fixture
def dual(lab: world.Lab) -> Iterator[world.Lab]:
    """Give a lab whose host forwards IPv6 and has an outside world there, and whose bridge the driver has to make."""
    images.ensure(lab.engine, images.BUSYBOX)
    lab.nameserver.publish(DUAL, REVERSE)
    lab.host.ip("link", "delete", host.BRIDGE)
    for end, address in ((lab.host, OWN), (lab.outside, OUTSIDE)):
        end.ip("-6", "address", "add", f"{address}/64", "dev", "eth0", "nodad")
    _forward(lab, on=True)
    yield lab
    lab.engine.clean()
    _forward(lab, on=False)
    for end, address in ((lab.host, OWN), (lab.outside, OUTSIDE)):
        commands.works(["ip", "-n", end.name, "address", "delete", f"{address}/64", "dev", "eth0"])


def _forward(lab: world.Lab, *, on: bool) -> None:
    lab.host.run("sysctl", "-qw", f"net.ipv6.conf.all.forwarding={int(on)}")


def _network(lab: world.Lab, *options: str) -> str:
    words = [word for option in (f"fullhost.subnet6={PREFIX}", *options) for word in ("--opt", option)]
    return lab.create_network(*words)


def _start(lab: world.Lab, name: str, *options: str) -> None:
    words = ["--detach", "--network", f"name={world.NETWORK},driver-opt=fullhost.name={name}", "--name", name]
    lab.engine.docker("run", *words, "--stop-signal=KILL", *options, images.BUSYBOX, "sleep", "100000")


def _inside(lab: world.Lab, name: str, *command: str) -> str:
    return lab.engine.docker("exec", name, *command)


def _reaches(lab: world.Lab, name: str, address: str) -> bool:
    ping = ["docker", "exec", name, "ping", "-c", "1", "-W", "2", address]
    return commands.works([*lab.engine.enter, *ping])


def test_a_machine_has_both_addresses_and_reaches_all(dual: world.Lab) -> None:
    network = _network(dual)
    for name in ("database", "webserver", "monitor"):
        _start(dual, name)
    shown = _inside(dual, "database", "sh", "-c", "ip -o address show eth0; ip -6 route; ip route")
    assert f"inet6 {DATABASE}/64" in shown
    assert "inet 172.31.0.2/24" in shown
    assert f"default via {GATEWAY} dev eth0" in shown
    assert "default via 172.31.0.1 dev eth0" in shown
    (facts,) = json.loads(dual.engine.docker("inspect", "database"))
    assert facts["NetworkSettings"]["Networks"]["fullhost"]["GlobalIPv6Address"] == DATABASE
    assert "inet6" not in _inside(dual, "monitor", "ip", "-o", "address", "show", "eth0"), "of which there is no AAAA"
    assert dual.host.pings(DATABASE)
    for address in (WEBSERVER, GATEWAY, OUTSIDE, host.OUTSIDE_ADDRESS):  # the world has no route back
        assert _reaches(dual, "database", address), address
    _is_closed(dual)
    status = dual.run("fhv", "status")
    assert f"172.31.0.2 {DATABASE}" in status
    assert PREFIX in status
    assert "IPv6" not in status
    _forward(dual, on=False)
    assert "net.ipv6.conf.all.forwarding=1" in dual.run("fhv", "status")
    _put_back(dual, network)
    _nothing_is_left(dual)


def _is_closed(lab: world.Lab) -> None:
    lab.outside.ip("-6", "route", "add", PREFIX, "via", OWN)
    try:
        assert not lab.outside.pings(DATABASE)
    finally:
        lab.outside.ip("-6", "route", "delete", PREFIX)


def _put_back(lab: world.Lab, network: str) -> None:
    """Flush what IPv6 is made of on the host, and see it come back."""
    _forward(lab, on=True)
    lab.host.run("nft", "delete", "table", "ip6", f"fullhost-{network[:12]}")
    lab.host.ip("-6", "address", "flush", "dev", host.BRIDGE)
    commands.wait("the way out", lambda: _reaches(lab, "database", OUTSIDE), seconds=30)


def _nothing_is_left(lab: world.Lab) -> None:
    lab.engine.clean()
    assert "fullhost" not in lab.host.run("nft", "list", "ruleset")
    assert "fullhost" not in lab.host.run("ip6tables-save")


def test_the_address_stays_while_dns_is_silent_and_over_restarts(dual: world.Lab) -> None:
    _network(dual)
    _start(dual, "database", "--restart=always")
    for act in (dual.nameserver.stop, dual.engine.kill):
        act()
        if dual.engine.pid is None:
            dual.engine.start()
        else:
            dual.engine.docker("restart", "--time", "0", "database")
        commands.wait("the address", lambda: dual.host.pings(DATABASE), seconds=30)
        assert f"inet6 {DATABASE}/64" in _inside(dual, "database", "ip", "-o", "address", "show", "eth0")


def test_a_routed_prefix_keeps_its_addresses(dual: world.Lab) -> None:
    _network(dual, "fullhost.snat6=false")
    _start(dual, "database")
    assert not _reaches(dual, "database", OUTSIDE), "which has no route back"
    dual.outside.ip("-6", "route", "add", PREFIX, "via", OWN)
    try:
        assert _reaches(dual, "database", OUTSIDE)
        assert dual.outside.pings(DATABASE)
    finally:
        dual.outside.ip("-6", "route", "delete", PREFIX)


def test_what_cannot_be_given_is_a_sentence(dual: world.Lab) -> None:
    _network(dual)
    wrong = DUAL.replacing("docs", "A 172.31.0.5", "AAAA fd00:99::5").replacing(
        "ubuntu", "A 172.31.0.6", f"AAAA {DATABASE}"
    )
    dual.nameserver.publish(wrong, REVERSE)
    _start(dual, "database")
    with pytest.raises(commands.LabError, match=r"cannot give docs an IPv6 address.*fd00:99::5"):
        _start(dual, "docs")
    with pytest.raises(commands.LabError, match=rf"cannot give ubuntu the address {DATABASE}.*database"):
        _start(dual, "ubuntu")
    dual.engine.clean()
    words = ["-d", "fullhost", "--subnet", host.SUBNET, "-o", f"fullhost.subnet6={PREFIX}", world.NETWORK]
    with pytest.raises(commands.LabError, match="--ipam-driver null"):
        dual.engine.docker("network", "create", *words)
