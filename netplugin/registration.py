"""Names that the zone does not list, registered by the driver: which address, which records, under which conditions.

Several hosts may share a DNS server. What makes a registration one host's alone is the server: an update takes place
whole and only if its prerequisites hold (RFC 2136, 2.4 and 3.2). The pointer is claimed first, and is the lock of the
address, of IPv6 as of IPv4; then the name, with all its addresses at once. Each bears a mark, a TXT record that says
whose it is (in the manner of RFC 4701 and 4703); what does not bear it was written by a person, and is never touched.
"""

import dataclasses
import datetime
import enum
import ipaddress
import zlib
from collections.abc import Iterable, Iterator

from netplugin import model, pairs

Address = ipaddress.IPv4Address
TTL = 60  # seconds; a name that moves is soon known to have moved
_VERSION = "v=fullhost1"
_PROBE = "_fullhost-probe"


class Phase(enum.StrEnum):
    """How far a registration is; it is written down before each step outside."""

    CLAIMING = "claiming"  # the updates are under way
    HELD = "held"  # the zone has it
    LEAVING = "leaving"  # it is to go from the zone, as far as it got there


class Kind(enum.StrEnum):
    """The types of records that a registration is made of."""

    A = "A"
    AAAA = "AAAA"
    CNAME = "CNAME"
    PTR = "PTR"
    TXT = "TXT"


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Registration:
    """A name of a domain at an address, with all that it takes to take it back when its network is gone.

    `address6` is the IPv6 one that goes with it (ipv6.beside); one that was registered before there were such has none.
    `container` is the one whose name it is, once it is known; `own` says that the name is the container's own one, and
    not that of an option: then it follows when the container is renamed.
    """

    network_id: str
    domain: str
    server: model.Server
    name: str
    address: Address
    phase: Phase
    created: datetime.datetime
    container: str | None = None
    own: bool = False
    address6: ipaddress.IPv6Address | None = None

    @property
    def addresses(self) -> pairs.Pair:
        """Its addresses of both versions."""
        return pairs.Pair(four=self.address, six=self.address6)

    @property
    def host(self) -> str:
        """The name with its domain, absolute."""
        return f"{self.name}.{self.domain}."

    @property
    def reverses(self) -> tuple[str, ...]:
        """The names of its addresses in the reverse zones, absolute."""
        return tuple(map(reverse, self.addresses))


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Container:
    """A container as the engine lists it, running or not, with the ids of its endpoints."""

    id: str
    name: str
    endpoints: frozenset[str]


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Datum:
    """The type and the text of a record, as in a zone file."""

    kind: Kind
    text: str


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """One update of the records of one name: all of it or nothing.

    `zone` is that of the name, None where it has to be found. `absent` is the prerequisite that nobody has the name
    (RFC 2136, 2.4.5), `lacking` that it has no record of these types (2.4.3), `present` that these are all the records
    of theirs (2.4.2).
    """

    name: str
    zone: str | None = None
    absent: bool = False
    lacking: tuple[Kind, ...] = ()
    present: tuple[Datum, ...] = ()
    drop: tuple[Datum, ...] = ()
    clear: tuple[Kind, ...] = ()
    add: tuple[Datum, ...] = ()


def mark(owner: str, network_id: str) -> str:
    """Return the text of the mark: of which driver a record is, and for which of its networks."""
    return f"{_VERSION} host={owner} network={network_id[:12]}"


def owner(text: str) -> str | None:
    """Return the driver that a mark names; None where the text is no mark."""
    version, *words = text.split(" ")
    facts = dict(word.partition("=")[::2] for word in words)
    return facts.get("host") if version == _VERSION else None


def candidates(network: model.Network, name: str) -> Iterator[Address]:
    """Yield the addresses of the dynamic range, beginning at a place that follows from the name.

    So hosts that share the range do not all try for the same address first, and a name tends to get its last one again.
    """
    size = network.range.num_addresses
    first = zlib.crc32(name.encode()) % size
    edges = {network.subnet.network_address, network.subnet.broadcast_address, network.gateway}
    for step in range(size):
        address = network.range[(first + step) % size]
        if address not in edges:
            yield address


def reverse(address: pairs.Address) -> str:
    """Return the name of an address in its reverse zone, absolute (RFC 1035, 3.5; RFC 3596, 2.5)."""
    return f"{address.reverse_pointer}."


def claim_pointers(wish: Registration, text: str) -> tuple[Change, ...]:
    """Return the updates that take the addresses, each unless anybody has it."""
    add = _pointer(wish.host), _text(text)
    return tuple(Change(name=place, absent=True, add=add) for place in wish.reverses)


def claim_name(wish: Registration, text: str) -> Change:
    """Return the update that takes the name, unless it has any record."""
    return Change(name=wish.host, zone=wish.domain, absent=True, add=(*_data(wish.addresses), _text(text)))


def redirect(wish: Registration, text: str) -> Change:
    """Return the update that gives a name of our own other addresses."""
    data, ours = _data(wish.addresses), (_text(text),)
    return Change(name=wish.host, zone=wish.domain, present=ours, clear=tuple(d.kind for d in data), add=data)


def release_name(held: Registration, text: str) -> Change:
    """Return the update that takes the name out of the zone, if it is our own and still has the addresses."""
    ours = (*_data(held.addresses), _text(text))
    return Change(name=held.host, zone=held.domain, present=ours, drop=ours)


def release_pointers(held: Registration, text: str) -> tuple[Change, ...]:
    """Return the updates that give the addresses back, each if it is our own and still of the name."""
    ours = (_pointer(held.host), _text(text))
    return tuple(Change(name=place, present=ours, drop=ours) for place in held.reverses)


def repoint(held: Registration, name: str, text: str) -> tuple[Change, ...]:
    """Return the updates that make addresses of our own those of another name of the domain."""
    old, new = _pointer(held.host), _pointer(f"{name}.{held.domain}.")
    return tuple(Change(name=place, present=(old, _text(text)), drop=(old,), add=(new,)) for place in held.reverses)


def point(address: pairs.Address, host: str) -> Change:
    """Return the update that takes an address for a person's name, unless anybody has it."""
    return Change(name=reverse(address), absent=True, add=(_pointer(host),))


def unpoint(address: pairs.Address, host: str) -> Change:
    """Return the update that takes the pointer away, if it leads to the name and to nothing else."""
    return Change(name=reverse(address), present=(_pointer(host),), drop=(_pointer(host),))


def enter(host: str, given: Iterable[pairs.Address], zone: str) -> Change:
    """Return the update that writes a person's name, unless it has any record."""
    return Change(name=host, zone=zone, absent=True, add=_data(given))


def enter_beside(host: str, given: Iterable[pairs.Address], zone: str) -> Change:
    """Return the update that writes addresses of a version that a person's name lacks; an alias can have none."""
    data = _data(given)
    lacking = (Kind.CNAME, *(datum.kind for datum in data))
    return Change(name=host, zone=zone, lacking=lacking, add=data)


def strike(host: str, given: Iterable[pairs.Address], zone: str) -> Change:
    """Return the update that takes a name's addresses away, if those are all that it has."""
    return Change(name=host, zone=zone, present=(data := _data(given)), drop=data)


def probes(network: model.Network) -> tuple[Change, ...]:
    """Return updates of the zone and of the reverse zones that need the key's permission, and change nothing.

    They delete what is not there: a server looks at who asks before it looks for that (RFC 2136, 3.3 and 3.4).
    """
    six = None if network.subnet6 is None else network.subnet6.network_address
    places = map(reverse, pairs.Pair(four=network.subnet.network_address, six=six))
    forward = Change(name=f"{_PROBE}.{network.domain}.", zone=network.domain, clear=(Kind.TXT,))
    return forward, *(Change(name=f"{_PROBE}.{place}", clear=(Kind.TXT,)) for place in places)


def keyless(what: str) -> model.Cannot:
    """Return the refusal of what takes an update key."""
    return model.Cannot(
        what,
        why="the driver has no update key",
        hint="give it one with FULLHOST_UPDATE_KEY_FILE, or write the record into the zone",
        reason=model.Reason.MISSING,
    )


def _data(given: Iterable[pairs.Address]) -> tuple[Datum, ...]:
    return tuple(Datum(kind=Kind.A if one.version == 4 else Kind.AAAA, text=str(one)) for one in given)


def _pointer(host: str) -> Datum:
    return Datum(kind=Kind.PTR, text=host)


def _text(text: str) -> Datum:
    return Datum(kind=Kind.TXT, text=f'"{text}"')
