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


def joined(*, peer: str, gateway: str | None, gateway6: str | None = None, routed: bool = False) -> Answer:
    """Return what the engine moves into the sandbox, and the default routes there.

    The engine names the interface by the prefix and a number. An IPv4 gateway must be there, or engines up to 27 add a
    second interface on docker_gwbridge (needDefaultGW in libnetwork/default_gateway.go), unless they are told not to.
    Nor do they set the IPv6 gateway of who has no IPv4 one (getGatewayEndpoint there). So who is `routed` gets routes
    to the two halves of the world: a default route in two, which is not in the way of one that an engine does set.
    """
    name = {"SrcName": peer, "DstPrefix": "eth"}
    gateways = {"Gateway": gateway or ""} | ({"GatewayIPv6": gateway6} if gateway6 else {})
    halves = ("::/1", "8000::/1") if routed else ()
    routes = [{"Destination": half, "RouteType": _NEXT_HOP, "NextHop": gateway6} for half in halves]
    alone = {} if gateway else {"DisableGatewayService": True}
    return Answer(body={"InterfaceName": name, **gateways, "StaticRoutes": routes, **alone})


def routes_ipv6(version: str) -> bool:
    """Tell whether an engine sets an IPv6 gateway where there is no IPv4 one, too: 28 does; a silent one may not."""
    major = version.partition(".")[0]
    return major.isdecimal() and int(major) >= _ROUTES_IPV6
