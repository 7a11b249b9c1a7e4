"""Deadlines: whatever hangs, every call of a real driver is answered within five seconds."""

import concurrent.futures
import contextlib
import functools
import json
import pathlib
import socket
import sqlite3
import subprocess
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from tests.lab import commands, unixhttp, world, zones
from tests.tally import Promise, Tally

pytestmark = pytest.mark.xdist_group("deadlines")

SECONDS = 5.0
NETWORK, ROUTED, OTHER = "1f" * 32, "2e" * 32, "3d" * 32
LIVE, PENDING = "ab" * 32, "cd" * 32
POOL = {"IPv4Data": [{"AddressSpace": "null", "Pool": "0.0.0.0/0"}], "IPv6Data": []}
# A command that hangs with a child that holds its output, as one behind a wrapper does.
WRAPPER = '#!/bin/sh\nif [ -e "$0.hangs" ]; then sleep 600; fi\nexec {command} "$@"\n'


def network(network_id: str, bridge: str, subnet: str) -> dict[str, object]:
    generic = {"fullhost.bridge": bridge, "fullhost.subnet": subnet, "fullhost.dns": "127.0.0.1"}
    return {"NetworkID": network_id, "Options": {"com.docker.network.generic": generic}, **POOL}


def endpoint(endpoint_id: str, options: dict[str, str]) -> dict[str, object]:
    interface = {"Address": "", "AddressIPv6": "", "MacAddress": ""}
    return {"NetworkID": NETWORK, "EndpointID": endpoint_id, "Options": options, "Interface": interface}


def ref(endpoint_id: str) -> dict[str, object]:
    return {"NetworkID": NETWORK, "EndpointID": endpoint_id}


# Every call of the protocol, those that ask the most in each way that they can be asked.
CALLS: list[tuple[str, dict[str, object]]] = [
    ("Plugin.Activate", {}),
    ("NetworkDriver.GetCapabilities", {}),
    ("NetworkDriver.CreateNetwork", network(OTHER, "br2", "172.31.2.0/24")),
    ("NetworkDriver.CreateNetwork", network(OTHER, "br0", "172.31.0.0/24")),
    ("NetworkDriver.DeleteNetwork", {"NetworkID": ROUTED}),
    ("NetworkDriver.CreateEndpoint", endpoint("01" * 32, {"fullhost.name": "webserver"})),
    ("NetworkDriver.CreateEndpoint", endpoint("02" * 32, {"fullhost.name": "database"})),
    ("NetworkDriver.CreateEndpoint", endpoint("03" * 32, {})),
    ("NetworkDriver.Join", {**ref(LIVE), "SandboxKey": "/run/docker/netns/1"}),
    ("NetworkDriver.Join", {**ref(PENDING), "SandboxKey": "/run/docker/netns/2"}),
    ("NetworkDriver.ProgramExternalConnectivity", ref(LIVE)),
    ("NetworkDriver.RevokeExternalConnectivity", ref(LIVE)),
    ("NetworkDriver.EndpointOperInfo", ref(LIVE)),
    ("NetworkDriver.Leave", ref(PENDING)),
    ("NetworkDriver.DeleteEndpoint", ref(PENDING)),
    ("NetworkDriver.AllocateNetwork", {}),
    ("NetworkDriver.FreeNetwork", {}),
    ("NetworkDriver.DiscoverNew", {}),
    ("NetworkDriver.DiscoverDelete", {}),
]
QUESTIONS = ["/v1/status", f"/v1/networks/{NETWORK}/fleet", f"/v1/networks/{NETWORK}/records/database"]


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[world.Lab]:
    """Give a driver whose state is on a disk of its own, and whose nft and iptables hang when they are told to."""
    disk = tmp_path_factory.mktemp("disk")
    with contextlib.ExitStack() as stack:
        image = tmp_path_factory.mktemp("image") / "image"
        commands.run(["truncate", "-s", "32M", str(image)])
        commands.run(["mkfs.ext4", "-q", str(image)])
        commands.run(["mount", "-o", "loop", str(image), str(disk)])
        stack.callback(commands.run, ["umount", "--lazy", str(disk)])
        alone = stack.enter_context(world.engineless(*zones.SEED, settings={"FULLHOST_STATE": f"{disk}/driver.db"}))
        for command in ("nft", "iptables"):
            wrapper = alone.where.root / "bin" / command
            wrapper.write_text(WRAPPER.format(command=commands.run(["which", command]).strip()))
            wrapper.chmod(0o755)
        yield alone


@contextlib.contextmanager
def dns_hangs(lab: world.Lab, _: pathlib.Path) -> Iterator[None]:
    """Have the name server take queries, over UDP and TCP, and answer none."""
    lab.nameserver.hang()
    try:
        yield
    finally:
        lab.nameserver.resume()


@contextlib.contextmanager
def engine_hangs(lab: world.Lab, _: pathlib.Path, *, drips: bool = False) -> Iterator[None]:
    """Have an engine that takes every connection and answers nothing, or an octet now and then."""
    path = lab.where.run / "docker.sock"
    held, over = list[socket.socket](), threading.Event()

    def serve(listener: socket.socket) -> None:
        while not over.wait(0.1):
            with contextlib.suppress(BlockingIOError):
                held.append(listener.accept()[0])
            for connection in held if drips else ():
                with contextlib.suppress(OSError):
                    connection.send(b"H")

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen(64)
        listener.setblocking(False)
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
            for connection in held:
                connection.close()
            path.unlink()


@contextlib.contextmanager
def command_hangs(lab: world.Lab, _: pathlib.Path, *, command: str) -> Iterator[None]:
    """Have each call of a command sleep."""
    mark = lab.where.root / "bin" / f"{command}.hangs"
    mark.touch()
    try:
        yield
    finally:
        mark.unlink()


@contextlib.contextmanager
def state_is_locked(_: world.Lab, disk: pathlib.Path) -> Iterator[None]:
    """Have another program hold the write lock of the driver's state for ever."""
    with contextlib.closing(sqlite3.connect(disk / "driver.db", isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("ROLLBACK")


@contextlib.contextmanager
def disk_hangs(_: world.Lab, disk: pathlib.Path) -> Iterator[None]:
    """Have every write to the disk of the driver's state wait; what may be killed first thaws it after all."""
    with subprocess.Popen(["sh", "-c", f"read _; fsfreeze --unfreeze {disk}"], stdin=subprocess.PIPE) as thaw:
        commands.run(["fsfreeze", "--freeze", str(disk)])
        yield
        thaw.communicate(b"\n")


@contextlib.contextmanager
def all_hang(lab: world.Lab, disk: pathlib.Path) -> Iterator[None]:
    """Have all of it at once, but the disk, of which nothing would come to the rest."""
    with contextlib.ExitStack() as stack:
        for name in ("dns", "engine", "nft", "iptables", "lock"):
            stack.enter_context(HANGING[name](lab, disk))
        yield


Hanging = Callable[[world.Lab, pathlib.Path], contextlib.AbstractContextManager[None]]
HANGING: dict[str, Hanging] = {
    "dns": dns_hangs,
    "engine": engine_hangs,
    "dripping engine": functools.partial(engine_hangs, drips=True),
    "nft": functools.partial(command_hangs, command="nft"),
    "iptables": functools.partial(command_hangs, command="iptables"),
    "lock": state_is_locked,
    "disk": disk_hangs,
    "all": all_hang,
}


@pytest.mark.parametrize("what", HANGING)
def test_every_call_is_answered_in_time(lab: world.Lab, what: str, tally: Tally) -> None:
    settle(lab)
    asks = [functools.partial(took, lab, "POST", f"/{call}", body) for call, body in CALLS]
    asks += [functools.partial(took, lab, "GET", question, {}) for question in QUESTIONS]
    disk = pathlib.Path(json.loads((lab.where.root / "driver" / "settings.json").read_text())["FULLHOST_STATE"]).parent
    seconds = list[float]()
    try:
        with HANGING[what](lab, disk), concurrent.futures.ThreadPoolExecutor(len(asks)) as pool:
            answers = [pool.submit(ask) for ask in asks]
            for answer in concurrent.futures.as_completed(answers):
                seconds.append(answer.result())
    finally:
        tally.add(Promise.DEADLINES, kept=sum(took < SECONDS for took in seconds), of=len(asks))
    assert max(seconds) < SECONDS
    settle(lab)  # and afterwards all is well again


def took(lab: world.Lab, method: str, path: str, body: dict[str, object]) -> float:
    """Return how many seconds a call took to be answered, well or with a sentence."""
    began = time.monotonic()
    answer = unixhttp.ask(lab.driver.socket, method, path, json.dumps(body).encode(), timeout=60).json()
    assert isinstance(answer, dict)
    if sentence := answer.get("Err") or answer.get("message"):
        assert str(sentence).startswith("cannot ")
        assert "the driver failed" not in str(sentence)
    return time.monotonic() - began


def settle(lab: world.Lab) -> None:
    """Have two networks, one endpoint that joined and one that waits, and nothing else, as a driver that is well has.

    What was refused while something hung may still have to be undone: it is asked for again.
    """
    commands.wait("the driver to be well", functools.partial(_settled, lab), seconds=90)


def _settled(lab: world.Lab) -> bool:
    post = lab.driver.post
    away = [post("NetworkDriver.DeleteNetwork", {"NetworkID": network_id}) for network_id in (OTHER, ROUTED, NETWORK)]
    made = [
        post("NetworkDriver.CreateNetwork", network(NETWORK, "br0", "172.31.0.0/24")),
        post("NetworkDriver.CreateNetwork", network(ROUTED, "br1", "172.31.1.0/24")),
        post("NetworkDriver.CreateEndpoint", endpoint(LIVE, {"fullhost.name": "database"})),
        post("NetworkDriver.CreateEndpoint", endpoint(PENDING, {"fullhost.name": "ubuntu"})),
        post("NetworkDriver.Join", {**ref(LIVE), "SandboxKey": "/run/docker/netns/1"}),
    ]
    return not any("Err" in answer for answer in [*away, *made] if isinstance(answer, dict))
