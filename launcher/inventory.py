"""The zone as the driver transfers it: the inventory, before anything is decided about it."""

import dataclasses
import ipaddress
from collections.abc import Mapping

from launcher import pairs


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Record:
    """One name of the zone, relative to its domain, with those of its addresses that lie in the network."""

    name: str
    addresses: tuple[pairs.Address, ...]

    @property
    def scattered(self) -> bool:
        """Say whether it has several addresses of one version, and none is the one."""
        versions = [address.version for address in self.addresses]
        return len(set(versions)) < len(versions)

    @property
    def pair(self) -> pairs.Pair:
        """The one address of either version, of a name that is not scattered."""
        found = {address.version: str(address) for address in self.addresses}
        return pairs.pair(found.get(4), found.get(6))


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Zone:
    """What DNS says of a network: PTR names of addresses with several names, TXT strings of `_fhv.NAME` by NAME."""

    domain: str
    gateway: ipaddress.IPv4Address
    subnet: ipaddress.IPv4Network
    records: tuple[Record, ...]
    pointers: Mapping[pairs.Address, str]
    texts: Mapping[str, tuple[tuple[str, ...], ...]] = dataclasses.field(default_factory=dict)
    gateway6: ipaddress.IPv6Address | None = None
    subnet6: str | None = None

    @property
    def gateways(self) -> frozenset[pairs.Address]:
        """The addresses that are this host."""
        return frozenset(pairs.Pair(four=self.gateway, six=self.gateway6))

    @property
    def where(self) -> str:
        """The subnet, and the prefix of IPv6 where there is one, for a sentence."""
        return " or ".join(filter(None, (str(self.subnet), self.subnet6)))
