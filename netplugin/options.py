"""The options of a network: `docker network create -o fullhost.KEY=VALUE`, and FULLHOST_KEY as its default."""

import datetime
import ipaddress
import typing
from collections.abc import Callable, Mapping

from netplugin import ipv6, model, naming, parents

PREFIX = "fullhost."
KEYS = (
    "bridge",
    "subnet",
    "gateway",
    "domain",
    "dns",
    "snat",
    "mtu",
    "range",
    "stale",
    "parent",
    "vlan",
    "address",
    "unlisted",
    "subnet6",
    "gateway6",
    "snat6",
    "antispoof",
    "isolate",
)
DEFAULTS: Mapping[str, str] = {
    "bridge": "br0",
    "subnet": "172.31.0.0/24",
    "domain": "local",
    "snat": "true",
    "mtu": "1500",
    "stale": "serve",
    "parent": parents.NONE,
    "vlan": parents.NONE,
    "unlisted": "refuse",
    "subnet6": ipv6.NONE,
    "snat6": "true",
    "antispoof": "true",
    "isolate": "false",
}
# The engine itself reads these from a network's options (28.0 on); they come along to the driver.
_ENGINE_KEYS = frozenset({"com.docker.network.advertise_addr_nmsgs", "com.docker.network.advertise_addr_ms"})
_SPECIAL = ("0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/3")
_BOOLEANS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}

T = typing.TypeVar("T")


def network(
    network_id: str, given: Mapping[str, str], *, defaults: Mapping[str, str], created: datetime.datetime
) -> model.Network:
    """Return the network that the options ask for; an unknown or malformed one is refused by its name."""
    known = _known(given)
    texts = {**DEFAULTS, **defaults, **known}
    for key in ("gateway", "range", "address"):
        if "subnet" in known and key not in known:
            texts.pop(key, None)  # the default one is of the default subnet
    subnet = _parse(texts, "subnet", machines)
    gateway = _parse({"gateway": str(subnet[1]), **texts}, "gateway", ipaddress.IPv4Address)
    if gateway not in subnet or gateway in (subnet.network_address, subnet.broadcast_address):
        raise _refused("gateway", str(gateway), f"it is no host of {subnet}")
    last_quarter = str(list(subnet.subnets(prefixlen_diff=2))[-1])
    dynamic = _parse({"range": last_quarter, **texts}, "range", ipaddress.IPv4Network)
    if not dynamic.subnet_of(subnet):
        raise _refused("range", str(dynamic), f"it is no part of {subnet}")
    texts |= parents.defaults(texts, known, network_id=network_id, gateway=gateway)
    subnet6 = _parse(texts, "subnet6", ipv6.subnet)
    return model.Network(
        id=network_id,
        bridge=_parse(texts, "bridge", naming.interface),
        subnet=subnet,
        gateway=gateway,
        domain=_parse(texts, "domain", naming.domain),
        dns=_parse({"dns": str(gateway), **texts}, "dns", _server),
        snat=_parse(texts, "snat", _boolean),
        mtu=_parse(texts, "mtu", _mtu),
        range=dynamic,
        stale=_parse(texts, "stale", _stale),
        unlisted=_parse(texts, "unlisted", _unlisted),
        antispoof=_parse(texts, "antispoof", _boolean),
        isolate=_parse(texts, "isolate", _boolean),
        created=created,
        address=_address(texts, gateway, subnet),
        parent=_parse(texts, "parent", parents.parent),
        vlan=_parse(texts, "vlan", parents.vlan),
        subnet6=subnet6,
        gateway6=None if subnet6 is None else _gateway6(texts, known, subnet6),
        snat6=_parse(texts, "snat6", _boolean),
    )


def _gateway6(
    texts: Mapping[str, str], known: Mapping[str, str], subnet6: ipaddress.IPv6Network
) -> ipaddress.IPv6Address:
    """Return the IPv6 gateway: the first address of the prefix after the routers' anycast one, if none is given."""
    given = texts if "subnet6" not in known or "gateway6" in known else {}
    gateway = _parse({"gateway6": str(subnet6[1]), **given}, "gateway6", ipaddress.IPv6Address)
    if gateway not in subnet6 or gateway == subnet6.network_address:
        raise _refused("gateway6", str(gateway), f"it is no host of {subnet6}")
    return gateway


def _address(
    texts: Mapping[str, str], gateway: ipaddress.IPv4Address, subnet: ipaddress.IPv4Network
) -> ipaddress.IPv4Address | None:
    """Return the bridge's own address, and refuse what does not go with it or with the lack of one."""
    address = _parse(texts, "address", parents.address)
    if address is not None and (address not in subnet or address in (subnet.network_address, subnet.broadcast_address)):
        raise _refused("address", str(address), f"it is no host of {subnet}")
    if address != gateway and _parse(texts, "snat", _boolean):
        raise _refused("snat", texts["snat"], f"machines go out by {gateway}, which is not this host's")
    if texts["vlan"] != parents.NONE and texts["parent"] == parents.NONE:
        raise _refused("vlan", texts["vlan"], "it is of no interface: there is no fullhost.parent")
    return address


def with_pool(given: Mapping[str, str], pool: str, gateway: str) -> dict[str, str]:
    """Return the options with what the pool of an IPAM driver says; one that contradicts it is refused."""
    told = {f"{PREFIX}subnet": pool} | ({f"{PREFIX}gateway": gateway.partition("/")[0]} if gateway else {})
    for option, text in told.items():
        if given.get(option, text) != text:
            raise _refused(option.removeprefix(PREFIX), given[option], f"the pool of the network says {text}")
    return {**given, **told}


def clash(wish: model.Network, networks: tuple[model.Network, ...]) -> model.Network | None:
    """Return the first network that has the bridge, the interface to the LAN, or addresses of the subnet, already."""
    return next((n for n in networks if _same(wish, n)), None)


def clashes(wish: model.Network, other: model.Network) -> model.Cannot:
    """Return the refusal of a network in whose way another one stands."""
    return model.Cannot(
        f"make the network on {wish.bridge} with {wish.subnet}",
        why=f"the network {other.id[:12]} has the {_same(wish, other)}",
        hint="give other ones with -o fullhost.bridge=… -o fullhost.subnet=…, or use that network",
        reason=model.Reason.CONFLICT,
    )


def _same(wish: model.Network, other: model.Network) -> str | None:
    """Return what two networks cannot both have; VLANs of one parent are as many interfaces."""
    if wish.bridge == other.bridge:
        return f"bridge {wish.bridge}"
    if wish.uplink is not None and wish.uplink == other.uplink:
        return f"interface {wish.uplink} in its bridge {other.bridge}"
    if wish.subnet6 is not None and other.subnet6 is not None and wish.subnet6.overlaps(other.subnet6):
        return f"part of {wish.subnet6} ({other.subnet6})"
    return f"part of {wish.subnet} ({other.subnet})" if wish.subnet.overlaps(other.subnet) else None


def _known(given: Mapping[str, str]) -> dict[str, str]:
    texts = {}
    for option, text in given.items():
        key = option.removeprefix(PREFIX)
        if option in _ENGINE_KEYS:
            continue
        if not option.startswith(PREFIX) or key not in KEYS:
            raise model.Cannot(
                f"make the network with the option {option[:80]!r}",
                why="no such option is known",
                hint=f"the options are {', '.join(PREFIX + known for known in KEYS)}",
            )
        texts[key] = text
    return texts


def _parse(texts: Mapping[str, str], key: str, parser: Callable[[str], T]) -> T:
    try:
        return parser(texts[key])
    except ValueError as error:
        raise _refused(key, texts[key], str(error)) from None


def _refused(key: str, text: str, why: str) -> model.Cannot:
    return model.Cannot(
        f"make the network with {PREFIX}{key}={text[:80]!a}",
        why=why,
        hint=f"give another -o {PREFIX}{key}=…, or FULLHOST_{key.upper()} to the driver",
    )


def machines(text: str) -> ipaddress.IPv4Network:
    """Parse a subnet for machines; ValueError where it can be none."""
    subnet = ipaddress.IPv4Network(text)
    if not 8 <= subnet.prefixlen <= 29:
        raise ValueError("a subnet for machines has a prefix of 8 to 29 bits")
    if any(subnet.overlaps(ipaddress.IPv4Network(special)) for special in _SPECIAL):
        raise ValueError("it is loopback, link-local, multicast or this-network, and no place for machines (RFC 6890)")
    return subnet


def _server(text: str) -> model.Server:
    """Parse ADDRESS, ADDRESS:PORT or [IPV6]:PORT."""
    address, port = text, "53"
    if text.startswith("["):
        address, _, port = text[1:].partition("]")
        port = port.removeprefix(":") or "53"
    elif text.count(":") == 1:
        address, _, port = text.partition(":")
    if not (port.isascii() and port.isdigit() and len(port) <= 5 and 0 < int(port) < 65536):
        raise ValueError("a port is 1 to 65535")
    server = ipaddress.ip_address(address)
    if server.is_multicast or server.is_unspecified or server == ipaddress.IPv4Address("255.255.255.255"):
        raise ValueError("it is no address of one server")
    return model.Server(address=server, port=int(port))


def _boolean(text: str) -> bool:
    try:
        return _BOOLEANS[text.lower()]
    except KeyError:
        raise ValueError("it is true or false") from None


def _stale(text: str) -> model.Stale:
    try:
        return model.Stale(text.lower())
    except ValueError:
        raise ValueError(f"it is one of {', '.join(model.Stale)}") from None


def _unlisted(text: str) -> model.Unlisted:
    try:
        return model.Unlisted(text.lower())
    except ValueError:
        raise ValueError(f"it is one of {', '.join(model.Unlisted)}") from None


def _mtu(text: str) -> int:
    # RFC 791: each link carries 68 octets; ETH_MAX_MTU of the kernel is 65535.
    if not (text.isascii() and text.isdigit() and len(text) <= 5 and 68 <= int(text) <= 65535):
        raise ValueError("an MTU is 68 to 65535 octets")
    return int(text)
