"""Ports that the world may see, on real engines: published by Docker, exposed by fhv, reached from anywhere."""

import json
import subprocess
import sys
import typing

import pytest

from tests.lab import commands, host, images, world

WORLD, OWN, GATEWAY, LOOPBACK = "outside", host.HOST_ADDRESS, host.GATEWAY, "127.0.0.1"
KINDS = {
    "null": ("--ipam-driver", "null"),
    "own": ("--ipam-driver", "fullhost", "--subnet", host.SUBNET),
    "docker's": ("--subnet", host.SUBNET, "--ip-range", "172.31.0.192/26", "--gateway", host.GATEWAY),
}
# Asks an address and port by TCP ("t") or UDP ("u"), and prints what it is told.
ASK = """
import socket, sys
kind, address, port = sys.argv[1:]
s = socket.socket(socket.AF_INET, socket.SOCK_STREAM if kind == "t" else socket.SOCK_DGRAM)
s.settimeout(5)
try:
    s.connect((address, int(port)))
    s.send(b"?\\n")
    print(s.recv(99).decode().strip())
except OSError as error:
    print(type(error).__name__)
"""
# Echoes datagrams; the engine's trees have perl, and busybox has no server of the kind.
ECHO = (
    "use IO::Socket::INET; $s = IO::Socket::INET->new(LocalPort => 53, Proto => 'udp') or die; print \"up\\n\"; "
    "$| = 1; while ($s->recv($m, 99)) { $s->send('echo') }"
)


@pytest.fixture
def image(lab: world.Lab) -> str:
    return images.ensure(lab.engine, images.BUSYBOX)


def start(lab: world.Lab, name: str, *options: str, address: tuple[str, ...] = ()) -> None:
    """Start a container that tells its name on port 80, and port 81."""
    network = f"name={world.NETWORK},driver-opt=fullhost.name={name}"
    serve = f"nc -ll -p 81 -e echo {name}81 & exec nc -ll -p 80 -e echo {name}"
    words = ["--detach", "--network", network, *address, "--name", name, "--stop-signal=KILL", *options]
    lab.engine.docker("run", *words, images.BUSYBOX, "sh", "-c", serve)
    where = next(a for n, a in (("database", "172.31.0.2"), ("webserver", "172.31.0.3")) if n == name)
    commands.wait(f"{name} to serve", lambda: ask(lab, "host", where, 80) == name, seconds=20)


def ask(lab: world.Lab, whence: str, address: str, port: int, kind: str = "t") -> str:
    """Return what is told at an address and port: asked in the world, by the host, or by a machine."""
    if whence in {WORLD, "host"}:
        space = lab.outside if whence == WORLD else lab.host
        return space.run(sys.executable, "-c", ASK, kind, address, str(port)).strip()
    try:
        return lab.engine.docker("exec", whence, "timeout", "5", "nc", address, str(port)).strip()
    except commands.LabError:
        return ""


def exposures(lab: world.Lab) -> list[dict[str, object]]:
    found = json.loads(lab.run("fhv", "exposures", "--json"))
    return typing.cast("list[dict[str, object]]", found)


@pytest.mark.parametrize("kind", KINDS)
def test_docker_publishes_to_the_world_and_takes_it_back(lab: world.Lab, image: str, kind: str) -> None:
    lab.engine.docker("network", "create", "-d", "fullhost", *KINDS[kind], world.NETWORK)
    ports = ["-p", "8080:80", "-p", "7001-7002:80-81", "-p", f"{LOOPBACK}:9000:81"]
    start(lab, "database", *ports, address=() if kind == "null" else ("--ip", "172.31.0.2"))
    for whence, address in ((WORLD, OWN), ("host", OWN), ("host", GATEWAY), ("host", LOOPBACK)):
        assert ask(lab, whence, address, 8080) == "database", (whence, address)
    assert ask(lab, WORLD, OWN, 7002) == "database81"
    assert ask(lab, "host", LOOPBACK, 9000) == "database81"
    assert ask(lab, WORLD, OWN, 9000) == "ConnectionRefusedError"
    assert ask(lab, WORLD, OWN, 8081) == "ConnectionRefusedError"
    lab.engine.docker("stop", "database")
    assert ask(lab, WORLD, OWN, 8080) == "ConnectionRefusedError"
    lab.engine.docker("start", "database")
    commands.wait("the port to lead again", lambda: ask(lab, WORLD, OWN, 8080) == "database", seconds=20)
    lab.engine.docker("rm", "--force", "database")
    assert exposures(lab) == []


def test_a_neighbour_comes_in_by_the_host_and_a_port_in_use_is_refused(
    lab: world.Lab, network: str, image: str
) -> None:
    start(lab, "database", "-P", "--expose", "81", "-p", "8080:80")
    start(lab, "webserver")
    for address in (OWN, GATEWAY):
        assert ask(lab, "webserver", address, 8080) == "database"
    chosen = next(e for e in exposures(lab) if e["port"] == 81)
    assert ask(lab, WORLD, OWN, int(str(chosen["host_port"]))) == "database81"
    words = ["run", "--rm", "--network", world.NETWORK, "--name", "monitor"]
    for taken in ("8080:80", f"{GATEWAY}:53:80"):
        with pytest.raises(commands.LabError, match=f"cannot publish {taken}/tcp: "):
            lab.engine.docker(*words, "-p", taken, images.BUSYBOX, "true")
    with pytest.raises(commands.LabError, match=r"in use|already allocated"):
        lab.engine.docker("run", "--rm", "-p", "8080:80", images.BUSYBOX, "true")
    assert ask(lab, WORLD, OWN, 8080) == "database"


def test_fhv_exposes_a_machine_for_good(lab: world.Lab, image: str) -> None:
    lab.host.ip("link", "delete", host.BRIDGE)
    lab.create_network()
    start(lab, "database", "--restart=unless-stopped", "--label", "fullhost.machine=database")
    assert "database: exposed as 8080:80/tcp, 5353:53/udp" in lab.run(
        "fhv", "expose", "database", "8080:80", "5353:53/udp"
    )
    assert ask(lab, WORLD, OWN, 8080) == "database"
    pid = lab.engine.docker("inspect", "--format", "{{.State.Pid}}", "database").strip()
    with subprocess.Popen([*lab.engine.enter, "nsenter", "--net", "--target", pid, "perl", "-e", ECHO]) as echo:
        commands.wait("the echo", lambda: ask(lab, WORLD, OWN, 5353, "u") == "echo", seconds=20)
        assert ask(lab, "host", LOOPBACK, 5353, "u") == "echo"
        echo.kill()
    assert "8080:80/tcp" in lab.run("fhv", "list")
    with pytest.raises(commands.LabError, match="cannot publish 8080:81/tcp: database has it, as 8080:80/tcp"):
        lab.run("fhv", "expose", "database", "8080:81")
    lab.driver.restart()
    assert ask(lab, WORLD, OWN, 8080) == "database"
    lab.reboot()
    commands.wait("the port to lead there after a reboot", lambda: ask(lab, WORLD, OWN, 8080) == "database", seconds=40)
    lab.host.run("nft", "flush", "ruleset")
    commands.wait("the keeper", lambda: ask(lab, WORLD, OWN, 8080) == "database", seconds=20)
    assert "database: no longer exposed" in lab.run("fhv", "unexpose", "database", "8080:80")
    assert ask(lab, WORLD, OWN, 8080) == "ConnectionRefusedError"
    assert [e["host_port"] for e in exposures(lab)] == [5353]
