"""What the driver answers, as the remote driver protocol has it (moby, libnetwork/drivers/remote/api)."""

import dataclasses
from collections.abc import Mapping

Json = Mapping[str, object]
_NEXT_HOP = 0  # libnetwork/types.NEXTHOP
_ROUTES_IPV6 = 28


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What a use case answers: the body for the wire, and a note for the log."""

    body: Json = dataclasses.field(default_factory=dict)
    note: str = ""


def activated() -> Answer:
    """Return what the driver is, at Plugin.Activate."""
    return Answer(body={"Implements": ["NetworkDriver", "IpamDriver"]})


def capabilities() -> Answer:
    """Return what the driver can do: networks of this host, reached from this host."""
    return Answer(body={"Scope": "local", "ConnectivityScope": "local"})


def details() -> Answer:
    """Return no details of an endpoint: the engine reads none of a remote driver's (daemon/network.go)."""
    return Answer(body={"Value": {}})


def endpoint_created(*, address: str | None, mac: str | None, note: str, address6: str | None = None) -> Answer:
    """Return addresses with their prefix lengths and a hardware address, each only where the request had none.

    The engine programs an IPv6 address also on a network that it does not know to have IPv6.
    """
    told = {"Address": address, "AddressIPv6": address6, "MacAddress": mac}
    return Answer(body={"Interface": {key: text for key, text in told.items() if text}}, note=note)


def joined(*, peer: str, gateway: str | None, gateway6: str | None = None, routes: tuple[str, ...] = ()) -> Answer:
    """Return what the engine moves into the sandbox, and the default routes there; `routes` lead to the IPv6 gateway.

    The engine names the interface by the prefix and a number. An IPv4 gateway must be there, or engines up to 27 add a
    second interface on docker_gwbridge (needDefaultGW in libnetwork/default_gateway.go), unless they are told not to.
    """
    name = {"SrcName": peer, "DstPrefix": "eth"}
    gateways = {"Gateway": gateway or ""} | ({"GatewayIPv6": gateway6} if gateway6 else {})
    static = [{"Destination": route, "RouteType": _NEXT_HOP, "NextHop": gateway6} for route in routes]
    alone = {} if gateway else {"DisableGatewayService": True}
    return Answer(body={"InterfaceName": name, **gateways, "StaticRoutes": static, **alone})


def ways_out(version: str, *, last: str, several: bool) -> tuple[str, ...]:
    """Return the routes that a machine with IPv6 alone needs beside its gateway, by the engine's version.

    Engines from 28 on set the IPv6 gateway; older ones do so beside an IPv4 one alone (getGatewayEndpoint), and need a
    default route. With it 28 would fail to set its own. While an engine boots it does not tell its version: then one
    that was 28 the `last` time is that, and an older one may have been upgraded: so the world is in two halves, which
    either can have, but for a machine on `several` networks, where old engines refuse an address within either half.
    """
    if _major(version or last) >= _ROUTES_IPV6:
        return ()
    return ("::/0",) if version or several else ("::/1", "8000::/1")


def _major(version: str) -> int:
    major = version.partition(".")[0]
    return int(major) if major.isdecimal() else 0
