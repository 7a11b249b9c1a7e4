"""What the driver answers, as the remote driver protocol has it (moby, libnetwork/drivers/remote/api)."""

import dataclasses
from collections.abc import Mapping

Json = Mapping[str, object]


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


def joined(*, peer: str, gateway: str, gateway6: str | None = None) -> Answer:
    """Return what the engine moves into the sandbox, and the default route there.

    The engine names the interface by the prefix and a number. A gateway must be there, or the engine adds a second
    interface on docker_gwbridge (libnetwork/default_gateway.go).
    """
    name = {"SrcName": peer, "DstPrefix": "eth"}
    gateways = {"Gateway": gateway} | ({"GatewayIPv6": gateway6} if gateway6 else {})
    return Answer(body={"InterfaceName": name, **gateways, "StaticRoutes": []})
