"""What the outside world reaches on the host and on its machines, when it sends its packets through the host."""

import sys

from tests.lab import host, images, world
from tests.system.test_exposure import ASK

MACHINE = "172.31.0.2"
# Tells which TCP ports of an address take a connection; whoever drops says nothing within the time.
SCAN = """
import socket, sys
address, *ports = sys.argv[1:]
for port in ports:
    s = socket.socket()
    s.settimeout(0.5)
    if s.connect_ex((address, int(port))) == 0:
        print(port)
"""


def _open(lab: world.Lab, address: str, *ports: int) -> list[str]:
    """Return which of the ports the outside world reaches by TCP."""
    return lab.outside.run(sys.executable, "-c", SCAN, address, *map(str, ports)).split()


def test_the_world_reaches_what_is_exposed_and_no_more(lab: world.Lab, network: str) -> None:
    image = images.ensure(lab.engine, images.BUSYBOX)
    words = ["--network", f"name={world.NETWORK},driver-opt=fullhost.name=database", "--name", "database"]
    serve = "nc -ll -p 81 -e echo secret & exec nc -ll -p 80 -e echo database"
    lab.engine.docker("run", "-d", "--stop-signal=KILL", "-p", "8080:80", *words, image, "sh", "-c", serve)
    before = _listening(lab) - {8080}
    assert _open(lab, host.HOST_ADDRESS, *sorted({*before, 80, 81, 53, 2375, 8080})) == ["8080"]
    lab.outside.ip("route", "add", host.SUBNET, "via", host.HOST_ADDRESS)
    try:
        assert _open(lab, MACHINE, 80, 81) == []
        # The gateway is an address of the host's: whom the name server there answers is its allow-query's to say.
        assert _open(lab, host.GATEWAY, *sorted({*before, 80, 81, 8080})) == ["53", "8080"]
        assert not lab.outside.pings(MACHINE)
        udp = lab.outside.run(sys.executable, "-c", ASK, "u", MACHINE, "53").strip()
        assert udp in {"TimeoutError", "ConnectionRefusedError"}
    finally:
        lab.outside.ip("route", "delete", host.SUBNET)


def _listening(lab: world.Lab) -> set[int]:
    """Return the TCP ports that programs of the host listen at, whatever the address."""
    return {int(line.split()[3].rpartition(":")[2]) for line in lab.host.run("ss", "-Hltn").splitlines()}
