"""The engine's part: what it says to the driver for a start and a stop of a container, from many callers at once."""

import concurrent.futures
import contextlib
import dataclasses
import hashlib
import json
import pathlib
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence

from netplugin import naming
from tests.lab import commands, world, zones

DOMAIN, SUBNET, BRIDGE = "bench", "10.77.0.0/20", "brbench"
_FEW = 50
NAMES = tuple(f"m{number}" for number in range(1, 1100))
_NETWORK = (
    *("-o", f"fullhost.bridge={BRIDGE}", "-o", f"fullhost.subnet={SUBNET}", "-o", f"fullhost.domain={DOMAIN}"),
    *("-o", "fullhost.dns=127.0.0.1"),
)
_NO_PORTS: Mapping[str, object] = {
    "com.docker.network.endpoint.exposedports": [],
    "com.docker.network.portmap": [],
}


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Caller:
    """An engine with a network of its own; each call is a connection of its own, as the driver wishes it."""

    driver: pathlib.Path
    network: str

    def call(self, name: str, body: Mapping[str, object]) -> dict[str, object]:
        """Send one call; a refusal is a LabError."""
        text = json.dumps({"NetworkID": self.network, **body}).encode()
        head = f"POST /NetworkDriver.{name} HTTP/1.1\r\nHost: plugin.moby.localhost\r\nContent-Length: {len(text)}"
        with socket.socket(socket.AF_UNIX) as peer:
            peer.settimeout(60)
            peer.connect(str(self.driver))
            peer.sendall(f"{head}\r\n\r\n".encode() + text)
            said = b"".join(iter(lambda: peer.recv(65536), b""))
        answer: object = json.loads(said.partition(b"\r\n\r\n")[2] or b"null")
        if not isinstance(answer, dict) or answer.get("Err"):
            raise commands.LabError(f"cannot measure: the driver says to {name}: {answer}")
        return answer

    def start(self, name: str) -> dict[str, float]:
        """Make the calls of a container's start; return the milliseconds of each."""
        asked: dict[str, dict[str, object]] = {
            "CreateEndpoint": {
                "Interface": {"Address": "", "AddressIPv6": "", "MacAddress": ""},
                "Options": {**_NO_PORTS, "fullhost.name": name},
            },
            "Join": {"SandboxKey": f"/var/run/docker/netns/{name}", "Options": dict(_NO_PORTS)},
            "ProgramExternalConnectivity": {"Options": dict(_NO_PORTS)},
            "EndpointOperInfo": {},
        }
        return {call: self._timed(call, name, body) for call, body in asked.items()}

    def stop(self, name: str) -> dict[str, float]:
        """Make the calls of a container's stop; return the milliseconds of each."""
        calls = ("RevokeExternalConnectivity", "Leave", "DeleteEndpoint")
        return {call: self._timed(call, name, {}) for call in calls}

    def _timed(self, call: str, name: str, body: Mapping[str, object]) -> float:
        began = time.perf_counter()
        self.call(call, {"EndpointID": endpoint(name), **body})
        return (time.perf_counter() - began) * 1000


def endpoint(name: str) -> str:
    """Return the id of a name's endpoint."""
    return hashlib.sha256(name.encode()).hexdigest()


def engage(lab: world.Lab) -> Caller:
    """Make a zone of a thousand names and a network on it; return its caller."""
    records = tuple((name, f"A 10.77.{number // 200 + 1}.{number % 200 + 1}") for number, name in enumerate(NAMES))
    lab.nameserver.publish(*zones.SEED, zones.Zone(DOMAIN, records))
    words = ("network", "create", "-d", "fullhost", "--ipam-driver", "null", *_NETWORK, "bench")
    return Caller(driver=lab.driver.socket, network=lab.engine.docker(*words).strip())


def settle(calls: Caller, names: Sequence[str], take: Callable[[Sequence[str]], None]) -> None:
    """Have endpoints stand: start them and move each into a sandbox before the keeper takes it for forsaken."""
    for first in range(0, len(names), _FEW):
        few = names[first : first + _FEW]
        together(4, few, calls.start)
        take(few)


def together(
    callers: int, names: Sequence[str], act: Callable[[str], dict[str, float]]
) -> tuple[list[dict[str, float]], float]:
    """Have so many callers at once do something with each name; return what each took, and the seconds in all."""
    began = time.perf_counter()
    with concurrent.futures.ThreadPoolExecutor(callers) as pool:
        took = list(pool.map(act, names))
    return took, time.perf_counter() - began


@contextlib.contextmanager
def sandbox(lab: world.Lab) -> Iterator[Callable[[Sequence[str]], None]]:
    """Give what moves the endpoints of names into a sandbox, as the engine does; all of them die with it, at once."""
    apart = ["setpriv", "--pdeathsig", "KILL", "unshare", "--net", "sleep", "infinity"]
    with subprocess.Popen(apart) as holder:
        own = pathlib.Path("/proc/self/ns/net").readlink()
        space = pathlib.Path(f"/proc/{holder.pid}/ns/net")
        commands.wait("a network namespace", lambda: space.readlink() != own)

        def take(names: Sequence[str]) -> None:
            peers = [naming.veth(endpoint(name)).peer for name in names]
            _batch(["ip", "-n", lab.host.name], [f"link set {peer} netns {holder.pid}" for peer in peers])
            _batch(["nsenter", f"--net={space}", "ip"], [f"link set {peer} up" for peer in peers])

        silent = "echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6"  # a thousand neighbours have much to say
        commands.run(["nsenter", f"--net={space}", "sh", "-c", silent])
        try:
            yield take
        finally:
            holder.kill()


def _batch(ip: Sequence[str], lines: Sequence[str]) -> None:
    with tempfile.TemporaryFile() as file:
        file.write("\n".join([*lines, ""]).encode())
        file.seek(0)
        commands.run([*ip, "-batch", "-"], stdin=file, timeout=300)
