"""The addresses of one machine: of IPv4, of IPv6, or of both."""

import dataclasses
import ipaddress
from collections.abc import Iterator

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Pair:
    """What a machine has of either version; one with neither is there before anything was given."""

    four: ipaddress.IPv4Address | None = None
    six: ipaddress.IPv6Address | None = None

    def __iter__(self) -> Iterator[Address]:
        """Yield those that are there, IPv4 first."""
        yield from (address for address in (self.four, self.six) if address is not None)

    def __str__(self) -> str:
        """Return them as a sentence names them."""
        return " and ".join(map(str, self)) or "no address"
