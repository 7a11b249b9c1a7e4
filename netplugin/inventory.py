"""The zone as the inventory: its names with their addresses."""

import dataclasses
import ipaddress

from netplugin import pairs


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Record:
    """A name of the zone, relative to it, with its addresses: those inside the subnet, where all names are listed."""

    name: str
    addresses: tuple[ipaddress.IPv4Address, ...] = ()
    addresses6: tuple[ipaddress.IPv6Address, ...] = ()

    @property
    def all(self) -> tuple[pairs.Address, ...]:
        """Its addresses of both versions, IPv4 first."""
        return (*self.addresses, *self.addresses6)


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """A name of the zone with its addresses in the network, and the driver whose mark it bears, if any."""

    name: str
    addresses: tuple[pairs.Address, ...]
    owner: str | None


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Fleet:
    """A zone as the inventory: records by name, and for addresses with several names the one in the PTR.

    `texts` are the TXT records of `_fhv.NAME` by NAME, each the character-strings of one record (RFC 1035, 3.3.14).
    """

    serial: int
    records: tuple[Record, ...]
    pointers: dict[pairs.Address, str]
    texts: dict[str, tuple[tuple[str, ...], ...]] = dataclasses.field(default_factory=dict)
