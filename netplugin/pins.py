"""What the port of a machine may send: who it was given to be, and nobody else, as elements of sets of nftables.

The rules are the same for all machines (netplugin.frames); each machine has its elements.
"""

import dataclasses
import ipaddress
import sys
from collections.abc import Iterable, Iterator, Mapping

from netplugin import frames, model, naming, nftables

ALL_GROUPS = 0xFFFD  # but for 01, of Ethernet's own PAUSE, which the bridge drops, and the kernel would refuse here
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Flags:
    """The flags of a bridge's port.

    `isolated` is the bridge's own way to keep ports from each other: it costs nothing, and stands without any rules.
    `groups` are the link-local addresses 01:80:c2:00:00:00 to 0f that are forwarded as any other, each a bit. Of itself
    the bridge takes such frames before it asks any rules, and learns the sender's address from them (br_handle_frame):
    by one, a machine could have its neighbour's frames sent to itself. As any other they meet the rules and stop.
    """

    isolated: bool
    groups: int


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Pin:
    """What is pinned to a port of a bridge: its machine's hardware address and its addresses, of either version.

    `open` lets it send what it likes; an `isolated` one reaches no other isolated port of the bridge.
    """

    port: str
    mac: str
    addresses: tuple[Address, ...]
    open: bool
    isolated: bool

    @property
    def free(self) -> bool:
        """Whether there is nothing to pin or to flag."""
        return self.open and not self.isolated

    @property
    def flags(self) -> Flags:
        """The flags of the port."""
        return Flags(isolated=self.isolated, groups=0 if self.open else ALL_GROUPS)

    @property
    def elements(self) -> frozenset[nftables.Element]:
        """The elements of the sets; an open port has none."""
        if self.open:
            return frozenset()
        found: set[tuple[str, tuple[str | Address, ...]]]
        found = {("ports", ()), ("hosts", (self.mac,)), ("owners", (self.mac,))}
        for address in (*self.addresses, link_local(self.mac)):
            if isinstance(address, ipaddress.IPv4Address):
                found |= {("inet4", (self.mac, address)), ("senders", (self.mac, self.mac, address))}
            else:
                found |= {("inet6", (self.mac, address)), ("targets", (self.mac, address))}
        return frozenset(nftables.Element(name, _key(self.port, *of)) for name, of in found)


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Standing:
    """What the kernel has: the table, if `there`, and `sealed` as it was written; its elements, and what it counted.

    `elements` has the keys of each set, `links` are all veths, `ports` those of bridges.
    """

    there: bool
    sealed: bool
    elements: Mapping[str, frozenset[bytes]]
    counts: dict[bytes, int]
    links: frozenset[str]
    ports: dict[str, Flags]


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Repairs:
    """What is not as it should be: to `write` the table, to `add` and `delete` elements, ports to `flag`."""

    write: bool
    add: frozenset[nftables.Element]
    delete: frozenset[nftables.Element]
    flag: tuple[Pin, ...]

    @property
    def details(self) -> tuple[str, ...]:
        """What it is, for the log."""
        ports = {port_of(element.key) for element in self.add | self.delete} | {wish.port for wish in self.flag}
        return (*([f"nft table bridge {frames.TABLE}"] if self.write else []), *sorted(ports))


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Stopped:
    """How many frames of a port were stopped, and why."""

    port: str
    why: frames.Why
    count: int


def pin(endpoint: model.Endpoint, network: model.Network) -> Pin:
    """Return what is pinned to the port of an endpoint."""
    return Pin(
        port=naming.veth(endpoint.id).host,
        mac=endpoint.mac,
        addresses=tuple(endpoint.addresses),
        open=not endpoint.antispoof,
        isolated=network.isolate,
    )


def link_local(mac: str) -> ipaddress.IPv6Address:
    """Return the link-local address that follows from a hardware address (RFC 4291, appendix A), the kernel's own."""
    octets = bytes.fromhex(mac.replace(":", ""))
    interface = bytes([octets[0] ^ 0x02]) + octets[1:3] + b"\xff\xfe" + octets[3:]
    return ipaddress.IPv6Address(b"\xfe\x80" + bytes(6) + interface)


def port_of(key: bytes) -> str:
    """Return the port with which every key begins."""
    return key[:16].rstrip(b"\0").decode(errors="replace")


def repairs(wishes: Iterable[Pin], found: Standing, *, needed: bool) -> Repairs:
    """Return what has to be done for the wishes; the table is `needed` also before the first of them.

    A port that is there and that nobody wishes is of a machine of a state file that was lost; it stays as it is.
    """
    beyond = {name: set(keys) for name, keys in found.elements.items()}
    missing, flag, names = set[nftables.Element](), list[Pin](), set[str]()
    for wish in wishes:  # one after the other: of a thousand machines only what is not right is kept
        if wish.port in found.ports:
            names.add(wish.port)
            needed = needed or not wish.open
            for element in wish.elements:
                if element.key in found.elements.get(element.set, ()):
                    beyond[element.set].discard(element.key)
                else:
                    missing.add(element)
            if wish.flags != found.ports[wish.port]:
                flag.append(wish)
    return Repairs(
        write=needed and not found.sealed,
        add=frozenset(missing),
        delete=frozenset(element for element in _each(beyond) if port_of(element.key) in names),
        flag=tuple(flag),
    )


def stale(found: Standing) -> frozenset[nftables.Element]:
    """Return what is of ports that are gone: their names never come again."""
    standing = {**found.elements, frames.STOPPED: found.counts.keys()}
    return frozenset(element for element in _each(standing) if port_of(element.key) not in found.links)


def stopped(counts: dict[bytes, int]) -> tuple[Stopped, ...]:
    """Return what the set of what was stopped says, each key a port and a mark."""
    reasons = {why.mark: why for why in frames.Why}
    found = ((key, reasons.get(int.from_bytes(key[16:20], sys.byteorder)), count) for key, count in counts.items())
    return tuple(Stopped(port=port_of(key), why=why, count=count) for key, why, count in found if why is not None)


def _each(sets: Mapping[str, Iterable[bytes]]) -> Iterator[nftables.Element]:
    return (nftables.Element(name, key) for name, keys in sets.items() for key in keys)


def _key(port: str, *rest: str | Address) -> bytes:
    """Return a key as the kernel's registers have it: each part filled up to whole words, an interface 16 octets."""
    key = port.encode().ljust(16, b"\0")
    for part in rest:
        octets = bytes.fromhex(part.replace(":", "")) if isinstance(part, str) else part.packed
        key += octets + bytes(-len(octets) % 4)
    return key
