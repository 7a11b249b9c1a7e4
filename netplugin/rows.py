"""The nouns as rows of the store's tables, and back: texts, numbers and nothing."""

import datetime
import ipaddress
import json
import sys
import typing

from netplugin import binding, exposure, model, pairs, registration

Value = str | int | None


class Row(typing.Protocol):
    """What has a value by the name of each column (sqlite3.Row)."""

    def __getitem__(self, column: str, /) -> Value: ...


def of_network(network: model.Network) -> tuple[Value, ...]:
    """Return the row of a network."""
    return (
        network.id,
        network.bridge,
        network.bridge_made,
        str(network.subnet),
        str(network.gateway),
        network.domain,
        str(network.dns.address),
        network.dns.port,
        network.snat,
        network.mtu,
        str(network.range),
        network.stale,
        network.created.isoformat(),
        network.ipam,
        _text(network.address),
        network.parent,
        network.vlan,
        network.uplink_made,
        network.unlisted,
        _text(network.subnet6),
        _text(network.gateway6),
        network.snat6,
        network.antispoof,
        network.isolate,
    )


def of_endpoint(endpoint: model.Endpoint) -> tuple[Value, ...]:
    """Return the row of an endpoint."""
    return (
        endpoint.id,
        endpoint.network_id,
        endpoint.name,
        _text(endpoint.address),
        endpoint.mac,
        endpoint.rung,
        endpoint.source,
        endpoint.created.isoformat(),
        endpoint.settled,
        endpoint.sandbox,
        endpoint.left,
        _text(endpoint.address6),
        endpoint.antispoof,
    )


def of_exposure(exposed: exposure.Exposure) -> tuple[Value, ...]:
    """Return the row of an exposure; no address of the host is the empty text, since it is part of the key."""
    host = str(exposed.host or "")
    owner = exposed.network_id, exposed.name, exposed.endpoint_id
    return (*owner, exposed.transport, host, exposed.host_port, exposed.port)


def exposed(row: Row) -> exposure.Exposure:
    """Return the exposure of a row."""
    return exposure.Exposure(
        network_id=str(row["network_id"]),
        name=_text(row["name"]),
        endpoint_id=_text(row["endpoint_id"]),
        transport=exposure.Transport(str(row["transport"])),
        host=ipaddress.IPv4Address(str(row["host"])) if row["host"] else None,
        host_port=int(row["host_port"] or 0),
        port=int(row["port"] or 0),
    )


def of_move(move: model.Move) -> tuple[Value, ...]:
    """Return the row of a move."""
    aliases, options = json.dumps(move.aliases), json.dumps(move.options)
    return move.container, move.network_id, move.endpoint_id, move.name, aliases, options, _text(move.address)


def move(row: Row) -> model.Move:
    """Return the move of a row."""
    return model.Move(
        container=str(row["container"]),
        network_id=str(row["network_id"]),
        endpoint_id=str(row["endpoint_id"]),
        name=str(row["name"]),
        aliases=tuple(json.loads(str(row["aliases"]))),
        options=dict(json.loads(str(row["options"]))),
        address=address(row["address"]),
    )


def network(row: Row) -> model.Network:
    """Return the network of a row."""
    return model.Network(
        id=str(row["id"]),
        bridge=str(row["bridge"]),
        bridge_made=bool(row["bridge_made"]),
        subnet=ipaddress.IPv4Network(str(row["subnet"])),
        gateway=ipaddress.IPv4Address(str(row["gateway"])),
        domain=str(row["domain"]),
        dns=model.Server(address=ipaddress.ip_address(str(row["dns_address"])), port=int(row["dns_port"] or 0)),
        snat=bool(row["snat"]),
        mtu=int(row["mtu"] or 0),
        range=ipaddress.IPv4Network(str(row["range"])),
        stale=model.Stale(str(row["stale"])),
        created=datetime.datetime.fromisoformat(str(row["created"])),
        ipam=model.Ipam(str(row["ipam"])),
        address=address(row["address"]),
        parent=_text(row["parent"]),
        vlan=None if row["vlan"] is None else int(row["vlan"]),
        uplink_made=bool(row["uplink_made"]),
        unlisted=model.Unlisted(str(row["unlisted"])),
        subnet6=None if row["subnet6"] is None else ipaddress.IPv6Network(str(row["subnet6"])),
        gateway6=address6(row["gateway6"]),
        snat6=bool(row["snat6"]),
        antispoof=bool(row["antispoof"]),
        isolate=bool(row["isolate"]),
    )


def endpoint(row: Row) -> model.Endpoint:
    """Return the endpoint of a row."""
    return model.Endpoint(
        id=str(row["id"]),
        network_id=sys.intern(str(row["network_id"])),  # one text for all of a thousand
        name=_text(row["name"]),
        address=address(row["address"]),
        mac=str(row["mac"]),
        rung=model.Rung(str(row["rung"])),
        source=model.Source(str(row["source"])),
        settled=bool(row["settled"]),
        created=datetime.datetime.fromisoformat(str(row["created"])),
        sandbox=_text(row["sandbox"]),
        left=bool(row["left"]),
        address6=address6(row["address6"]),
        antispoof=bool(row["antispoof"]),
    )


def of_registration(of: registration.Registration) -> tuple[Value, ...]:
    """Return the row of a registration."""
    return (
        of.network_id,
        of.domain,
        str(of.server.address),
        of.server.port,
        of.name,
        str(of.address),
        of.phase,
        of.created.isoformat(),
        of.container,
        of.own,
        _text(of.address6),
    )


def registered(row: Row) -> registration.Registration:
    """Return the registration of a row."""
    return registration.Registration(
        network_id=str(row["network_id"]),
        domain=str(row["domain"]),
        server=model.Server(address=ipaddress.ip_address(str(row["dns_address"])), port=int(row["dns_port"] or 0)),
        name=str(row["name"]),
        address=ipaddress.IPv4Address(str(row["address"])),
        phase=registration.Phase(str(row["phase"])),
        created=datetime.datetime.fromisoformat(str(row["created"])),
        container=_text(row["container"]),
        own=bool(row["own"]),
        address6=address6(row["address6"]),
    )


def of_binding(of: binding.Binding) -> tuple[Value, ...]:
    """Return the row of a binding."""
    times = of.obtained.isoformat(), of.expires.isoformat()
    return of.network_id, of.name, str(of.address), of.mac, str(of.server), *times, of.container


def bound(row: Row) -> binding.Binding:
    """Return the binding of a row."""
    return binding.Binding(
        network_id=str(row["network_id"]),
        name=str(row["name"]),
        address=ipaddress.IPv4Address(str(row["address"])),
        mac=str(row["mac"]),
        server=ipaddress.IPv4Address(str(row["server"])),
        obtained=datetime.datetime.fromisoformat(str(row["obtained"])),
        expires=datetime.datetime.fromisoformat(str(row["expires"])),
        container=_text(row["container"]),
    )


def of_pair(given: pairs.Pair) -> tuple[Value, Value]:
    """Return the columns of the addresses of a name."""
    return _text(given.four), _text(given.six)


def pair(row: Row) -> pairs.Pair:
    """Return the addresses of a name."""
    return pairs.Pair(four=address(row["address"]), six=address6(row["address6"]))


def address(value: Value) -> ipaddress.IPv4Address | None:
    """Return the IPv4 address of a column that may have none."""
    return None if value is None else ipaddress.IPv4Address(str(value))


def address6(value: Value) -> ipaddress.IPv6Address | None:
    """Return the IPv6 address of a column that may have none."""
    return None if value is None else ipaddress.IPv6Address(str(value))


def _text(thing: object) -> str | None:
    return None if thing is None else str(thing)
