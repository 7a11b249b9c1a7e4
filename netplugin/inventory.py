"""The zone as the inventory: its names with their addresses."""

import dataclasses
import ipaddress


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Record:
    """A name of the zone, relative to it, with its addresses inside the subnet."""

    name: str
    addresses: tuple[ipaddress.IPv4Address, ...]


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Fleet:
    """A zone as the inventory: records by name, and for addresses with several names the one in the PTR.

    `texts` are the TXT records of `_fhv.NAME` by NAME, each the character-strings of one record (RFC 1035, 3.3.14).
    """

    serial: int
    records: tuple[Record, ...]
    pointers: dict[ipaddress.IPv4Address, str]
    texts: dict[str, tuple[tuple[str, ...], ...]] = dataclasses.field(default_factory=dict)
