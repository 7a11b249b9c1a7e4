"""Limits of a real driver without an engine: a thousand endpoints, raw bytes, and who may speak to it."""

import concurrent.futures
import contextlib
import functools
import grp
import ipaddress
import json
import pathlib
import pwd
import socket
import stat
import time
from collections.abc import Iterable, Iterator

import pytest

from netplugin import naming
from tests.lab import commands, process, unixhttp, world, zones
from tests.tally import Promise, Tally

NETWORK = "1f" * 32
PORTS = 1023  # of a bridge: BR_MAX_PORTS is 1,024, and port 0 is none
MACHINES = [f"m{number}" for number in range(1, PORTS + 8)]
GENERIC = {"fullhost.bridge": "br0", "fullhost.subnet": "172.24.0.0/21", "fullhost.dns": "127.0.0.1"}
CREATE_NETWORK = {
    "NetworkID": NETWORK,
    "Options": {"com.docker.network.generic": GENERIC},
    "IPv4Data": [{"AddressSpace": "null", "Pool": "0.0.0.0/0"}],
    "IPv6Data": [],
}
SECONDS = 5.0


def address(name: str) -> str:
    number = 256 + int(name[1:])
    return f"172.24.{number // 256}.{number % 256}"


def endpoint_id(name: str) -> str:
    return f"{int(name[1:]):08x}" * 8


def ref(name: str) -> dict[str, object]:
    return {"NetworkID": NETWORK, "EndpointID": endpoint_id(name)}


@pytest.fixture(scope="module")
def driver() -> Iterator[world.Lab]:
    """Give a driver, its kernel and a zone with a machine more than a bridge has ports."""
    zone = zones.Zone("local", (("host", "A 172.24.0.1"), *((name, f"A {address(name)}") for name in MACHINES)))
    with world.engineless(zone, settings={"FULLHOST_KEEPER_SECONDS": "1", "FULLHOST_LOG": "warning"}) as lab:
        yield lab


@pytest.fixture
def lab(driver: world.Lab) -> Iterator[world.Lab]:
    """Give the driver with one network, and nothing on it; take it away afterwards."""
    assert driver.driver.post("NetworkDriver.CreateNetwork", CREATE_NETWORK) == {}
    yield driver
    assert driver.driver.post("NetworkDriver.DeleteNetwork", {"NetworkID": NETWORK}) == {}


def plug(lab: world.Lab, name: str) -> str:
    """Make an endpoint and join it, as an engine does; return the sentence with which it was refused, or nothing."""
    interface = {"Address": "", "AddressIPv6": "", "MacAddress": ""}
    request = {**ref(name), "Options": {"fullhost.name": name}, "Interface": interface}
    created = lab.driver.post("NetworkDriver.CreateEndpoint", request)
    assert isinstance(created, dict)
    if "Err" in created:
        return str(created["Err"])
    assert created["Interface"]["Address"] == f"{address(name)}/21"
    joined = lab.driver.post("NetworkDriver.Join", {**ref(name), "SandboxKey": f"/run/docker/netns/{name}"})
    assert isinstance(joined, dict)
    assert joined["Gateway"] == "172.24.0.1"
    return ""


def unplug(lab: world.Lab, name: str) -> str:
    """Leave and delete; return the sentence with which it was refused, or nothing."""
    answers = [lab.driver.post(f"NetworkDriver.{call}", ref(name)) for call in ("Leave", "DeleteEndpoint")]
    return "".join(str(answer["Err"]) for answer in answers if isinstance(answer, dict) and "Err" in answer)


def ports(lab: world.Lab) -> set[str]:
    shown = json.loads(lab.host.ip("-json", "link", "show", "master", "br0"))
    return {str(link["ifname"]) for link in shown}


def host_end(name: str) -> str:
    return naming.veth(endpoint_id(name)).host


def known(lab: world.Lab) -> dict[str, str]:
    found = lab.driver.get("/v1/status")
    assert isinstance(found, dict)
    return {endpoint["name"]: endpoint["address"] for endpoint in found["endpoints"]}


def seat(lab: world.Lab, names: list[str]) -> None:
    """Move the peers into another namespace, as the engine does after Join."""
    batch = lab.where.root / "seat"
    peers = [naming.veth(endpoint_id(name)).peer for name in names]
    batch.write_text("".join(f"link set {peer} netns {lab.outside.name}\n" for peer in peers))
    lab.host.ip("-batch", str(batch))
    batch.write_text("".join(f"link set {peer} up\n" for peer in peers))
    lab.outside.ip("-batch", str(batch))


@pytest.fixture
def sandbox(lab: world.Lab) -> Iterator[str]:
    lab.outside.make()
    # A thousand machines in one namespace: none has much to say, and none answers for another. A broadcast is as many
    # packets at once, of which the kernel's backlog takes a thousand; it is one for all namespaces, and stays raised.
    lab.outside.run("sysctl", "-qw", "net.ipv6.conf.default.disable_ipv6=1", "net.ipv4.conf.all.arp_ignore=1")
    commands.run(["sysctl", "-qw", "net.core.netdev_max_backlog=10000"])
    yield lab.outside.name
    lab.host.ip("netns", "delete", lab.outside.name)


@pytest.mark.usefixtures("sandbox")
def test_a_bridge_full_of_ports_refuses_the_next_and_loses_nothing(lab: world.Lab, tally: Tally) -> None:
    full, beyond = MACHINES[:PORTS], MACHINES[PORTS:]
    wrong: dict[str, str] = {}
    try:
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            for begin in range(0, PORTS, 64):
                some = full[begin : begin + 64]
                wrong |= refused(some, pool.map(functools.partial(plug, lab), some))
                seat(lab, some)
            _bring_up(lab, full[0])
            everything = {name: address(name) for name in full}
            assert (wrong, known(lab), ports(lab)) == ({}, everything, {host_end(name) for name in full})

            for said in pool.map(functools.partial(plug, lab), beyond):
                assert said.startswith("cannot plug fh")
                assert (
                    "into the bridge br0: the bridge br0 has its 1023 ports, all that the kernel allows; stop a" in said
                )
            assert (known(lab), ports(lab)) == (everything, {host_end(name) for name in full})
            assert not any(lab.host.works("ip", "link", "show", host_end(name)) for name in beyond)
            assert lab.outside.pings("172.24.0.1")

            assert unplug(lab, full[-1]) == ""
            assert plug(lab, beyond[0]) == ""
            assert lab.outside.pings("172.24.0.1")
            living = [*full[:-1], beyond[0]]
            wrong |= refused(living, pool.map(functools.partial(unplug, lab), living))
        assert (wrong, known(lab), ports(lab)) == ({}, {}, set())
    finally:
        left = set(known(lab))
        tally.add(Promise.ENDPOINTS, kept=len([name for name in full if name not in left | wrong.keys()]), of=PORTS)


def refused(names: list[str], said: Iterable[str]) -> dict[str, str]:
    return {name: sentence for name, sentence in zip(names, said, strict=True) if sentence}


def _bring_up(lab: world.Lab, name: str) -> None:
    """Give a peer its addresses, as the engine does, so that what lives can be seen to go on."""
    peer, mac = naming.veth(endpoint_id(name)).peer, naming.mac(ipaddress.IPv4Address(address(name)))
    lab.outside.ip("link", "set", peer, "address", mac)
    lab.outside.ip("address", "add", f"{address(name)}/21", "dev", peer)
    lab.outside.ip("link", "set", peer, "up")
    commands.wait("the first machine to reach the gateway", lambda: lab.outside.pings("172.24.0.1"))


# What comes over the socket, and how the answer begins; None where there is none to give.
HEAD = b"POST /NetworkDriver.CreateEndpoint HTTP/1.1\r\n"
BODY = json.dumps({**ref("m1"), "Options": {"fullhost.name": "m2", "fullhost.x": "y"}}).encode()
LENGTH = f"Content-Length: {len(BODY)}\r\n".encode()
RAW: dict[str, tuple[bytes, bytes | None]] = {
    "an empty Host": (HEAD + b"Host: \r\n" + LENGTH + b"\r\n" + BODY, b"HTTP/1.1 200"),
    "no Host": (HEAD + LENGTH + b"\r\n" + BODY, b"HTTP/1.1 200"),
    "HTTP/1.0": (HEAD.replace(b"1.1", b"1.0") + LENGTH + b"\r\n" + BODY, b"HTTP/1.0 200"),
    "chunks": (
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY),
        b"HTTP/1.1 200",
    ),
    "no Content-Length": (HEAD + b"\r\n" + BODY, b"HTTP/1.1 200"),
    "a huge body": (HEAD + b"Content-Length: 8000000\r\n\r\n" + bytes(8_000_000), b"HTTP/1.1 413"),
    "a huge body that does not come": (HEAD + b"Content-Length: 99999999999\r\n\r\n", b"HTTP/1.1 413"),
    "huge chunks": (
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + (b"10000\r\n" + bytes(65536) + b"\r\n") * 99,
        b"HTTP/1.1 4",
    ),
    "a huge header": (HEAD + b"X: " + b"x" * 100_000 + b"\r\n\r\n", b"HTTP/1.1 431"),
    "many headers": (HEAD + b"X: x\r\n" * 5000 + b"\r\n", b"HTTP/1.1 431"),
    "a negative length": (HEAD + b"Content-Length: -1\r\n\r\n", b"HTTP/1.1 400"),
    "two lengths": (HEAD + LENGTH + b"Content-Length: 1\r\n\r\n" + BODY, b"HTTP/1.1 400"),
    "no HTTP": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 50 + b"\r\n\r\n", b"HTTP/1.1 400"),
    "half a body": (HEAD + LENGTH + b"\r\n" + BODY[:-9], b"HTTP/1.1 400"),
    "half a head": (HEAD + b"Content-Le", None),
    "nothing": (b"", None),
}


@contextlib.contextmanager
def dialled(lab: world.Lab) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(20)
        connection.connect(str(lab.driver.socket))
        yield connection


def heard(connection: socket.socket) -> bytes:
    """Return all that the driver says until it closes."""
    said = b""
    with contextlib.suppress(ConnectionResetError):
        while piece := connection.recv(1 << 16):
            said += piece
    return said


def state(lab: world.Lab) -> object:
    found = lab.driver.get("/v1/status")
    assert isinstance(found, dict)
    return found["networks"], found["endpoints"], lab.host.ip("-json", "link")


@pytest.mark.parametrize("what", RAW)
def test_raw_octets_are_answered_or_dropped_in_time(lab: world.Lab, what: str, tally: Tally) -> None:
    octets, answer = RAW[what]
    before, began, kept = state(lab), time.monotonic(), 0
    try:
        with dialled(lab) as connection:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                connection.sendall(octets)
            said = heard(connection)
        assert time.monotonic() - began < SECONDS + 3
        assert said.startswith(answer or b"")
        assert bool(said) == bool(answer)
        assert b"Traceback" not in said
        if answer and answer.endswith(b"200"):
            assert json.loads(said.partition(b"\r\n\r\n")[2])["Err"].startswith("cannot ")
        assert state(lab) == before
        kept = 1
    finally:
        if answer:
            tally.add(Promise.REQUESTS, kept=kept, of=1)


HELD = {
    "say nothing": b"",
    "say half a head": HEAD,
    "say half a body": HEAD + b"Content-Length: 9\r\n\r\n{",
    "do not take their answer": b"GET /v1/status HTTP/1.1\r\n\r\n",
}


@pytest.mark.parametrize("what", HELD)
def test_two_hundred_connections_keep_nobody_waiting(lab: world.Lab, what: str) -> None:
    before = state(lab)
    with contextlib.ExitStack() as stack:
        for _ in range(200):
            stack.enter_context(dialled(lab)).sendall(HELD[what])
        for _ in range(5):
            began = time.monotonic()
            assert plug(lab, "m1") == ""
            assert unplug(lab, "m1") == ""
            assert time.monotonic() - began < SECONDS
    # The kernel tells a moment later that the bridge has no carrier any more (net/core/link_watch.c).
    commands.wait("all to be as it was", lambda: state(lab) == before)


def test_one_that_writes_an_octet_at_a_time_is_dropped(lab: world.Lab) -> None:
    began = time.monotonic()
    with dialled(lab) as connection, contextlib.suppress(BrokenPipeError, ConnectionResetError):
        for octet in HEAD + b"X: x\r\n" * 1000:
            connection.sendall(bytes([octet]))
            time.sleep(0.05)
    assert SECONDS - 1 < time.monotonic() - began < SECONDS + 5


def mode(path: pathlib.Path) -> tuple[str, str, str]:
    found = path.stat()
    return stat.filemode(found.st_mode), pwd.getpwuid(found.st_uid).pw_name, grp.getgrgid(found.st_gid).gr_name


class TestWhoMaySpeak:
    """The socket: of root alone, or of a group that is named."""

    @pytest.fixture(autouse=True)
    def _afterwards(self, driver: world.Lab) -> Iterator[None]:
        yield
        driver.driver.restart()

    def test_root_alone(self, driver: world.Lab) -> None:
        assert mode(driver.driver.socket) == ("srw-------", "root", "root")

    def test_a_group_that_is_named(self, driver: world.Lab) -> None:
        driver.driver.restart({"FULLHOST_SOCKET_GROUP": "daemon"})
        commands.wait("the group", lambda: mode(driver.driver.socket) == ("srw-rw----", "root", "daemon"))
        assert unixhttp.answers(driver.driver.socket, "/v1/status")

    def test_a_group_that_is_not_there(self, driver: world.Lab) -> None:
        driver.driver.stop()
        with pytest.raises(
            commands.LabError, match="cannot start with FULLHOST_SOCKET_GROUP=nobodies: this machine has no"
        ):
            driver.driver.start({"FULLHOST_SOCKET_GROUP": "nobodies"})
        log = process.Process(driver.where, "driver").last_words()
        assert "Traceback" not in log


def test_a_driver_that_starts_again_finds_its_rules_and_counts_nothing_as_restored(lab: world.Lab) -> None:
    lab.driver.restart()
    commands.wait("the keeper", lambda: unixhttp.answers(lab.driver.socket, "/v1/status"))
    found = lab.driver.get("/v1/status")
    assert isinstance(found, dict)
    assert not [name for name in found["counters"] if name.startswith("keeper.")]
