"""Machines with IPv6 alone, and names registered with both versions, on real engines."""

import dataclasses
import ipaddress
import json
import pathlib

import pytest

from netplugin import naming
from tests import tally as tallies
from tests.lab import commands, host, images, spoofs, world, zones
from tests.system import test_fhv, test_guard, test_ipv6
from tests.system.test_ipv6 import DATABASE, DUAL, GATEWAY, OUTSIDE, REVERSE

dual = test_ipv6.dual
SIX, SEVEN = "fd00:31::6", "fd00:31::7"
ZONE = DUAL.replacing("six", f"AAAA {SIX}").replacing("seven", f"AAAA {SEVEN}")
ARPA = zones.Zone("0.0.0.0.0.0.0.0.1.3.0.0.0.0.d.f.ip6.arpa", ())
OTHER = ("fullhost.bridge=br32", "fullhost.subnet=172.32.0.0/24", f"fullhost.dns={host.GATEWAY}")


@pytest.fixture
def alone(dual: world.Lab) -> world.Lab:
    """Give a lab whose zone has names with an AAAA record alone."""
    dual.nameserver.publish(ZONE, REVERSE)
    return dual


def _inside(lab: world.Lab, name: str, *command: str) -> str:
    return lab.engine.docker("exec", name, *command)


def _attached(lab: world.Lab, name: str, network: str = world.NETWORK) -> dict[str, str]:
    (facts,) = json.loads(lab.engine.docker("inspect", name))
    attached: dict[str, str] = facts["NetworkSettings"]["Networks"][network]
    return attached


def _has_ipv6_alone(lab: world.Lab, name: str, address: str) -> None:
    """See that a machine has its address and no other, leads out by it, and nowhere else."""
    attached = _attached(lab, name)
    assert (attached["IPAddress"], attached["GlobalIPv6Address"]) == ("", address)
    assert attached["MacAddress"] == naming.mac(ipaddress.IPv6Address(address))
    shown = _inside(lab, name, "ip", "-o", "address")
    assert f"inet6 {address}/64" in shown
    assert [line for line in shown.splitlines() if " inet " in line and " lo " not in line] == []
    links = [line.split()[1] for line in _inside(lab, name, "ip", "-o", "link").splitlines()]
    assert len(links) == 2, "lo and its own interface, none on docker_gwbridge"
    assert "docker_gwbridge" not in lab.engine.docker("network", "ls", "--format", "{{.Name}}")
    assert f"via {GATEWAY}" in _inside(lab, name, "ip", "-6", "route", "get", OUTSIDE)
    for other in (GATEWAY, OUTSIDE):
        assert test_ipv6._reaches(lab, name, other), other


def test_it_has_its_address_and_reaches_all_of_ipv6(alone: world.Lab) -> None:
    test_ipv6._network(alone)
    for name in ("database", "six", "seven"):
        test_ipv6._start(alone, name, "--restart=always")
    _has_ipv6_alone(alone, "six", SIX)
    for name, address in (("six", DATABASE), ("six", SEVEN), ("database", SIX)):
        assert test_ipv6._reaches(alone, name, address), (name, address)
    assert alone.host.pings(SIX)
    assert not test_ipv6._reaches(alone, "six", host.OUTSIDE_ADDRESS), "it has no way to IPv4"
    for act in (_again, _restarted):
        act(alone)
        commands.wait("the address", lambda: alone.host.pings(SIX), seconds=30)
        _has_ipv6_alone(alone, "six", SIX)
    alone.nameserver.stop()
    alone.engine.docker("restart", "--time", "0", "six")
    _has_ipv6_alone(alone, "six", SIX)
    test_ipv6._nothing_is_left(alone)


def _as_it_is(lab: world.Lab) -> None:
    assert lab.engine.pid is not None


def _again(lab: world.Lab) -> None:
    lab.engine.docker("restart", "--time", "0", "six")


def _restarted(lab: world.Lab) -> None:
    lab.engine.kill()
    lab.engine.start()


def test_who_cannot_be_told_apart_is_moved_to_it(alone: world.Lab) -> None:
    test_ipv6._network(alone)
    for name in ("six", "seven"):  # two that wait: nobody can tell which of them starts
        words = ["--network", world.NETWORK, "--name", name, "--stop-signal=KILL"]
        alone.engine.docker("create", *words, images.BUSYBOX, "sleep", "100000")
    for name in ("six", "seven"):
        alone.engine.docker("start", name)
    for name, address in (("six", SIX), ("seven", SEVEN)):
        _await_moved(alone, name)
        _has_ipv6_alone(alone, name, address)
    assert '"moved": 1' in json.dumps(alone.driver.get("/v1/status"))
    assert test_ipv6._reaches(alone, "six", SEVEN)


def _await_moved(lab: world.Lab, name: str) -> None:
    def moved() -> bool:
        (facts,) = json.loads(lab.engine.docker("inspect", name))
        attached = facts["NetworkSettings"]["Networks"].get(world.NETWORK)  # for a moment it is on none
        return attached is not None and attached["IPAddress"] == "" != attached["GlobalIPv6Address"]

    commands.wait(f"{name} to be moved", moved, seconds=30)


def test_it_may_be_on_two_networks(alone: world.Lab) -> None:
    """One of them leads out: two default routes would be refused by the kernel."""
    test_ipv6._network(alone)
    options = [word for option in (*OTHER, "fullhost.subnet6=fd00:32::/64") for word in ("--opt", option)]
    alone.engine.docker("network", "create", "-d", "fullhost", "--ipam-driver", "null", *options, "other")
    alone.nameserver.publish(ZONE.replacing("six", f"AAAA {SIX}", "AAAA fd00:32::6"), REVERSE)
    test_ipv6._start(alone, "six", "--restart=always")
    alone.engine.docker("network", "connect", "--driver-opt", "fullhost.name=six", "other", "six")
    for act in (_as_it_is, _again, _restarted):
        act(alone)
        commands.wait("the addresses", lambda: alone.host.pings(SIX) and alone.host.pings("fd00:32::6"), seconds=30)
        for address in (GATEWAY, "fd00:32::1", OUTSIDE):
            assert test_ipv6._reaches(alone, "six", address), address


def test_no_port_of_the_host_leads_to_it(alone: world.Lab) -> None:
    test_ipv6._network(alone)
    with pytest.raises(commands.LabError, match=f"cannot publish ports of six: it has {SIX} alone"):
        test_ipv6._start(alone, "six", "--publish", "8080:80")
    alone.engine.docker("rm", "--force", "six")
    test_ipv6._start(alone, "database", "--publish", "8080:80")
    test_ipv6._start(alone, "six")


def test_it_is_nobody_else(alone: world.Lab, tally: tallies.Tally) -> None:
    """Raw frames: nothing of IPv4 leaves it, and of IPv6 and neighbour discovery what is its own."""
    test_ipv6._network(alone)
    test_ipv6._start(alone, "six")
    test_ipv6._start(alone, "webserver")
    me = spoofs.Who(mac=naming.mac(ipaddress.IPv6Address(SIX)), ip=ipaddress.IPv4Address("172.31.0.66"))
    other, gateway = (test_guard._who(address) for address in ("172.31.0.3", host.GATEWAY))
    tried = spoofs.spoofs(me, other, gateway)
    mine = spoofs.honest(me, other)
    four = tuple(frame for frame in mine if frame.what.startswith(("IPv4", "ARP")) and "for none" not in frame.what)
    arrived = test_guard._arriving(alone, (*tried, *(dataclasses.replace(f, what=f"{f.what}!") for f in four)), "six")
    tally.add(tallies.Promise.SPOOFS, kept=len(tried) + len(four) - len(arrived), of=len(tried) + len(four))
    assert arrived == set()
    assert len(four) == 6
    rest = tuple(frame for frame in mine if frame not in four)
    assert test_guard._arriving(alone, rest, "six") == {frame.what for frame in rest}


@pytest.fixture
def registering(alone: world.Lab) -> world.Lab:
    """Give a lab whose driver may update the zones, of both versions."""
    alone.nameserver.publish_updated(ZONE, REVERSE, ARPA)
    settings = {"FULLHOST_UPDATE_KEY_FILE": str(alone.nameserver.key), "FULLHOST_KEEPER_SECONDS": "1"}
    alone.driver.restart({**settings, "FULLHOST_DNS": host.GATEWAY})
    test_ipv6._network(alone)
    return alone


def test_names_are_registered_with_both_versions(registering: world.Lab) -> None:
    lab = registering
    test_ipv6._start(lab, "scratch")
    four, six = _both(lab, "scratch")
    assert ipaddress.ip_address(six) == ipaddress.ip_address("fd00:31::") + int(four.rpartition(".")[2])
    assert _records(lab, "scratch") == ([four], [six])
    for address in (GATEWAY, OUTSIDE, host.OUTSIDE_ADDRESS):
        assert test_ipv6._reaches(lab, "scratch", address), address
    lab.engine.docker("restart", "--time", "0", "scratch")
    assert _both(lab, "scratch") == (four, six)

    crowd = ("crowd1", "crowd2", "crowd3")  # whose names nobody tells: provisional first, and nobody is moved for IPv6
    for name in crowd:
        lab.engine.docker("create", "--network", world.NETWORK, "--name", name, images.BUSYBOX, "sleep", "100000")
    lab.engine.docker("start", *crowd)
    for name in crowd:
        _await_registered(lab, name)
    assert "moved" not in lab.driver.get("/v1/status")["counters"]  # type: ignore[index]

    gone = _both(lab, "crowd1")
    lab.engine.docker("rename", "crowd1", "renamed")
    _await_registered(lab, "renamed")
    lab.engine.docker("rm", "--force", "renamed")
    commands.wait("it to be gone", lambda: _records(lab, "renamed") == ([], []), seconds=30)
    assert [lab.nameserver.query(ipaddress.ip_address(of).reverse_pointer, "PTR") for of in gone] == [[], []]


def test_people_add_and_remove_names_with_ipv6(registering: world.Lab) -> None:
    lab = registering
    lab.run("fhv", "dns", "add", "wiki", "fd00:31::77")
    lab.run("fhv", "dns", "add", "free")
    assert _records(lab, "wiki") == ([], ["fd00:31::77"])
    assert [len(found) for found in _records(lab, "free")] == [1, 1]
    listed = [line.split() for line in lab.run("fhv", "dns", "list").splitlines()]
    assert ["wiki", "fd00:31::77", "yes", "zone"] in listed
    test_ipv6._start(lab, "wiki")
    _has_ipv6_alone(lab, "wiki", "fd00:31::77")
    with pytest.raises(commands.LabError, match=r"the endpoint .* of wiki has fd00:31::77"):
        lab.run("fhv", "dns", "rm", "--yes", "wiki")
    lab.run("fhv", "dns", "rm", "--yes", "free")
    assert _records(lab, "free") == ([], [])


def _await_registered(lab: world.Lab, name: str) -> None:
    commands.wait(f"{name} to be registered", lambda: _is_registered(lab, name), seconds=30)


def _both(lab: world.Lab, name: str) -> tuple[str, str]:
    attached = _attached(lab, name)
    return attached["IPAddress"], attached["GlobalIPv6Address"]


def _is_registered(lab: world.Lab, name: str) -> bool:
    return ([_both(lab, name)[0]], [_both(lab, name)[1]]) == _records(lab, name)


def _records(lab: world.Lab, name: str) -> tuple[list[str], list[str]]:
    """Return the addresses of a name; while a pointer of one does not lead back to it, what the pointers lead to."""
    four, six = (lab.nameserver.query(f"{name}.local", kind) for kind in ("A", "AAAA"))
    places = [ipaddress.ip_address(address).reverse_pointer for address in (*four, *six)]
    pointers = [pointer for place in places for pointer in lab.nameserver.query(place, "PTR")]
    return (four, six) if pointers == [f"{name}.local."] * len(places) else (["?", *pointers], [])


@pytest.fixture
def fhv(alone: world.Lab, tmp_path: pathlib.Path) -> test_fhv.Fhv:
    """Give `fhv` with a machine that has IPv6 alone, one that has both, and an ssh server in either."""
    test_ipv6._network(alone)
    images.ensure(alone.engine, images.SYSTEMD)
    found = test_fhv.Fhv(alone, tmp_path / "fhv.toml")
    started = found("start", "six", "database")
    assert started.returncode == 0, started.stdout + started.stderr
    return found


def test_fhv_starts_lists_and_compares_machines_with_ipv6_alone(alone: world.Lab, fhv: test_fhv.Fhv) -> None:
    listed = {line.split()[0]: line.split()[3:5] for line in fhv("list").stdout.splitlines()}
    assert listed["database"] == ["172.31.0.2", DATABASE]
    assert listed["six"][0] == SIX
    assert "six" not in fhv("plan").stdout
    status = [line.split() for line in fhv("status", "six").stdout.splitlines()]
    assert ["address", SIX] in status
    assert ["DNS", "record", SIX] in status
    alone.nameserver.publish(ZONE.replacing("six", "AAAA fd00:31::66"), REVERSE)
    assert f"address {SIX} -> fd00:31::66" in fhv("plan").stdout
    applied = fhv("apply", "--yes", "six")
    assert applied.returncode == 0, applied.stdout + applied.stderr
    assert "six" not in fhv("plan").stdout
    assert alone.host.pings("fd00:31::66")


def test_machines_with_ipv6_alone_have_names_and_are_reached_by_ssh(fhv: test_fhv.Fhv) -> None:
    for name, addresses in {"six": [SIX], "database": ["172.31.0.2", DATABASE]}.items():
        lines = [line.split() for line in fhv("exec", name, "cat", "/etc/hosts").stdout.splitlines()]
        own = [str(ipaddress.ip_address(words[0])) for words in lines if name in words[1:]]
        assert own == addresses, lines
    reached = fhv("ssh", "six", "uname", "-n")
    assert (reached.stdout, reached.returncode) == ("six\n", 0), reached.stderr
    asked = fhv("exec", "six", "getent", "ahostsv6", "database.local")
    assert asked.stdout.startswith(DATABASE), asked.stdout + asked.stderr
