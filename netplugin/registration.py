"""Names that the zone does not list, registered by the driver: which address, which records, under which conditions.

Several hosts may share a DNS server. What makes a registration one host's alone is the server: an update takes place
whole and only if its prerequisites hold (RFC 2136, 2.4 and 3.2). The pointer is claimed first, and is the lock of the
address; then the name. Each bears a mark, a TXT record that says whose it is (in the manner of RFC 4701 and 4703), and
what does not bear it was written by a person, and is never touched.
"""

import dataclasses
import datetime
import enum
import ipaddress
import zlib
from collections.abc import Iterator

from netplugin import model

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
    PTR = "PTR"
    TXT = "TXT"


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Registration:
    """A name of a domain at an address, with all that it takes to take it back when its network is gone.

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

    @property
    def host(self) -> str:
        """The name with its domain, absolute."""
        return f"{self.name}.{self.domain}."

    @property
    def reverse(self) -> str:
        """The name of the address in the reverse zone, absolute."""
        return f"{self.address.reverse_pointer}."


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Container:
    """A container as the engine lists it, running or not, with the ids of its endpoints."""

    id: str
    name: str
    endpoints: frozenset[str]


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """A name of a zone with its addresses in the subnet, and the driver whose mark it bears, if any."""

    name: str
    addresses: tuple[Address, ...]
    owner: str | None


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Datum:
    """The type and the text of a record, as in a zone file."""

    kind: Kind
    text: str


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """One update of the records of one name: all of it or nothing.

    `zone` is that of the name, None where it has to be found. `absent` is the prerequisite that nobody has the name
    (RFC 2136, 2.4.5), `present` that these are all the records of their types (2.4.2).
    """

    name: str
    zone: str | None = None
    absent: bool = False
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


def claim_pointer(wish: Registration, text: str) -> Change:
    """Return the update that takes the address, unless anybody has it."""
    return Change(name=wish.reverse, absent=True, add=(_pointer(wish.host), _text(text)))


def claim_name(wish: Registration, text: str) -> Change:
    """Return the update that takes the name, unless it has any record."""
    return Change(name=wish.host, zone=wish.domain, absent=True, add=(_address(wish), _text(text)))


def redirect(wish: Registration, text: str) -> Change:
    """Return the update that gives a name of our own another address."""
    return Change(name=wish.host, zone=wish.domain, present=(_text(text),), clear=(Kind.A,), add=(_address(wish),))


def release_name(held: Registration, text: str) -> Change:
    """Return the update that takes the name out of the zone, if it is our own and still has the address."""
    ours = (_address(held), _text(text))
    return Change(name=held.host, zone=held.domain, present=ours, drop=ours)


def release_pointer(held: Registration, text: str) -> Change:
    """Return the update that gives the address back, if it is our own and still of the name."""
    ours = (_pointer(held.host), _text(text))
    return Change(name=held.reverse, present=ours, drop=ours)


def repoint(held: Registration, name: str, text: str) -> Change:
    """Return the update that makes an address of our own that of another name of the domain."""
    old, new = _pointer(held.host), _pointer(f"{name}.{held.domain}.")
    return Change(name=held.reverse, present=(old, _text(text)), drop=(old,), add=(new,))


def point(reverse: str, host: str) -> Change:
    """Return the update that takes an address for a person's name, unless anybody has it."""
    return Change(name=reverse, absent=True, add=(_pointer(host),))


def unpoint(reverse: str, host: str) -> Change:
    """Return the update that takes the pointer away, if it leads to the name and to nothing else."""
    return Change(name=reverse, present=(_pointer(host),), drop=(_pointer(host),))


def enter(host: str, address: Address, zone: str) -> Change:
    """Return the update that writes a person's name, unless it has any record."""
    return Change(name=host, zone=zone, absent=True, add=(Datum(kind=Kind.A, text=str(address)),))


def strike(host: str, addresses: tuple[Address, ...], zone: str) -> Change:
    """Return the update that takes a name's addresses away, if those are all that it has."""
    data = tuple(Datum(kind=Kind.A, text=str(address)) for address in addresses)
    return Change(name=host, zone=zone, present=data, drop=data)


def probes(network: model.Network) -> tuple[Change, ...]:
    """Return updates of the zone and of the reverse zone that need the key's permission, and change nothing.

    They delete what is not there: a server looks at who asks before it looks for that (RFC 2136, 3.3 and 3.4).
    """
    name, reverse = f"{_PROBE}.{network.domain}.", f"{_PROBE}.{network.subnet.network_address.reverse_pointer}."
    return Change(name=name, zone=network.domain, clear=(Kind.TXT,)), Change(name=reverse, clear=(Kind.TXT,))


def keyless(what: str) -> model.Cannot:
    """Return the refusal of what takes an update key."""
    return model.Cannot(
        what,
        why="the driver has no update key",
        hint="give it one with FULLHOST_UPDATE_KEY_FILE, or write the record into the zone",
        reason=model.Reason.MISSING,
    )


def foreign(wish: Registration) -> model.Cannot:
    """Return the refusal of a name that is not free."""
    return model.Cannot(
        f"register {wish.host.rstrip('.')}",
        why="the zone has records of that name, without an A record, or another host registered it meanwhile",
        hint="see what dig says; write its A record into the zone, or give the container another name",
        reason=model.Reason.CONFLICT,
    )


def full(name: str, network: model.Network, only: Address | None) -> model.Cannot:
    """Return the refusal of a name for which there is no address; `only` is the one that it would have to be."""
    if only is not None:
        giver = "a DHCP server" if network.unlisted is model.Unlisted.DHCP else "the engine"
        why, hint = f"{only}, which {giver} gave it, is another name's in DNS", "start it again, or give it an --ip"
    else:
        why = f"the range {network.range} has no free address"
        hint = f"remove containers that are not needed, or write {name} into the zone {network.domain}"
    return model.Cannot(f"register {name}.{network.domain}", why=why, hint=hint, reason=model.Reason.CONFLICT)


def _address(of: Registration) -> Datum:
    return Datum(kind=Kind.A, text=str(of.address))


def _pointer(host: str) -> Datum:
    return Datum(kind=Kind.PTR, text=host)


def _text(text: str) -> Datum:
    return Datum(kind=Kind.TXT, text=f'"{text}"')
