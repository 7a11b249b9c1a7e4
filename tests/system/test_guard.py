"""No machine can be another, on real engines: raw frames from inside machines, and who reaches whom."""

import ipaddress
import json
import pathlib
import sys

import pytest

from netplugin import naming
from tests import tally as tallies
from tests.lab import commands, host, images, spoofs, wire, world
from tests.system.test_exposure import ASK

MACHINES = {"database": "172.31.0.2", "webserver": "172.31.0.3"}


def _who(address: str) -> spoofs.Who:
    ip = ipaddress.IPv4Address(address)
    return spoofs.Who(mac=naming.mac(ip), ip=ip)


def _start(lab: world.Lab, *options: str) -> None:
    """Start both machines, which serve their names on port 80."""
    image = images.ensure(lab.engine, images.BUSYBOX)
    for name in MACHINES:
        network = f"name={world.NETWORK},driver-opt=fullhost.name={name}"
        words = ["--detach", "--network", network, "--name", name, "--stop-signal=KILL", *options]
        lab.engine.docker("run", *words, image, "nc", "-ll", "-p", "80", "-e", "echo", name)
        options = ()


def _inside(lab: world.Lab, name: str) -> list[str]:
    """Return the words that lead into a machine's network; it is mounted where only the engine's host sees it."""
    holder = (lab.where.run / "holder.pid").read_text().strip()
    key = lab.engine.docker("inspect", "--format", "{{.NetworkSettings.SandboxKey}}", name).strip()
    return ["nsenter", f"--net=/proc/{holder}/root/run/docker/netns/{pathlib.Path(key).name}"]


def _arriving(lab: world.Lab, sent: tuple[spoofs.Frame, ...], sender: str = "database") -> set[str]:
    """Send frames as a machine; return what of them arrives at the web server, in words."""
    with wire.listening(_inside(lab, "webserver"), "eth0") as came:
        wire.send(_inside(lab, sender), "eth0", [frame.octets for frame in sent])
    return {frame.what for frame in sent if any(frame.mark in octets for octets in came)}


def _reaches(lab: world.Lab, name: str, address: str) -> bool:
    return commands.works([*_inside(lab, name), "ping", "-n", "-c", "1", "-W", "1", address])


def test_a_machine_is_nobody_else_and_who_tries_is_told(lab: world.Lab, network: str, tally: tallies.Tally) -> None:
    _start(lab)
    me, other = (_who(address) for address in MACHINES.values())
    tried = spoofs.spoofs(me, other, _who(host.GATEWAY))
    arrived = _arriving(lab, tried)
    tally.add(tallies.Promise.SPOOFS, kept=len(tried) - len(arrived), of=len(tried))
    assert arrived == set()
    assert _arriving(lab, spoofs.honest(me, other)) == {frame.what for frame in spoofs.honest(me, other)}
    found = {one["name"]: one["stopped"] for one in json.loads(lab.run("fhv", "status", "--json"))["endpoints"]}
    assert sum(found["database"].values()) == len(tried)
    assert found["webserver"] == {}
    assert "router advertisements or redirects" in lab.run("fhv", "status")


def test_the_keeper_pins_again_after_a_flush(lab: world.Lab, network: str) -> None:
    _start(lab)
    me, other = (_who(address) for address in MACHINES.values())
    lab.host.run("nft", "flush", "ruleset")
    commands.wait("the table to be back", lambda: lab.host.works("nft", "list", "table", "bridge", "fullhost"))
    commands.wait("spoofs to be stopped", lambda: not _arriving(lab, spoofs.spoofs(me, other, _who(host.GATEWAY))))


def test_isolated_machines_reach_all_but_each_other(lab: world.Lab) -> None:
    lab.create_network("--opt", "fullhost.isolate=true")
    _start(lab, "--publish", "8080:80")
    for address in (host.GATEWAY, host.OUTSIDE_ADDRESS):
        assert _reaches(lab, "database", address)
    assert not _reaches(lab, "database", MACHINES["webserver"])
    assert not _reaches(lab, "webserver", MACHINES["database"])
    assert lab.host.pings(MACHINES["webserver"])
    assert lab.outside.run(sys.executable, "-c", ASK, "t", host.HOST_ADDRESS, "8080").strip() == "database"


@pytest.mark.parametrize("policy", ["DROP", "ACCEPT"])
def test_isolation_holds_for_a_machine_that_may_send_as_whom_it_likes(lab: world.Lab, policy: str) -> None:
    """It goes by the host, which has a way back to what it claims to be."""
    lab.create_network("--opt", "fullhost.isolate=true", "--opt", "fullhost.antispoof=false")
    _start(lab)
    commands.run([*_inside(lab, "database"), "ip", "address", "add", "192.0.2.7/32", "dev", "eth0"])
    commands.run([*_inside(lab, "database"), "ip", "route", "add", MACHINES["webserver"], "via", host.GATEWAY])
    lab.host.ip("route", "add", "192.0.2.7", "via", MACHINES["database"])
    lab.host.run("iptables", "-P", "FORWARD", policy)
    ask = ["ping", "-n", "-c", "1", "-W", "1", "-I", "192.0.2.7"]
    assert commands.works([*_inside(lab, "database"), *ask, host.GATEWAY])
    with wire.listening(_inside(lab, "webserver"), "eth0") as came:
        assert not commands.works([*_inside(lab, "database"), *ask, MACHINES["webserver"]])
    assert not [octets for octets in came if ipaddress.IPv4Address("192.0.2.7").packed in octets]
    lab.host.ip("route", "del", "192.0.2.7")


@pytest.mark.parametrize("by", ["network", "machine"])
def test_a_machine_that_may_route_sends_for_others(lab: world.Lab, by: str) -> None:
    lab.create_network(*(["--opt", "fullhost.antispoof=false"] if by == "network" else []))
    image = images.ensure(lab.engine, images.BUSYBOX)
    for name in MACHINES:
        option = ",driver-opt=fullhost.antispoof=false" if by == "machine" else ""
        words = ["--network", f"name={world.NETWORK},driver-opt=fullhost.name={name}{option}", "--name", name]
        lab.engine.docker("run", "--detach", *words, "--stop-signal=KILL", image, "sleep", "100000")
    me, other = (_who(address) for address in MACHINES.values())
    tried = spoofs.spoofs(me, other, _who(host.GATEWAY))
    # Of a fragment, which conntrack on a host with br_netfilter holds until the rest is there, nothing is told.
    carried = {frame.what for frame in tried if not frame.local and frame.what != "DHCP offer in fragments"}
    assert carried <= _arriving(lab, tried)
