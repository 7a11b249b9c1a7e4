"""The nouns of `fhv`, and its one error."""

import dataclasses
import enum
import ipaddress
import re
from collections.abc import Iterable, Mapping

from launcher import pairs

MACHINE_LABEL = "fullhost.machine"
INIT_LABEL = "fullhost.init"
DOMAIN_LABEL = "fullhost.domain"
RESOLVER_LABEL = "fullhost.resolver"
IMAGE_LABEL = "fullhost.image"  # what a machine was made of, before any snapshot of it
SNAPSHOT_LABEL = "fullhost.snapshot"  # of an image: the machine that it was taken of
PASSING_LABEL = "fullhost.passing"  # of a container that fhv needs for so many seconds
# A DNS label as RFC 1123, section 2.1, and RFC 1035, section 2.3.4, have it, in lower case.
NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")


class Cannot(Exception):  # noqa: N818 - reads as the sentence that it carries
    """Something that a person asked for cannot be done.

    `what` is a sentence that begins with "cannot ..." and names the facts; `hint` says what to do or to type
    about it. The edge prints both, without a traceback, and ends with exit code 1.
    """

    def __init__(self, what: str, *, hint: str = "") -> None:
        super().__init__(what)
        self.hint = hint


class State(enum.StrEnum):
    """What the engine says of a container, in its own words."""

    CREATED = "created"
    RUNNING = "running"
    PAUSED = "paused"
    RESTARTING = "restarting"
    REMOVING = "removing"
    EXITED = "exited"
    DEAD = "dead"


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Machine:
    """A container as the engine describes it; `since` (ISO 8601) is when its present state began.

    `ours` tells a machine from a container that somebody else made; `capabilities` are those added to Docker's own;
    `error` is why the engine could not start it, the last time that it tried.
    `memory` (bytes) and `cpus` (cores) are its limits, 0 for none; `volumes` and `ports` are as Docker writes them.
    """

    name: str
    container: str
    state: State
    image: str
    since: str
    ours: bool = True
    init: str = ""
    domain: str = ""
    network: str = ""
    endpoint: str = ""
    address: ipaddress.IPv4Address | None = None
    mac: str = ""
    aliases: tuple[str, ...] = ()
    capabilities: tuple[str, ...] = ()
    exit_code: int = 0
    error: str = ""
    restarts: int = 0
    memory: int = 0
    cpus: float = 0.0
    volumes: tuple[str, ...] = ()
    autostart: bool = True
    resolver: str = "engine"
    ports: tuple[str, ...] = ()
    address6: ipaddress.IPv6Address | None = None

    @property
    def addresses(self) -> pairs.Pair:
        """Its addresses of both versions."""
        return pairs.Pair(four=self.address, six=self.address6)

    @property
    def runs(self) -> bool:
        """Say whether it has processes, or is about to."""
        return self.state in (State.RUNNING, State.PAUSED, State.RESTARTING)


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Member:
    """One machine that the zone asks for; `aliases` are the other names of its address, `texts` its TXT records."""

    name: str
    address: ipaddress.IPv4Address | None
    aliases: tuple[str, ...] = ()
    texts: tuple[tuple[str, ...], ...] = ()
    address6: ipaddress.IPv6Address | None = None

    @property
    def addresses(self) -> pairs.Pair:
        """Its addresses of both versions."""
        return pairs.Pair(four=self.address, six=self.address6)


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Host:
    """What decides how an init can be booted here, and what `fhv doctor` looks at besides.

    `firewall` is the backend of the engine's rules, iptables or nftables.
    """

    engine: tuple[int, int]
    cgroup: int
    apparmor: bool
    version: str = ""
    firewall: str = "iptables"
    live_restore: bool = False
    rootless: bool = False

    @classmethod
    def of(cls, version: str, *, cgroup: str, security: Iterable[str]) -> "Host":
        """Read what the engine says of itself: 28.5.2+dfsg4, 2, and its security options."""
        numbers = re.match(r"(\d+)\.(\d+)", version)
        return cls(
            engine=(int(numbers[1]), int(numbers[2])) if numbers else (0, 0),
            cgroup=int(cgroup),
            apparmor=any("name=apparmor" in option for option in security),
        )


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Boot:
    """What an init needs of its container on one host; `capabilities` maps each one added to the reason."""

    init: str
    stop_signal: str
    command: tuple[str, ...] = ("/sbin/init",)
    tmpfs: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    environment: Mapping[str, str] = dataclasses.field(default_factory=dict)
    capabilities: Mapping[str, str] = dataclasses.field(default_factory=dict)
    security: tuple[str, ...] = ()
    private_cgroups: bool = False


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Network:
    """A network of the driver; `dns` is the server that its machines ask, `dns_port` its UDP and TCP port.

    `address` is the bridge's own, if it has one; `uplink` is the interface that leads to a LAN;
    `subnet6` and `gateway6` are there where machines have IPv6 as well.
    """

    id: str
    name: str
    bridge: str
    subnet: ipaddress.IPv4Network
    gateway: ipaddress.IPv4Address
    domain: str
    dns: ipaddress.IPv4Address | ipaddress.IPv6Address
    dns_port: int
    snat: bool
    mtu: int
    address: ipaddress.IPv4Address | None = None
    uplink: str | None = None
    subnet6: str | None = None
    gateway6: str | None = None


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Endpoint:
    """An attachment as the driver keeps it: how it knew whose it is (`rung`), and where the address came from.

    One whose name is not known yet has none, and a provisional address; it is `settled` once both are certain.
    A DHCP `lease` has an end, a server, and the hardware address that it knows; `stopped` counts dropped frames.
    """

    id: str
    network: str
    name: str | None
    address: ipaddress.IPv4Address | None
    mac: str
    veth: str
    rung: str
    source: str
    settled: bool
    joined: bool
    created: str
    address6: ipaddress.IPv6Address | None = None
    lease: tuple[str, str, str] | None = None
    stopped: Mapping[str, int] = dataclasses.field(default_factory=dict)

    @property
    def addresses(self) -> pairs.Pair:
        """Its addresses of both versions."""
        return pairs.Pair(four=self.address, six=self.address6)


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class DriverStatus:
    """What the driver says of itself; `counters` count its calls since it was started."""

    version: str
    pid: int
    started: str
    networks: tuple[Network, ...]
    endpoints: tuple[Endpoint, ...]
    counters: Mapping[str, int]
    warnings: tuple[str, ...]


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Creation:
    """Everything that the engine is told to make a machine."""

    name: str
    domain: str
    image: str
    network: str
    aliases: tuple[str, ...]
    labels: Mapping[str, str]
    boot: Boot
    volumes: tuple[str, ...]
    environment: Mapping[str, str]
    memory: int
    cpus: float
    dns: tuple[str, ...]
    dns_search: tuple[str, ...]
    autostart: bool = True
    address: ipaddress.IPv4Address | None = None


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What a command said inside a machine, standard output and error together."""

    exit_code: int
    output: str


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """How it went with one machine: what was done, what a person should know of it, or why it could not be."""

    name: str
    done: str = ""
    warnings: tuple[str, ...] = ()
    refused: Cannot | None = None
