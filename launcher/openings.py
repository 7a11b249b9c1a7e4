"""Ports of the host that lead to machines, as the driver tells them."""

import dataclasses
from collections.abc import Iterable, Mapping


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Exposure:
    """A port of the host that leads to a machine's; `host` is empty for all of its addresses.

    `lasting` ones are by `fhv expose`, the others by `docker run -p`; `address` is where it leads now, if anywhere.
    """

    network: str
    name: str
    host: str
    host_port: int
    port: int
    transport: str
    address: str | None
    lasting: bool

    def __str__(self) -> str:
        """Return the exposure as people write it: 8080:80/tcp."""
        host = f"{self.host}:" if self.host else ""
        return f"{host}{self.host_port}:{self.port}/{self.transport}"


def by_name(exposures: Iterable[Exposure]) -> Mapping[str, tuple[str, ...]]:
    """Return what each name is exposed as."""
    found = dict[str, tuple[str, ...]]()
    for exposed in exposures:
        found[exposed.name] = (*found.get(exposed.name, ()), str(exposed))
    return found
