"""Setting up the host: the configuration of the machines' own name server, their first zone, the settings.

Every file is written once, from a template, and belongs to the user from then on.
"""

import contextlib
import dataclasses
import datetime as dt
import ipaddress
import pathlib
import re
import string
from collections.abc import Iterator, Mapping

from launcher import model, nameservice, ports

GATEWAY_NAME = "host"
NAMED_CONF = "named.conf"
DIRECTORY = pathlib.Path("/etc/fullhost")

_LOOPBACK = ipaddress.IPv4Address("127.0.0.1")
_PREFIXES = range(16, 30)  # /16 has a reverse zone that is not other people's, /29 has room for five machines
_BRIDGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,14}")  # IFNAMSIZ of the kernel less its NUL
_IMAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/:@-]*")
_NETWORK = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")  # as the engine has it


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Site:
    """The choices of one host; a port 0 stands for 53 where that is free, else another one that is."""

    subnet: ipaddress.IPv4Network
    gateway: ipaddress.IPv4Address
    domain: str
    bridge: str
    names: tuple[str, ...]
    bridge_port: int
    loopback_port: int
    directory: pathlib.Path
    templates: pathlib.Path
    image: str
    network: str


def configure(
    site: Site,
    *,
    today: dt.date | None = None,
    resolver: pathlib.Path = pathlib.Path("/etc/resolv.conf"),
) -> tuple[pathlib.Path, ...]:
    """Write and return those of the site's files that are not there yet; what is there is the user's."""
    check(site)
    site = _with_ports(site, resolver)
    day = today or dt.datetime.now(tz=dt.UTC).date()
    ours = {site.gateway} | ({_LOOPBACK} if site.loopback_port == ports.DNS else set())
    values = _values(site, serial=f"{day:%Y%m%d}01", servers=_servers(resolver, ours))
    # named.conf first: a run that was cut short finds the chosen ports in it.
    wanted = {
        NAMED_CONF: "named.conf",
        "forwarders.conf": "forwarders.conf",
        f"{site.domain}.zone": "forward.zone",
        f"{values['octets']}.zone": "reverse.zone",
        "driver.env": "driver.env",
        "fhv.toml": "fhv.toml",
    }
    written = []
    with _sentences(site.directory):
        site.directory.mkdir(mode=0o755, parents=True, exist_ok=True)
        for name, template in wanted.items():
            path = site.directory / name
            if not path.exists():
                _write(path, _fill(site.templates / template, values))
                written.append(path)
    return tuple(written)


def check(site: Site) -> None:
    """Refuse a site that the kernel, DNS or the engine would not take, before anything is written."""
    if site.subnet.prefixlen not in _PREFIXES:
        raise model.Cannot(
            f"cannot use the subnet {site.subnet}: it is too large or too small", hint="give a /16 to /29"
        )
    if site.gateway not in site.subnet or site.gateway in (site.subnet[0], site.subnet[-1]):
        raise model.Cannot(
            f"cannot use the gateway {site.gateway}: it is no host of {site.subnet}",
            hint=f"give {site.subnet[1]}",
        )
    for word, pattern, noun in (
        (site.bridge, _BRIDGE, "bridge"),
        (site.image, _IMAGE, "image"),
        (site.network, _NETWORK, "network"),
    ):
        if not pattern.fullmatch(word):
            raise model.Cannot(f"cannot use the {noun} name {word!r}: it has characters that none may have")
    if len(site.domain) > 189 or not all(model.NAME.fullmatch(label) for label in site.domain.split(".")):
        raise model.Cannot(f"cannot use the domain {site.domain!r}: it is no DNS name", hint="give one like `local`")
    _check_names(site)


def _check_names(site: Site) -> None:
    for name in site.names:
        if not model.NAME.fullmatch(name):
            raise model.Cannot(
                f"cannot use the name {name!r}: a machine's name is one DNS label",
                hint="use at most 63 of a-z, 0-9 and -, with no - at either end",
            )
    names = (GATEWAY_NAME, *site.names)
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise model.Cannot(
            f"cannot make the zone: {', '.join(twice)} is there twice", hint="the host has the name `host`"
        )
    if len(names) > site.subnet.num_addresses - 2:
        raise model.Cannot(f"cannot give {len(names)} names an address of {site.subnet}: it is too small")


def _values(site: Site, *, serial: str, servers: tuple[str, ...]) -> Mapping[str, str]:
    """Return what stands for each word of the templates."""
    others = (address for address in site.subnet.hosts() if address != site.gateway)
    table = {GATEWAY_NAME: site.gateway, **dict(zip(site.names, others, strict=False))}
    octets = str(site.subnet.network_address).split(".")[: site.subnet.prefixlen // 8]
    kept = len(octets)
    return {
        "subnet": str(site.subnet),
        "gateway": str(site.gateway),
        "domain": site.domain,
        "bridge": site.bridge,
        "bridge_port": str(site.bridge_port),
        "loopback_port": str(site.loopback_port),
        "directory": str(site.directory),
        "image": site.image,
        "network": site.network,
        "octets": ".".join(octets),
        # Reverse zones end at octets: a /25 gets that of its /24 (RFC 2317 would need the parent's help).
        "reverse": ".".join([*reversed(octets), "in-addr.arpa"]),
        "serial": serial,
        "records": "\n".join(f"{name:<15} IN  A    {address}" for name, address in table.items()),
        "pointers": "\n".join(
            f"{'.'.join(reversed(str(address).split('.')[kept:])):<7} IN  PTR  {name}.{site.domain}."
            for name, address in table.items()
        ),
        "forward": _forward(servers),
    }


def _fill(template: pathlib.Path, values: Mapping[str, str]) -> str:
    return string.Template(template.read_text(encoding="utf-8")).substitute(values)


def _write(path: pathlib.Path, text: str) -> None:
    """Write a file whole or not at all: named may read it at any time."""
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(text, encoding="utf-8")
    partial.chmod(0o644)
    partial.replace(path)


@contextlib.contextmanager
def _sentences(directory: pathlib.Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise model.Cannot(
            f"cannot write the configuration in {directory}: {error}", hint="run this as root"
        ) from error
    except (KeyError, ValueError) as error:
        raise model.Cannot(f"cannot fill in a template: {error}", hint="take it from the release again") from error


def forwarders(resolver: pathlib.Path, directory: pathlib.Path) -> str:
    """Give what the machines' name server in `directory` includes, by the servers that the host itself asks."""
    conf = _read(directory / NAMED_CONF)
    listens = re.findall(rf"listen-on\s+port\s+{ports.DNS}\s*{{\s*([0-9.]+)\s*;", conf)
    return f"{_forward(_servers(resolver, set(map(ipaddress.IPv4Address, listens))))}\n"


def loopback_port(directory: pathlib.Path) -> int:
    """Tell at which port of 127.0.0.1 the machines' name server listens; 0 for none."""
    return _port_in(_read(directory / NAMED_CONF), _LOOPBACK)


def _forward(servers: tuple[str, ...]) -> str:
    listed = " ".join(f"{server};" for server in servers)
    return f"forwarders {{ {listed} }};\nforward only;" if servers else "// the host has no name server to forward to"


def _servers(resolver: pathlib.Path, ours: set[ipaddress.IPv4Address]) -> tuple[str, ...]:
    """Return the name servers that the host itself asks, less those that are ours: it would ask itself for ever."""
    try:
        lines = resolver.read_text(encoding="utf-8").splitlines()
    except OSError:
        return ()
    words = [line.split() for line in lines]
    found = [line[1] for line in words if len(line) > 1 and line[0] == "nameserver"]
    return tuple(dict.fromkeys(server for server in found if _address(server) and server not in set(map(str, ours))))


def _address(text: str) -> bool:
    """Tell an address that named takes as a forwarder; it takes none with a scope (fe80::1%eth0)."""
    try:
        return "%" not in text and bool(ipaddress.ip_address(text))
    except ValueError:
        return False


def _with_ports(site: Site, resolver: pathlib.Path) -> Site:
    """Fill in the ports that are left open: as an earlier run chose them, else from those that are free."""
    earlier = _read(site.directory / NAMED_CONF)
    bridge = site.bridge_port or _port_in(earlier, site.gateway) or ports.beside_other_servers(site.gateway)
    # NetworkManager has its dnsmasq on 127.0.0.1 port 53, as soon as it is told to have one (fhv host resolver on).
    by = nameservice.manager(str(resolver.resolve()), _read(resolver), openresolv=False)
    choose = ports.another if by is nameservice.Manager.NETWORK_MANAGER else ports.free
    loopback = site.loopback_port or _port_in(earlier, _LOOPBACK) or choose(_LOOPBACK)
    return dataclasses.replace(site, bridge_port=bridge, loopback_port=loopback)


def _read(path: pathlib.Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""


def _port_in(conf: str, address: ipaddress.IPv4Address) -> int:
    match = re.search(rf"listen-on\s+port\s+(\d+)\s*{{\s*{re.escape(str(address))}\s*;", conf)
    return int(match[1]) if match else 0
