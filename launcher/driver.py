"""The driver's control calls, and the nouns of what it answers."""

import ipaddress
import json
import pathlib

from launcher import inventory, listed, model, openings, pairs, wire


class Driver:
    """The calls; each is a connection of its own, so several threads may make them at once."""

    def __init__(self, path: pathlib.Path = wire.SOCKET) -> None:
        self._wire = wire.Wire(path)

    def status(self) -> model.DriverStatus:
        """Ask the driver about itself."""
        body = self._wire.ask("/v1/status")
        try:
            found = json.loads(body)
            return model.DriverStatus(
                version=found["version"],
                pid=found["pid"],
                started=found["started"],
                networks=tuple(
                    model.Network(
                        id=network["id"],
                        name=network["name"] or "",
                        bridge=network["bridge"],
                        subnet=ipaddress.IPv4Network(network["subnet"]),
                        gateway=ipaddress.IPv4Address(network["gateway"]),
                        domain=network["domain"],
                        dns=ipaddress.ip_address(network["dns"]["address"]),
                        dns_port=network["dns"]["port"],
                        snat=network["snat"],
                        mtu=network["mtu"],
                        address=_four(network["address"]),
                        uplink=network["uplink"],
                        subnet6=network.get("subnet6"),
                        gateway6=network.get("gateway6"),
                    )
                    for network in found["networks"]
                ),
                endpoints=tuple(
                    model.Endpoint(
                        id=endpoint["id"],
                        network=endpoint["network"],
                        name=endpoint["name"],
                        address=_four(endpoint["address"]),
                        address6=_six(endpoint.get("address6")),
                        lease=_lease(endpoint.get("lease")),
                        mac=endpoint["mac"],
                        veth=endpoint["veth"],
                        rung=endpoint["rung"],
                        source=endpoint["source"],
                        settled=endpoint["settled"],
                        joined=endpoint["joined"],
                        created=endpoint["created"],
                        stopped={
                            one["what"]: one["frames"] for one in found["stopped"] if one["endpoint"] == endpoint["id"]
                        },
                    )
                    for endpoint in found["endpoints"]
                ),
                counters=found["counters"],
                warnings=tuple(found["warnings"]),
            )
        except (ValueError, KeyError, TypeError) as error:
            raise self._wire.strange(body) from error

    def zone(self, network: str) -> inventory.Zone:
        """Ask for the names of the zone behind the network with this id."""
        body = self._wire.ask(f"/v1/networks/{network}/fleet")
        try:
            found = json.loads(body)
            return inventory.Zone(
                domain=found["domain"],
                gateway=ipaddress.IPv4Address(found["gateway"]),
                subnet=ipaddress.IPv4Network(found["subnet"]),
                records=tuple(
                    inventory.Record(
                        name=record["name"].lower(),
                        addresses=tuple(map(ipaddress.ip_address, record["addresses"])),
                    )
                    for record in found["records"]
                ),
                pointers={ipaddress.ip_address(key): name.lower() for key, name in found["pointers"].items()},
                texts={name.lower(): tuple(map(tuple, records)) for name, records in found["texts"].items()},
                gateway6=_six(found.get("gateway6")),
                subnet6=found.get("subnet6"),
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise self._wire.strange(body) from error

    def record(self, network: str, name: str) -> pairs.Pair:
        """Ask for the addresses that DNS gives a name now."""
        body = self._wire.ask(f"/v1/networks/{network}/records/{name}")
        try:
            found = json.loads(body)
            return pairs.pair(found["address"], found.get("address6"))
        except (ValueError, KeyError, TypeError) as error:
            raise self._wire.strange(body) from error

    def entries(self, network: str) -> tuple[listed.Entry, ...]:
        """Ask for the names of the zone, whose they are, and what their pointers say."""
        body = self._wire.ask(f"/v1/networks/{network}/records")
        try:
            return tuple(
                listed.Entry(
                    name=entry["name"],
                    addresses=tuple(
                        listed.Pointed(address=one["address"], pointer=one["pointer"]) for one in entry["addresses"]
                    ),
                    registered_by=entry["registered_by"],
                    here=entry["here"],
                )
                for entry in json.loads(body)["entries"]
            )
        except (ValueError, KeyError, TypeError) as error:
            raise self._wire.strange(body) from error

    def add_name(self, network: str, name: str, addresses: tuple[str, ...]) -> tuple[str, ...]:
        """Have a name written into the zone; return its addresses, free ones where none is given."""
        body = self._wire.ask(f"/v1/networks/{network}/records/add", json.dumps({"name": name, "addresses": addresses}))
        try:
            return tuple(map(str, json.loads(body)["addresses"]))
        except (ValueError, KeyError, TypeError) as error:
            raise self._wire.strange(body) from error

    def remove_name(self, network: str, name: str) -> listed.Removed:
        """Have a name taken out of the zone."""
        body = self._wire.ask(f"/v1/networks/{network}/records/remove", json.dumps({"name": name}))
        try:
            found = json.loads(body)
            return listed.Removed(addresses=tuple(found["addresses"]), left=tuple(found["left"]))
        except (ValueError, KeyError, TypeError) as error:
            raise self._wire.strange(body) from error

    def updates(self, network: str) -> listed.Updates:
        """Ask whether the zones take updates, which changes nothing in them."""
        body = self._wire.ask(f"/v1/networks/{network}/updates")
        try:
            found = json.loads(body)
            return listed.Updates(wished=found["wished"], refused=tuple(map(wire.refusal, found["refused"])))
        except (ValueError, KeyError, TypeError) as error:
            raise self._wire.strange(body) from error

    def exposures(self) -> tuple[openings.Exposure, ...]:
        """Ask for the ports of the host that lead to machines."""
        body = self._wire.ask("/v1/exposures", seconds=wire.MOMENT)
        try:
            return tuple(
                openings.Exposure(
                    network=found["network"],
                    name=found["name"] or "",
                    host=found["host"],
                    host_port=found["host_port"],
                    port=found["port"],
                    transport=found["transport"],
                    address=found["address"],
                    lasting=found["lasting"],
                )
                for found in json.loads(body)["exposures"]
            )
        except (ValueError, KeyError, TypeError) as error:
            raise self._wire.strange(body) from error

    def expose(self, network: str, name: str, ports: tuple[str, ...]) -> tuple[str, ...]:
        """Have ports of the host lead to a machine; return them as they are written."""
        return self._order(f"/v1/networks/{network}/expose", name, ports, "exposed")

    def unexpose(self, network: str, name: str, ports: tuple[str, ...]) -> tuple[str, ...]:
        """Take ports of the host from a machine, all of them without `ports`; return them as they are written."""
        return self._order(f"/v1/networks/{network}/unexpose", name, ports, "taken")

    def _order(self, call: str, name: str, ports: tuple[str, ...], done: str) -> tuple[str, ...]:
        body = self._wire.ask(call, json.dumps({"name": name, "ports": ports}))
        try:
            return tuple(map(str, json.loads(body)[done]))
        except (ValueError, KeyError, TypeError) as error:
            raise self._wire.strange(body) from error


def _four(text: str | None) -> ipaddress.IPv4Address | None:
    return pairs.pair(text, None).four


def _six(text: str | None) -> ipaddress.IPv6Address | None:
    return pairs.pair(None, text).six


def _lease(found: dict[str, str] | None) -> tuple[str, str, str] | None:
    """Return the lease of an endpoint: until when, by which server, to which hardware address."""
    return None if found is None else (found["expires"], found["server"], found["mac"])
