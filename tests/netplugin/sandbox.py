"""A host without an engine: the kernel of a namespace, the driver's lives as processes, and what an engine would do."""

import collections
import contextlib
import dataclasses
import datetime
import enum
import ipaddress
import json
import os
import pathlib
import pickle
import signal
import subprocess
import typing
from collections.abc import Callable, Mapping

from netplugin import (
    app,
    assembly,
    config,
    firewall,
    firewalld,
    guard,
    inventory,
    keeper,
    links,
    model,
    naming,
    pins,
    protocol,
    settlement,
    store,
    uplinks,
)
from tests.lab import armed

T = typing.TypeVar("T")
_SPACES = f"fhtest-{os.getpid()}-of-"  # the pid of the tests, not of a life of the driver
LIVES = "0a" * 32  # the endpoint of a machine that lives all the while
MOVED = "0b" * 32  # the endpoint to which a move leads
NETWORK, OTHER = "1f" * 32, "2e" * 32
PARENT = "lan0"  # leads the other network to a LAN
BRIDGES = {NETWORK: "br0", OTHER: "br8"}
SUBNETS = {NETWORK: "172.31.0.0/24", OTHER: "172.31.8.0/24"}
ZONE = {"live": "172.31.0.9", "web": "172.31.0.2", "db": "172.31.0.3"}


class Way(enum.StrEnum):
    """How an engine goes on that was not answered (pkg/plugins/client.go of moby)."""

    AGAIN = "again"  # it asks once more
    EMPTY = "empty"  # it asks once more, without a body, and takes the refusal for a failure
    NEVER = "never"  # it has given up meanwhile, and none of its other calls reached anybody


class Killed(Exception):  # noqa: N818 - it is what happened to the driver
    """The driver was struck by SIGKILL."""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Life:
    """One life of the driver: its use cases, and the calls that an engine may make."""

    uses: assembly.Uses
    store: store.Store
    clock: "Clock"

    def call(self, name: str, body: Mapping[str, object]) -> Mapping[str, object]:
        """Call the driver as the engine does; an error is told in the answer."""
        try:
            return app.calls(dataclasses.replace(self.uses, keeper=self.keeper))[f"NetworkDriver.{name}"](body).body
        except model.Cannot as error:
            return {"Err": str(error)}

    @property
    def keeper(self) -> keeper.Keeper:
        """The keeper, by the clock of the test."""
        return dataclasses.replace(self.uses.keeper, now=self.clock)

    def keep(self) -> None:
        """Have the keeper and the guard look."""
        self.keeper.keep()
        self.uses.guardian.keep()

    @property
    def settler(self) -> settlement.Settler:
        """The settler."""
        return typing.cast("settlement.Settler", self.uses.keeper.settler)


@dataclasses.dataclass
class Clock:
    """The real time, and as much later as a test wants it."""

    ahead: datetime.timedelta = datetime.timedelta(0)

    def __call__(self) -> datetime.datetime:
        return datetime.datetime.now(datetime.UTC) + self.ahead

    def move(self, seconds: float) -> None:
        self.ahead += datetime.timedelta(seconds=seconds)


class Zone:
    """A name server that always answers."""

    def addresses(self, host: str, network: model.Network) -> tuple[ipaddress.IPv4Address, ...]:
        assert network.domain == "local"
        return (ipaddress.IPv4Address(ZONE[host]),) if host in ZONE else ()

    def records(self, network: model.Network) -> tuple[inventory.Record, ...]:
        return tuple(inventory.Record(name=name, addresses=self.addresses(name, network)) for name in ZONE)


class Engine:
    """An engine as far as the driver sees it, in a file: it outlives the driver.

    It has `networks`, lists `endpoints` by the name of their container, knows whose `option` a move has left, and what
    it was about to do: the endpoints that it is `starting` and `stopping`, and what it `asked` the driver last.
    """

    def __init__(self, path: pathlib.Path) -> None:
        self._path = path
        self.life: Life | None = None

    @property
    def known(self) -> dict[str, dict[str, str]]:
        """All that it knows."""
        return collections.defaultdict(dict, json.loads(self._path.read_text()))

    def learn(self, kind: str, key: str, text: str | None) -> None:
        """Change what the engine has of a kind; None takes it away."""
        known = self.known
        known[kind] = {**known[kind], key: text} if text is not None else _without(known[kind], key)
        self._path.write_text(json.dumps(known))

    def ask(self, life: Life, name: str, body: Mapping[str, object]) -> Mapping[str, object]:
        """Make a call that has to succeed; until it is answered it stands in the file."""
        self.learn("asked", name, json.dumps(body))
        answer = life.call(name, body)
        self.learn("asked", name, None)
        assert "Err" not in answer, f"{name}: {answer}"
        return answer

    def start(self, life: Life, endpoint: str, name: str, *, option: str | None) -> None:
        """Start a container with an endpoint of that id."""
        self.learn("starting", endpoint, name)
        self.ask(life, "CreateEndpoint", endpoint_body(endpoint, option))
        self.learn("endpoints", endpoint, name)
        self.ask(life, "Join", join_body(endpoint))
        take(endpoint, name)
        self.learn("starting", endpoint, None)

    def stop(self, life: Life, endpoint: str, *, lost: bool = False) -> None:
        """Stop it, or give its start up; the calls may be `lost`, since the driver is not there."""
        self.learn("starting", endpoint, None)
        self.learn("stopping", endpoint, "yes")
        if not lost:
            self.ask(life, "Leave", ref(endpoint))
        give_back(endpoint)
        self.learn("endpoints", endpoint, None)
        if not lost:
            self.ask(life, "DeleteEndpoint", ref(endpoint))
        self.learn("stopping", endpoint, None)

    def resume(self, life: Life, way: Way) -> None:
        """Go on when the driver is back, whatever was under way: an interrupted start or creation has failed."""
        known = self.known
        for call, body in known["asked"].items():
            if way is Way.AGAIN:
                self.ask(life, call, json.loads(body))
                if call == "CreateNetwork":
                    self.ask(life, "DeleteNetwork", json.loads(body))
            elif way is Way.EMPTY:
                assert "it is empty" in str(life.call(call, {})["Err"])
            self.learn("asked", call, None)
        for endpoint in {**known["starting"], **known["stopping"]}:
            self.stop(life, endpoint, lost=way is Way.NEVER)

    def version(self) -> str:
        return "28.5.2"

    def pools(self) -> tuple[tuple[str, int], ...]:
        return ()

    def network_ids(self) -> frozenset[str]:
        return frozenset(self.known["networks"])

    def network_name(self, network_id: str) -> str:
        return self.known["networks"][network_id]

    def candidates(self, network_id: str) -> tuple[str, ...]:
        assert network_id in BRIDGES
        return ()

    def attachments(self, network_id: str) -> dict[str, model.Attachment]:
        assert network_id == NETWORK
        listed = self.known["endpoints"]
        return {endpoint: model.Attachment(container=name, name=name) for endpoint, name in listed.items()}

    def prepare(self, endpoint: model.Endpoint, container: str, *, name: str) -> model.Move:
        return model.Move(
            container=container,
            network_id=endpoint.network_id,
            endpoint_id=endpoint.id,
            name=name,
            aliases=(),
            options={protocol.NAME_OPTION: name},
        )

    def complete(self, move: model.Move) -> None:
        """Disconnect and connect, with all the calls that come of it, in the driver that asked."""
        assert self.life is not None
        attached = [endpoint for endpoint, name in self.known["endpoints"].items() if name == move.container]
        if attached and self.known["option"].get(move.container) == move.name and move.endpoint_id not in attached:
            return
        for endpoint in attached:
            self.stop(self.life, endpoint)
        self.start(self.life, MOVED, move.container, option=move.name)
        self.learn("option", move.container, move.name)


def _without(known: Mapping[str, str], key: str) -> dict[str, str]:
    return {other: text for other, text in known.items() if other != key}


def ip(*words: str) -> str:
    """Run `ip` in the host's namespace."""
    return subprocess.run(["ip", *words], check=True, capture_output=True, text=True).stdout


def endpoint_body(endpoint: str, name: str | None) -> dict[str, object]:
    """Return the body of CreateEndpoint."""
    given = {} if name is None else {protocol.NAME_OPTION: name}
    return {**ref(endpoint), "Options": given, "Interface": {"Address": "", "AddressIPv6": "", "MacAddress": ""}}


def network_body(network_id: str) -> dict[str, object]:
    """Return the body of CreateNetwork."""
    generic = {"fullhost.bridge": BRIDGES[network_id], "fullhost.subnet": SUBNETS[network_id]}
    if network_id == OTHER:
        generic |= {"fullhost.parent": PARENT, "fullhost.address": "172.31.8.1"}
    return {
        "NetworkID": network_id,
        "Options": {"com.docker.network.generic": generic},
        "IPv4Data": [{"AddressSpace": "null", "Pool": "0.0.0.0/0"}],
        "IPv6Data": [],
    }


def ref(endpoint: str) -> dict[str, object]:
    """Return the body of a call that only names an endpoint."""
    return {"NetworkID": NETWORK, "EndpointID": endpoint}


def join_body(endpoint: str) -> dict[str, object]:
    """Return the body of Join."""
    return {**ref(endpoint), "SandboxKey": f"/var/run/docker/netns/{endpoint[:12]}", "Options": {}}


def _space(endpoint: str) -> str:
    return f"{_SPACES}{endpoint[:12]}"


def take(endpoint: str, name: str) -> None:
    """Move the peer into the container's namespace, as the engine does after Join, with its addresses."""
    peer, space = naming.veth(endpoint).peer, _space(endpoint)
    ip("netns", "add", space)
    ip("link", "set", peer, "netns", space, "address", naming.mac(ipaddress.IPv4Address(ZONE[name])))
    ip("-n", space, "address", "add", f"{ZONE[name]}/24", "dev", peer)
    ip("-n", space, "link", "set", peer, "up")


def give_back(endpoint: str) -> None:
    """Move the peer back, and let the container's namespace go; either may be gone."""
    peer, space = naming.veth(endpoint).peer, _space(endpoint)
    if space in ip("netns", "list").split():
        with contextlib.suppress(subprocess.CalledProcessError):
            pid = str(os.getpid())
            subprocess.run(["ip", "-n", space, "link", "set", peer, "netns", pid], check=True, capture_output=True)
        ip("netns", "delete", space)


@dataclasses.dataclass(frozen=True, slots=True)
class Host:
    """The host: its state on the disk, its kernel that of the namespace in which the test is."""

    folder: pathlib.Path

    @property
    def armed(self) -> pathlib.Path:
        """The file that arms the driver."""
        return self.folder / "armed"

    @property
    def told(self) -> pathlib.Path:
        """The file of the steps that were done."""
        return self.folder / "armed.steps"

    @property
    def engine(self) -> Engine:
        """The engine."""
        return Engine(self.folder / "engine.json")

    def up(self) -> None:
        """Have a network, and a machine that lives on it."""
        (self.folder / "engine.json").write_text("{}")
        ip("link", "set", "lo", "up")
        ip("link", "add", PARENT, "type", "ifb")

        def begin(life: Life) -> None:
            self.engine.ask(life, "CreateNetwork", network_body(NETWORK))
            self.engine.learn("networks", NETWORK, "fullhost")
            self.engine.start(life, LIVES, "live", option="live")

        self.live(begin)

    def down(self) -> None:
        """Take the containers' namespaces away."""
        for line in ip("netns", "list").splitlines():
            if line.startswith(_SPACES):
                ip("netns", "delete", line.split()[0])

    def live(self, do: Callable[[Life], T]) -> T:
        """Have the driver live in a process of its own and do something; Killed where the armed step was met."""
        reader, writer = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(reader)
            self._child(do, writer)
        os.close(writer)
        with os.fdopen(reader, "rb") as pipe:
            said = pipe.read()
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        if status == -signal.SIGKILL:
            raise Killed
        done, result = pickle.loads(said)  # noqa: S301 - our own child wrote it
        if not done:
            raise AssertionError(result)
        return typing.cast("T", result)

    def _child(self, do: Callable[[Life], T], writer: int) -> typing.NoReturn:
        try:
            said = pickle.dumps((True, do(self._life())))
        except BaseException as error:
            said = pickle.dumps((False, f"{type(error).__name__}: {error}"))
        with os.fdopen(writer, "wb") as pipe:
            pipe.write(said)
        os._exit(0)

    def _life(self) -> Life:
        settings = config.read({"FULLHOST_STATE": str(self.folder / "driver.db")})
        engine, state = self.engine, store.Store(settings.state)
        real = assembly.Leaves(
            store=state,
            links=links,
            uplinks=uplinks,
            firewall=firewall,
            firewalld=firewalld,
            zone=typing.cast("assembly.Zone", Zone()),
            engine=typing.cast("assembly.Engine", engine),
        )
        life = Life(uses=assembly.assemble(settings, armed.wrap(real, self.armed)), store=state, clock=Clock())
        engine.life = life
        return life


def remains(life: Life) -> dict[str, list[str]]:
    """Return what there is of networks, endpoints, moves, veths, bridges, tables and marked rules."""
    listed = json.loads(ip("-json", "link"))
    rules = subprocess.run(["iptables-save"], check=True, capture_output=True, text=True).stdout
    tables = subprocess.run(["nft", "list", "tables"], check=True, capture_output=True, text=True).stdout
    marks = [word.strip('"') for line in rules.splitlines() for word in line.split() if "fullhost:" in word]
    return {
        "networks": sorted(network.id for network in life.store.networks()),
        "endpoints": sorted(endpoint.id for endpoint in life.store.endpoints()),
        "moves": sorted(move.container for move in life.store.moves()),
        "links": sorted(link["ifname"] for link in listed if link["ifname"] not in {"lo", PARENT}),
        "bridged": [str(link["master"]) for link in listed if link["ifname"] == PARENT and "master" in link],
        "pinned": sorted(port for port in _pinned() if port in {link["ifname"] for link in listed}),
        "tables": sorted(line.split()[-1] for line in tables.splitlines() if "fullhost" in line),
        "marks": sorted(marks),
    }


def _pinned() -> set[str]:
    """Return the ports to which something is pinned."""
    return {pins.port_of(key) for keys in guard.standing().elements.values() for key in keys}
