"""Ports of the host that lead to machines: how people and the engine write them, which are free, which lead where."""

import dataclasses
import enum
import ipaddress
import re
from collections.abc import Callable, Iterable, Iterator, Mapping

from netplugin import model

# The kernel's own choice for ports that nobody chose (net.ipv4.ip_local_port_range), as Docker takes it for -P.
CHOICE = range(32768, 61000)
MOST = 1024  # ports in one request: each is an element of a map, and a socket
_PUBLISHED = re.compile(r"(?:(?P<host>[^:/]*):)?(?:(?P<outer>[0-9-]*):)?(?P<inner>[0-9-]+)(?:/(?P<transport>\w+))?")
_SYNTAX = "[HOSTIP:]PORT:PORT[/udp]"


class Transport(enum.StrEnum):
    """What a port is one of."""

    TCP = "tcp"
    UDP = "udp"
    SCTP = "sctp"


NUMBERS: Mapping[int, Transport] = {6: Transport.TCP, 17: Transport.UDP, 132: Transport.SCTP}  # IANA, as the engine


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Wish:
    """A port of a machine that the world may see, at one of the host's ports `among`; `host` is None for all of it."""

    transport: Transport
    host: ipaddress.IPv4Address | None
    among: range
    port: int


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Exposure:
    """A port of the host that leads to a machine's: of a name for good (fhv), or of an endpoint while it lasts (-p)."""

    network_id: str
    name: str | None
    endpoint_id: str | None
    transport: Transport
    host: ipaddress.IPv4Address | None
    host_port: int
    port: int

    def __str__(self) -> str:
        """Return the exposure as people write it: 8080:80/tcp."""
        host = f"{self.host}:" if self.host else ""
        return f"{host}{self.host_port}:{self.port}/{self.transport}"


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Way:
    """An exposure that leads somewhere now: to the address of an endpoint that has joined."""

    exposure: Exposure
    address: ipaddress.IPv4Address


def parse(text: str) -> tuple[Wish, ...]:
    """Return what `[HOSTIP:]PORT:PORT[/udp]` asks for, ranges of the same length port by port."""
    found = _PUBLISHED.fullmatch(text)
    if found is None:
        raise _refused(text, f"it is not {_SYNTAX}")
    host, outer, inner = found["host"], found["outer"], found["inner"]
    if outer is None and host is not None and re.fullmatch(r"[0-9-]+", host):
        host, outer = None, host
    transport, inside = _transport(text, found["transport"] or "tcp"), _range(text, inner)
    address = _host(text, host or "")
    if not outer:
        return tuple(Wish(transport=transport, host=address, among=CHOICE, port=port) for port in inside)
    outside = _range(text, outer)
    if len(inside) == 1:
        return (Wish(transport=transport, host=address, among=outside, port=inside[0]),)
    if len(inside) != len(outside):
        raise _refused(text, "the two ranges are not of one length")
    pairs = zip(outside, inside, strict=True)
    return tuple(Wish(transport=transport, host=address, among=range(o, o + 1), port=i) for o, i in pairs)


def of_engine(*, number: int, host: str, first: int, last: int, port: int) -> Wish:
    """Return what a binding of the engine asks for (libnetwork/types.PortBinding): port 0 is one of our choice."""
    text = f"{host}:{first or ''}:{port}".lstrip(":")
    if number not in NUMBERS:
        raise _refused(text, f"the protocol {number} has no ports")
    if not all(0 <= p < 65536 for p in (first, last, port)) or not port:
        raise _refused(text, "a port is 1 to 65535")
    among = range(first, max(first, last) + 1) if first else CHOICE
    return Wish(transport=NUMBERS[number], host=_host(text, host), among=among, port=port)


def choose(
    wishes: Iterable[Wish],
    standing: Iterable[Exposure],
    *,
    make: Callable[[Wish, int], Exposure],
    in_use: Callable[[Exposure], str | None],
    owner: Callable[[Exposure], str],
) -> tuple[Exposure, ...]:
    """Return an exposure for each wish, or refuse all: with a port that no other exposure and nobody on the host has.

    `in_use` tells why the host cannot give a port, None where it can, `owner` whose an exposure is.
    """
    taken, made = list(standing), list[Exposure]()
    for wish in wishes:
        why = "no port is free"
        for number in wish.among:
            candidate = make(wish, number)
            other = next((t for t in taken if clashes(candidate, t)), None)
            reason = f"{owner(other)} has it, as {other}" if other else in_use(candidate)
            if reason is None:
                taken.append(candidate)
                made.append(candidate)
                break
            why = reason if len(wish.among) == 1 else why
        else:
            raise _taken(wish, why)
    return tuple(made)


def clashes(one: Exposure, other: Exposure) -> bool:
    """Tell whether two exposures want the same port of the host."""
    same = (one.transport, one.host_port) == (other.transport, other.host_port)
    return same and (one.host is None or other.host is None or one.host == other.host)


def ways(exposures: Iterable[Exposure], endpoints: Iterable[model.Endpoint], network_id: str) -> tuple[Way, ...]:
    """Return the exposures of a network that lead somewhere now, in an order that does not depend on theirs."""
    seated = [e for e in endpoints if e.network_id == network_id and e.sandbox is not None and not e.left]
    by_id, by_name = {e.id: e for e in seated}, {e.name: e for e in seated if e.name is not None}
    found = []
    for exposed in exposures:
        if exposed.network_id != network_id:
            continue
        endpoint = by_id.get(exposed.endpoint_id or "") or by_name.get(exposed.name or "")
        if endpoint is not None and endpoint.address is not None:
            found.append(Way(exposure=exposed, address=endpoint.address))
    return tuple(sorted(found, key=lambda way: str(way.exposure)))


def unserved(endpoint: model.Endpoint) -> model.Cannot:
    """Return the refusal of ports of a machine that no port can lead to."""
    return model.Cannot(
        f"publish ports of {endpoint.name}",
        why=f"it has {endpoint.addresses} alone, and ports of the host lead to IPv4 addresses",
        hint=f"give {endpoint.name} an A record as well, or reach it at its own address",
    )


def selected(texts: Iterable[str], mine: tuple[Exposure, ...], *, name: str) -> tuple[Exposure, ...]:
    """Return those of a machine's exposures that the texts name, all without a text; an unknown one is refused."""
    chosen = list[Exposure]()
    for text in texts:
        found = [e for wish in parse(text) for e in mine if _meant(wish, e)]
        if not found:
            have = ", ".join(map(str, mine)) or "none"
            raise model.Cannot(
                f"take {text[:80]} from {name}",
                why=f"its exposures are: {have}",
                hint=f"type: fhv unexpose {name} [{_SYNTAX} …]",
                reason=model.Reason.MISSING,
            )
        chosen += found
    return tuple(dict.fromkeys(chosen)) if chosen else mine


def _meant(wish: Wish, exposed: Exposure) -> bool:
    same = (wish.transport, wish.host, wish.port) == (exposed.transport, exposed.host, exposed.port)
    return same and exposed.host_port in wish.among


def sets(ways_: tuple[Way, ...]) -> Iterator[tuple[Transport, bool, tuple[Way, ...]]]:
    """Yield what one rule can lead: by transport, and by whether they are of one address of the host."""
    for transport in Transport:
        for bound in (True, False):
            of = tuple(w for w in ways_ if w.exposure.transport is transport and bool(w.exposure.host) is bound)
            if of:
                yield transport, bound, of


def _transport(text: str, name: str) -> Transport:
    try:
        return Transport(name.lower())
    except ValueError:
        raise _refused(text, f"the protocol is one of {', '.join(Transport)}") from None


def _range(text: str, ports: str) -> range:
    first, _, last = ports.partition("-")
    numbers = [int(n) if n.isdigit() and len(n) <= 5 else 0 for n in (first, last or first)]
    if not 0 < numbers[0] <= numbers[1] < 65536 or numbers[1] - numbers[0] >= MOST:
        raise _refused(text, f"a port is 1 to 65535, and a range rises by at most {MOST} of them")
    return range(numbers[0], numbers[1] + 1)


def _host(text: str, address: str) -> ipaddress.IPv4Address | None:
    """Return the host's address, None for all: Go writes an address that is none as an empty text."""
    try:
        parsed = ipaddress.IPv4Address(address) if address else None
    except ValueError:
        raise _refused(text, f"{address[:60]!r} is no IPv4 address of this host") from None
    return None if parsed is None or parsed.is_unspecified else parsed


def _refused(text: str, why: str) -> model.Cannot:
    return model.Cannot(f"publish {text[:80]!r}", why=why, hint=f"a port is published as {_SYNTAX}, such as 8080:80")


def _taken(wish: Wish, why: str) -> model.Cannot:
    ports = str(wish.among[0]) if len(wish.among) == 1 else f"{wish.among[0]}-{wish.among[-1]}"
    host = f"{wish.host}:" if wish.host else ""
    return model.Cannot(
        f"publish {host}{ports}:{wish.port}/{wish.transport}",
        why=why,
        hint="see fhv exposures and ss -tulpn, and take another port of the host",
        reason=model.Reason.CONFLICT,
    )
