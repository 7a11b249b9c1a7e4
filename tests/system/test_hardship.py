"""What an attempt to break the driver has shown, once and for all."""

import contextlib
import socket
import sqlite3
import time

import pytest

from tests.lab import commands, host, images, world

# By name, since the driver asks no engine that was silent a moment ago, as the one that a test before has stopped.
NAMED = "name=fullhost,driver-opt=fullhost.name=database"


@pytest.fixture(autouse=True)
def _machine(lab: world.Lab, network: str) -> None:
    """Have a container that runs."""
    assert network
    images.ensure(lab.engine, images.BUSYBOX)
    lab.engine.docker("run", "--detach", "--name", "database", "--network", NAMED, images.BUSYBOX, "sleep", "600")


def veth(lab: world.Lab) -> str:
    found = lab.driver.get("/v1/status")
    assert isinstance(found, dict)
    (endpoint,) = found["endpoints"]
    return str(endpoint["veth"])


def await_answer(lab: world.Lab) -> None:
    commands.wait("database to answer", lambda: lab.host.pings("172.31.0.2"), seconds=15)


def test_a_state_file_that_is_lost_cuts_no_running_machine_off(lab: world.Lab) -> None:
    lab.driver.kill()
    for file in (lab.where.root / "driver").iterdir():
        file.unlink()
    lab.driver.start({"FULLHOST_KEEPER_SECONDS": "0.2"})
    time.sleep(1)
    assert lab.host.pings("172.31.0.2")
    found = lab.driver.get("/v1/status")
    assert isinstance(found, dict)
    assert "is of a running machine that the driver has no record of" in found["warnings"][0]


@pytest.mark.parametrize("spoil", [["link", "set", "VETH", "down"], ["link", "set", "VETH", "nomaster"]])
def test_a_port_that_someone_spoiled(lab: world.Lab, spoil: list[str]) -> None:
    lab.host.ip(*[veth(lab) if word == "VETH" else word for word in spoil])
    assert not lab.host.pings("172.31.0.2")
    await_answer(lab)


@pytest.mark.parametrize(
    "spoil", [["link", "set", "br7", "down"], ["addr", "flush", "dev", "br7"], ["link", "del", "br7"]]
)
def test_a_bridge_of_ours_that_someone_spoiled(lab: world.Lab, spoil: list[str]) -> None:
    lab.engine.clean()
    options = ["fullhost.bridge=br7", "fullhost.subnet=172.31.0.0/25", f"fullhost.dns={host.GATEWAY}"]
    lab.host.ip("link", "del", host.BRIDGE)
    lab.create_network(*[word for option in options for word in ("-o", option)])
    lab.nameserver.restart()
    lab.engine.docker("run", "--detach", "--name", "database", "--network", NAMED, images.BUSYBOX, "sleep", "600")
    await_answer(lab)
    lab.host.ip(*spoil)
    assert not lab.host.pings("172.31.0.2")
    await_answer(lab)


def test_half_a_request_holds_no_thread(lab: world.Lab) -> None:
    with contextlib.ExitStack() as open_sockets:
        for _ in range(40):
            half = open_sockets.enter_context(socket.socket(socket.AF_UNIX))
            half.connect(str(lab.driver.socket))
            half.sendall(b"POST /NetworkDriver.Join HTTP/1.1\r\nHos")
        assert lab.driver.get("/v1/status")


def test_an_engine_that_starts_while_the_state_is_locked(lab: world.Lab) -> None:
    lab.engine.docker("rm", "--force", "database")
    lab.engine.stop()
    lock = sqlite3.connect(lab.where.root / "driver" / "driver.db", isolation_level=None)
    lock.execute("BEGIN IMMEDIATE")
    lab.engine.start()
    with pytest.raises(commands.LabError, match="database is locked"):
        lab.engine.docker("run", "--rm", "--name", "database", "--network", "fullhost", images.BUSYBOX, "true")
    lock.close()
    lab.engine.docker("run", "--rm", "--name", "database", "--network", "fullhost", images.BUSYBOX, "true")


def test_a_network_whose_deletion_never_came_makes_way(lab: world.Lab) -> None:
    lab.engine.docker("rm", "--force", "database")
    lab.driver.kill()
    lab.engine.docker("network", "rm", "fullhost")
    lab.driver.start()
    lab.create_network()
    images.ensure(lab.engine, images.BUSYBOX)
    lab.engine.docker("run", "--rm", "--name", "database", "--network", "fullhost", images.BUSYBOX, "true")
