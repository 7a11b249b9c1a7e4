"""The addresses of one machine: of IPv4, of IPv6, or of both."""

import dataclasses
import ipaddress
from collections.abc import Iterator

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Pair:
    """What a machine has of either version; one that does not run has neither."""

    four: ipaddress.IPv4Address | None = None
    six: ipaddress.IPv6Address | None = None

    def __iter__(self) -> Iterator[Address]:
        """Yield those that are there, IPv4 first."""
        yield from (address for address in (self.four, self.six) if address is not None)

    def __str__(self) -> str:
        """Write them as a column has them."""
        return " ".join(map(str, self))


def pair(four: str | None, six: str | None) -> Pair:
    """Read both; what is empty is not there. ValueError where one is no such address."""
    return Pair(
        four=ipaddress.IPv4Address(four) if four else None,
        six=ipaddress.IPv6Address(six) if six else None,
    )


def order(address: Address) -> tuple[int, int]:
    """Give the place of an address among those of both versions."""
    return address.version, int(address)
