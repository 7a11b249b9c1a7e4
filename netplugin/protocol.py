"""The wire types of the remote driver protocol (moby, libnetwork/drivers/remote/api), parsed and made once."""

import dataclasses
import io
import ipaddress
import json
import re
from collections.abc import Mapping

from netplugin import exposure, model

Json = Mapping[str, object]

NAME_OPTION = "fullhost.name"
ANTISPOOF_OPTION = "fullhost.antispoof"
PORTS = "com.docker.network.portmap"  # what is to be published (docker run -p, -P)
_ENDPOINT_OPTIONS = frozenset({NAME_OPTION, ANTISPOOF_OPTION})
_ID = re.compile(r"[0-9a-f]{64}")
_MAC = re.compile(r"[0-9a-fA-F]{2}(?::[0-9a-fA-F]{2}){5}")
_SANDBOX = re.compile(r"/[\x21-\x7e]{1,255}")


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class CreateNetwork:
    """A network to make: the user's `-o` options, the pools of its IPAM driver, and flags of the engine."""

    network_id: str
    options: Mapping[str, str]
    pools: tuple[str, ...]
    spaces: frozenset[str]
    gateway: str
    reserved: bool
    internal: bool
    ipv4: bool
    ipv6: bool

    @classmethod
    def from_json(cls, body: Json) -> "CreateNetwork":
        """Parse the body of NetworkDriver.CreateNetwork."""
        options = mapping(body, "Options")
        generic = mapping(options, "com.docker.network.generic")
        data = [_entry(entry) for entry in _list(body, "IPv4Data")]
        return cls(
            network_id=_id(body, "NetworkID"),
            options={key: text(generic, key) for key in generic},
            pools=tuple(text(entry, "Pool") for entry in data),
            spaces=frozenset(text(entry, "AddressSpace") for entry in data),
            gateway=text(data[0], "Gateway") if data else "",
            reserved=any(entry.get("AuxAddresses") for entry in data),
            internal=options.get("com.docker.network.internal") is True,
            ipv4=options.get("com.docker.network.enable_ipv4") is not False,
            ipv6=options.get("com.docker.network.enable_ipv6") is True or bool(_list(body, "IPv6Data")),
        )


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class NetworkRef:
    """A network by its id, as DeleteNetwork names it."""

    network_id: str

    @classmethod
    def from_json(cls, body: Json) -> "NetworkRef":
        """Parse a body that names a network."""
        return cls(network_id=_id(body, "NetworkID"))


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class EndpointRef:
    """An endpoint by its ids, as DeleteEndpoint, Leave and others name it."""

    network_id: str
    endpoint_id: str

    @classmethod
    def from_json(cls, body: Json) -> "EndpointRef":
        """Parse a body that names an endpoint."""
        return cls(network_id=_id(body, "NetworkID"), endpoint_id=_id(body, "EndpointID"))


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class CreateEndpoint:
    """An endpoint to make: the name in its driver options, and what the engine or the user settled before.

    `publishes` says that its container has ports to publish, which come later, and not to every endpoint.
    """

    network_id: str
    endpoint_id: str
    name: str | None
    address: ipaddress.IPv4Address | None
    mac: str | None
    antispoof: bool | None = None
    publishes: bool = False

    @classmethod
    def from_json(cls, body: Json) -> "CreateEndpoint":
        """Parse the body of NetworkDriver.CreateEndpoint; driver options are keys among the engine's own."""
        options, interface = mapping(body, "Options"), mapping(body, "Interface")
        for key in options:
            if key.startswith("fullhost.") and key not in _ENDPOINT_OPTIONS:
                raise model.Cannot(
                    f"make the endpoint with the driver option {key[:80]!r}",
                    why="no such option is known",
                    hint=f"the options are {NAME_OPTION}=NAME and {ANTISPOOF_OPTION}=true|false",
                )
        mac = text(interface, "MacAddress")
        if mac and not _MAC.fullmatch(mac):
            raise _malformed("MacAddress", "is no hardware address")
        return cls(
            network_id=_id(body, "NetworkID"),
            endpoint_id=_id(body, "EndpointID"),
            name=text(options, NAME_OPTION) if NAME_OPTION in options else None,
            address=_address(interface),
            mac=mac.lower() or None,
            antispoof=_switch(options, ANTISPOOF_OPTION),
            publishes=bool(_list(options, PORTS)),
        )


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Join:
    """A sandbox that takes an endpoint; the key is the path of its network namespace."""

    network_id: str
    endpoint_id: str
    sandbox: str

    @classmethod
    def from_json(cls, body: Json) -> "Join":
        """Parse the body of NetworkDriver.Join."""
        sandbox = text(body, "SandboxKey")
        if not _SANDBOX.fullmatch(sandbox):
            raise _malformed("SandboxKey", "is no path")
        return cls(network_id=_id(body, "NetworkID"), endpoint_id=_id(body, "EndpointID"), sandbox=sandbox)


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Publish:
    """Ports to publish for an endpoint (`docker run -p`, `-P`)."""

    network_id: str
    endpoint_id: str
    wishes: tuple[exposure.Wish, ...]

    @classmethod
    def from_json(cls, body: Json) -> "Publish":
        """Parse the body of NetworkDriver.ProgramExternalConnectivity."""
        bindings = _list(mapping(body, "Options"), PORTS)
        return cls(
            network_id=_id(body, "NetworkID"),
            endpoint_id=_id(body, "EndpointID"),
            wishes=tuple(_wish(_entry(binding)) for binding in bindings),
        )


def subject(body: Json) -> tuple[str, ...]:
    """Return the network and the endpoint of a request for the log, short as the Docker CLI shows ids."""
    ids = {"network": body.get("NetworkID"), "endpoint": body.get("EndpointID")}
    return tuple(f"{what}={text[:12]}" for what, text in ids.items() if isinstance(text, str) and text.isalnum())


def octets(body: Json) -> bytes:
    """Return the octets of a body, encoded word by word: json.dumps holds all the words at once, five times as much."""
    with io.BytesIO() as raw, io.TextIOWrapper(raw, encoding="ascii") as writer:
        json.dump(body, writer)
        writer.write("\n")
        writer.flush()
        return raw.getvalue()


def _malformed(key: str, why: str) -> model.Cannot:
    hint = "only the engine should call the driver; see the protocol's documents"
    return model.Cannot("read the request", why=f"{key} {why}", hint=hint)


def _id(body: Json, key: str) -> str:
    found = text(body, key)
    if not _ID.fullmatch(found):
        raise _malformed(key, "is no id of 64 hexadecimal digits")
    return found


def text(body: Json, key: str) -> str:
    """Return a string; one that is missing is empty, as Go reads it."""
    value = body.get(key) or ""
    if not isinstance(value, str):
        raise _malformed(key[:80], "is no string")
    return value


def _switch(options: Json, key: str) -> bool | None:
    """Return what a driver option says, None where it is not given."""
    given = text(options, key)
    if given not in {"", "true", "false"}:
        why, hint = "it is true or false", f"driver-opt={key}=true|false"
        raise model.Cannot(f"make the endpoint with {key}={given[:80]!a}", why=why, hint=hint)
    return given == "true" if given else None


def _address(interface: Json) -> ipaddress.IPv4Address | None:
    given = text(interface, "Address") or text(interface, "AddressIPv6")
    try:
        return ipaddress.IPv4Interface(given).ip if given else None
    except ValueError:
        raise _malformed("Interface", "has no IPv4 address") from None


def _number(body: Json, key: str) -> int:
    value = body.get(key) or 0
    if not isinstance(value, int):
        raise _malformed(key, "is no number")
    return value


def mapping(body: Json, key: str) -> dict[str, object]:
    """Return an object; a missing one, and Go's nil map (null), is empty."""
    return _entry(body.get(key) or {}, key)


def _entry(value: object, key: str = "an entry") -> dict[str, object]:
    if not isinstance(value, dict):
        raise _malformed(key, "is no object")
    return value


def _list(body: Json, key: str) -> list[object]:
    value = body.get(key) or []
    if not isinstance(value, list):
        raise _malformed(key, "is no list")
    return value


def _wish(binding: Json) -> exposure.Wish:
    return exposure.of_engine(
        number=_number(binding, "Proto"),
        host=text(binding, "HostIP"),
        first=_number(binding, "HostPort"),
        last=_number(binding, "HostPortEnd"),
        port=_number(binding, "Port"),
    )
