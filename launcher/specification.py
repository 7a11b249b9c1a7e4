"""What is asked of a machine, and what of it can be set while it lives."""

import dataclasses
import enum
from collections.abc import Mapping


class Resolver(enum.StrEnum):
    """Whom a machine asks for names: the engine's own server in its network namespace, or that of the zone itself."""

    ENGINE = "engine"
    DIRECT = "direct"


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Spec:
    """What the configuration and the zone ask of one machine; memory in bytes, cpus in cores, 0 where nothing is said.

    `after` are the machines that have to be up first; the highest `priority` starts first; `delay`, in seconds, is
    what passes before those that come after it.
    """

    image: str
    network: str
    memory: int = 0
    cpus: float = 0.0
    volumes: tuple[str, ...] = ()
    environment: Mapping[str, str] = dataclasses.field(default_factory=dict)
    autostart: bool = True
    priority: int = 0
    delay: float = 0.0
    after: tuple[str, ...] = ()
    resolver: Resolver = Resolver.ENGINE


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """What is to be set on a machine: memory in bytes and cpus in cores; None is left as it is."""

    memory: int | None = None
    cpus: float | None = None
    autostart: bool | None = None


def size(octets: int) -> str:
    """Write a size as docker takes it: 512m, 2g."""
    for unit, number in (("g", 1024**3), ("m", 1024**2), ("k", 1024)):
        if octets % number == 0:
            return f"{octets // number}{unit}"
    return str(octets)
