"""The data path: TCP, packets and latency from machine to machine, host and outside, beside Docker's bridge."""

import collections
import contextlib
import dataclasses
import json
import pathlib
import subprocess
import sys
from collections.abc import Callable, Iterator

from tests.bench import figures, scale, tools
from tests.lab import commands, host, images, place, world

_PORT, _PONG = 5201, 7001
_PLAIN = "user-defined bridge"
_UNPINNED = "fullhost.antispoof=false"
_MACHINES = {world.NETWORK: ("database", "webserver"), _PLAIN: ("one", "other"), _UNPINNED: ("docs", "ubuntu")}
_ATTACHED = {
    world.NETWORK: world.NETWORK,
    _PLAIN: "plain",
    _UNPINNED: f"name={world.NETWORK},driver-opt={_UNPINNED}",
}
_AT_LEAST = figures.Goal(bound=0.98, at_least=True)
_AT_MOST = figures.Goal(bound=1 / 0.98)  # of what is the better the less it is


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Path:
    """From one of two machines on a network to a server: the machine's namespace, the server's and its address."""

    client: str
    server: str
    address: str


Probe = Callable[[Path, float], float]


def measure(lab: world.Lab, size: scale.Scale) -> figures.Outcome:
    """Return what passes in turns, on the three ways: on fullhost, on Docker's bridge, and where nothing is pinned."""
    found: dict[tuple[str, str, str], dict[str, list[float]]] = collections.defaultdict(
        lambda: collections.defaultdict(list)
    )
    with contextlib.ExitStack() as stack:
        ways = dict(list(_ways(lab).items())[: size.ways])
        for namespace in {path.server for pair in ways.values() for path in pair.values()}:
            stack.enter_context(_serving(namespace))
        for number in range(size.warm + size.some):
            for way, pair in ways.items():
                for (what, unit), probe in _PROBES.items():
                    for network, path in sorted(pair.items(), reverse=bool(number % 2)):
                        value = probe(path, size.seconds)
                        if number >= size.warm:
                            found[way, what, unit][network].append(value)
    return figures.Outcome(
        figures=tuple(
            figures.Figure(
                what=f"{what}, {way}",
                unit=unit,
                ours=tuple(passed[world.NETWORK]),
                against=other,
                theirs=tuple(passed[other]),
                goal=_AT_MOST if unit == "µs" else _AT_LEAST,
            )
            for (way, what, unit), passed in found.items()
            for other in (_PLAIN, _UNPINNED)
        )
    )


def _ways(lab: world.Lab) -> dict[str, dict[str, Path]]:
    """Make two machines on each network; return the paths by way and network."""
    image = images.ensure(lab.engine, images.BUSYBOX)
    lab.create_network()
    lab.engine.docker("network", "create", "plain")
    for network, names in _MACHINES.items():
        for name in names:
            words = ["--detach", "--name", name, "--network", _ATTACHED[network]]
            lab.engine.docker("run", *words, image, "sleep", "7200")
    spaces = {"to host": f"/run/netns/{lab.host.name}", "to outside": f"/run/netns/{lab.outside.name}"}
    ways: dict[str, dict[str, Path]] = collections.defaultdict(dict)
    for network, (one, other) in _MACHINES.items():
        client = _namespace(lab, one)
        address = _inspect(lab, other, "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}")
        gateway = _inspect(lab, one, "{{range .NetworkSettings.Networks}}{{.Gateway}}{{end}}")
        ways["machine to machine"][network] = Path(client=client, server=_namespace(lab, other), address=address)
        for way, target in (("to host", gateway), ("to outside", host.OUTSIDE_ADDRESS)):
            ways[way][network] = Path(client=client, server=spaces[way], address=target)
    return ways


def _inspect(lab: world.Lab, container: str, template: str) -> str:
    return lab.engine.docker("inspect", "--format", template, container).strip()


def _namespace(lab: world.Lab, container: str) -> str:
    """Return the path of the container's namespace; it is mounted where only the engine's host sees it."""
    holder = (lab.where.run / "holder.pid").read_text().strip()
    key = _inspect(lab, container, "{{.NetworkSettings.SandboxKey}}")
    return f"/proc/{holder}/root/run/docker/netns/{pathlib.Path(key).name}"


@contextlib.contextmanager
def _serving(namespace: str) -> Iterator[None]:
    """Run both servers in a namespace for a while."""
    with contextlib.ExitStack() as stack:
        python = [sys.executable, "-m", "tests.bench.pingpong", "serve", str(_PONG)]
        for words in (["iperf3", "--server", "--port", str(_PORT)], python):
            command = tools.within(namespace, words)
            server = subprocess.Popen(command, cwd=place.CHECKOUT, stdout=subprocess.DEVNULL)
            stack.callback(server.wait)
            stack.callback(server.kill)
        listing = ["nsenter", f"--net={namespace}", "ss", "-Hltn"]
        commands.wait("servers", lambda: all(f":{p}" in commands.run(listing) for p in (_PORT, _PONG)))
        yield


def _iperf(path: Path, seconds: float, *options: str) -> dict[str, dict[str, float]]:
    words = ["iperf3", "--json", "--port", str(_PORT), "--client", path.address, *options]
    length = ["--time", str(round(seconds))] if seconds >= 1 else ["--bytes", "2M"]
    said = json.loads(commands.run(tools.within(path.client, [*words, *length]), timeout=60))
    end: dict[str, dict[str, float]] = said["end"]
    return end


def _stream(path: Path, seconds: float) -> float:
    return _iperf(path, seconds)["sum_received"]["bits_per_second"] / 1e9


def _streams(path: Path, seconds: float) -> float:
    return _iperf(path, seconds, "--parallel", "8")["sum_received"]["bits_per_second"] / 1e9


def _packets(path: Path, seconds: float) -> float:
    """Return how many thousand packets a second arrive, of as many as one sender can send."""
    total = _iperf(path, seconds, "--udp", "--length", "64", "--bitrate", "0")["sum"]
    return total["packets"] * (1 - total["lost_percent"] / 100) / total["seconds"] / 1e3


def _latency(path: Path, seconds: float) -> float:
    python = [sys.executable, "-m", "tests.bench.pingpong", path.address, str(_PONG), str(seconds)]
    inside = ["nsenter", f"--net={path.client}", "env", f"--chdir={place.CHECKOUT}", *python]
    return float(commands.run(inside, timeout=60))


_PROBES: dict[tuple[str, str], Probe] = {
    ("TCP, one stream", "Gbit/s"): _stream,
    ("TCP, 8 streams", "Gbit/s"): _streams,
    ("UDP, 64 octets", "kpacket/s"): _packets,
    ("TCP, there and back", "µs"): _latency,
}
