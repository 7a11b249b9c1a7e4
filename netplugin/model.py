"""The nouns of the driver, and its one error."""

import dataclasses
import datetime
import enum
import ipaddress

from netplugin import pairs


class Reason(enum.StrEnum):
    """Why something cannot be done: what the asker can do about it depends on it."""

    INVALID = "invalid"  # the request is wrong and stays wrong
    MISSING = "missing"  # what it names is not there
    CONFLICT = "conflict"  # something else has it
    UNAVAILABLE = "unavailable"  # DNS, the engine, the kernel or the disk did not do its part: try again


class Cannot(Exception):  # noqa: N818 - a sentence begins with its name
    """The one error: a sentence that begins with what cannot be done and ends with what to do."""

    def __init__(self, what: str, *, why: str, hint: str, reason: Reason = Reason.INVALID) -> None:
        super().__init__(f"cannot {what}: {why}; {hint}")
        self.reason = reason


class Rung(enum.StrEnum):
    """What told the name of an endpoint (section 2 of the design), best first."""

    OPTION = "option"  # the endpoint's driver option fullhost.name
    ADDRESS = "address"  # the address that came with the request: the name is its PTR
    NAMED = "named"  # an engine from 29 on told it, when it asked the IPAM driver for an address
    CANDIDATE = "candidate"  # the only container that is about to join the network
    PROVISIONAL = "provisional"  # nothing yet: the keeper learns the name once the container has joined


class Source(enum.StrEnum):
    """Where an address came from."""

    DNS = "dns"  # the zone says so now
    CACHE = "cache"  # the zone said so the last time; its server does not answer now
    RANGE = "range"  # a provisional one of the network's dynamic range
    DHCP = "dhcp"  # a DHCP server leases it to a name that the zone lacks


class Stale(enum.StrEnum):
    """What to do for a name whose DNS server does not answer."""

    SERVE = "serve"  # give the address that the name had the last time
    REFUSE = "refuse"


class Unlisted(enum.StrEnum):
    """What to do for a name that the zone does not have."""

    REGISTER = "register"  # give it a free address of the range, and write both into the zone
    DHCP = "dhcp"  # give it what a DHCP server on the bridge's segment leases it
    REFUSE = "refuse"


class Ipam(enum.StrEnum):
    """Who gives out the addresses of a network: the three kinds of networks."""

    NULL = "null"  # nobody before CreateEndpoint does
    OWN = "fullhost"  # the driver's own IPAM driver
    ENGINE = "default"  # the engine, which knows nothing of DNS
    CHOSEN = "chosen"  # the engine, of a pool that it chose, too: --ip cannot be given


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Server:
    """A DNS server: address and UDP/TCP port."""

    address: ipaddress.IPv4Address | ipaddress.IPv6Address
    port: int

    def __str__(self) -> str:
        """Return the server as a sentence names it."""
        return f"{self.address} port {self.port}"


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Network:
    """A network as it was created: the engine tells its options once and never again.

    `bridge_made` says that the driver made the bridge, and so may delete it. `snat` is translation to the
    world for the subnet; without it the subnet is routed, and forwarding to the machines is open. `range` is
    the part of the subnet for provisional addresses. `address` is the bridge's own: the gateway's where the host is
    the machines' router; another or none where the gateway is on the LAN, to which `parent` leads, or VLAN `vlan` of
    it (IEEE 802.1Q). `uplink_made` says that the driver made the VLAN's interface. `antispoof` and `isolate` say what
    its machines may send: as nobody but themselves, and not to each other.
    `subnet6`, with `gateway6`, is there where machines have IPv6 as well; `snat6` is for it what `snat` is for IPv4.
    """

    id: str
    bridge: str
    bridge_made: bool = False
    subnet: ipaddress.IPv4Network
    gateway: ipaddress.IPv4Address
    address: ipaddress.IPv4Address | None
    domain: str
    dns: Server
    snat: bool
    mtu: int
    range: ipaddress.IPv4Network
    stale: Stale
    created: datetime.datetime
    ipam: Ipam = Ipam.NULL
    unlisted: Unlisted = Unlisted.REFUSE
    parent: str | None = None
    vlan: int | None = None
    uplink_made: bool = False
    subnet6: ipaddress.IPv6Network | None = None
    gateway6: ipaddress.IPv6Address | None = None
    snat6: bool = True
    antispoof: bool = True
    isolate: bool = False

    @property
    def uplink(self) -> str | None:
        """The interface that is a port of the bridge: the parent, or its VLAN's, named as iproute2's users do."""
        return self.parent if self.vlan is None else f"{self.parent}.{self.vlan}"

    @property
    def routed_here(self) -> bool:
        """Whether this host is the machines' router."""
        return self.address == self.gateway

    @property
    def interface(self) -> ipaddress.IPv4Interface | None:
        """The bridge's own address with the prefix length of the subnet."""
        return None if self.address is None else ipaddress.IPv4Interface((self.address, self.subnet.prefixlen))

    @property
    def interface6(self) -> ipaddress.IPv6Interface | None:
        """The IPv6 gateway's address with the length of the prefix, as the bridge bears it; None without IPv6."""
        if self.subnet6 is None or self.gateway6 is None:
            return None
        return ipaddress.IPv6Interface((self.gateway6, self.subnet6.prefixlen))


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Endpoint:
    """An endpoint: whose it is, who said so, and what it was given; `sandbox` from Join until Leave, then `left`.

    It is `settled` once its name is known for sure and its address is what DNS gives the name; until then the
    keeper looks after it. `address6` is what an AAAA record gives the name, as well or alone: one of the two is there.
    """

    id: str
    network_id: str
    name: str | None
    address: ipaddress.IPv4Address | None
    mac: str
    rung: Rung
    source: Source
    created: datetime.datetime
    settled: bool
    sandbox: str | None = None
    left: bool = False
    address6: ipaddress.IPv6Address | None = None
    antispoof: bool = True

    @property
    def addresses(self) -> pairs.Pair:
        """Its addresses of both versions."""
        return pairs.Pair(four=self.address, six=self.address6)


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Veth:
    """The two ends of a pair: `host` is a port of the bridge, `peer` becomes the machine's eth0."""

    host: str
    peer: str


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Move:
    """A container that is to have another endpoint than `endpoint_id`, named so; with what its attachment had.

    It comes with its `address` (docker network connect --ip) where the network has a pool of addresses.
    """

    container: str
    network_id: str
    endpoint_id: str
    name: str
    aliases: tuple[str, ...]
    options: dict[str, str]
    address: ipaddress.IPv4Address | None = None


class Whereabouts(enum.StrEnum):
    """Where the peer of a veth is, seen from its host end."""

    HERE = "here"  # in the host's own namespace: not yet in a sandbox, or back from it
    AWAY = "away"  # in another namespace: a live sandbox has it
    ASLEEP = "asleep"  # there, and down: its sandbox is being set up, or was given up, or its machine set it down


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Port:
    """A host end as the kernel has it: the bridge that it is a port of, if any, whether up, and where its peer is."""

    bridge: str | None
    up: bool = True
    peer: Whereabouts


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Owner:
    """Whose endpoint it is, and the rung that said so."""

    name: str
    rung: Rung


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Assignment:
    """Whose an endpoint is and which address it gets; a provisional one, or a name without one, has none of its own.

    It is given any free one of the dynamic range but those to `avoid`, or keeps the one that was given out already.
    """

    name: str | None
    rung: Rung
    source: Source
    address: ipaddress.IPv4Address | None = None
    address6: ipaddress.IPv6Address | None = None
    avoid: frozenset[pairs.Address] = frozenset()

    @property
    def addresses(self) -> pairs.Pair:
        """Its addresses of both versions; neither, of a provisional one."""
        return pairs.Pair(four=self.address, six=self.address6)

    @property
    def settled(self) -> bool:
        """Tell whether there is nothing to find out about it any more."""
        return self.rung in {Rung.OPTION, Rung.ADDRESS, Rung.NAMED} and self.source in {Source.DNS, Source.DHCP}


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Attachment:
    """A container on a network, as the engine tells it after Join; `container` is its id once it runs."""

    container: str | None
    name: str
