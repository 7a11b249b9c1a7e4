"""The driver's control calls: HTTP and JSON over its Unix socket."""

import contextlib
import http.client
import ipaddress
import json
import os
import pathlib
import socket

from launcher import listed, model, openings

SOCKET = pathlib.Path("/run/docker/plugins/fullhost.sock")

# The driver transfers a zone and looks up pointers within its own, shorter deadlines.
_SECONDS = 30.0


def found(path: pathlib.Path) -> pathlib.Path:
    """Give where the driver's socket is: at `path`, or where the engine keeps that of a managed plugin.

    That is a folder beside it, called as the plugin's id, into which only root may look (moby, plugin/).
    """
    with contextlib.suppress(OSError):
        if not path.exists():
            return next(iter(sorted(path.parent.glob(f"{'?' * 64}/{path.name}"))), path)
    return path


class _Connection(http.client.HTTPConnection):
    """HTTP to a path in the file system, as there is no host in it."""

    def __init__(self, path: pathlib.Path) -> None:
        super().__init__("localhost", timeout=_SECONDS)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        # By its folder, since an address of a socket may have 107 octets (unix(7)), and a plugin's id has 64 of them.
        folder = os.open(self._path.parent, os.O_PATH)
        try:
            self.sock.connect(f"/proc/self/fd/{folder}/{self._path.name}")
        finally:
            os.close(folder)


class Driver:
    """The calls; each is a connection of its own, so several threads may make them at once."""

    def __init__(self, path: pathlib.Path = SOCKET) -> None:
        self._path = path

    def status(self) -> model.DriverStatus:
        """Ask the driver about itself."""
        body = self._get("/v1/status")
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
                        address=ipaddress.IPv4Address(network["address"]) if network["address"] else None,
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
                        address=ipaddress.IPv4Address(endpoint["address"]),
                        address6=endpoint.get("address6"),
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
            raise self._strange(body) from error

    def zone(self, network: str) -> model.Zone:
        """Ask for the names of the zone behind the network with this id."""
        body = self._get(f"/v1/networks/{network}/fleet")
        try:
            found = json.loads(body)
            return model.Zone(
                domain=found["domain"],
                gateway=ipaddress.IPv4Address(found["gateway"]),
                subnet=ipaddress.IPv4Network(found["subnet"]),
                records=tuple(
                    model.Record(
                        name=record["name"].lower(),
                        addresses=tuple(ipaddress.IPv4Address(address) for address in record["addresses"]),
                    )
                    for record in found["records"]
                ),
                pointers={ipaddress.IPv4Address(key): name.lower() for key, name in found["pointers"].items()},
                texts={name.lower(): tuple(map(tuple, records)) for name, records in found["texts"].items()},
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise self._strange(body) from error

    def record(self, network: str, name: str) -> ipaddress.IPv4Address:
        """Ask for the address that DNS gives a name now."""
        body = self._get(f"/v1/networks/{network}/records/{name}")
        try:
            return ipaddress.IPv4Address(json.loads(body)["address"])
        except (ValueError, KeyError, TypeError) as error:
            raise self._strange(body) from error

    def entries(self, network: str) -> tuple[listed.Entry, ...]:
        """Ask for the names of the zone, whose they are, and what their pointers say."""
        body = self._get(f"/v1/networks/{network}/records")
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
            raise self._strange(body) from error

    def add_name(self, network: str, name: str, address: str | None) -> str:
        """Have a name written into the zone; return its address, a free one where none is given."""
        body = self._get(f"/v1/networks/{network}/records/add", json.dumps({"name": name, "address": address}))
        try:
            return str(json.loads(body)["address"])
        except (ValueError, KeyError, TypeError) as error:
            raise self._strange(body) from error

    def remove_name(self, network: str, name: str) -> listed.Removed:
        """Have a name taken out of the zone."""
        body = self._get(f"/v1/networks/{network}/records/remove", json.dumps({"name": name}))
        try:
            found = json.loads(body)
            return listed.Removed(addresses=tuple(found["addresses"]), left=tuple(found["left"]))
        except (ValueError, KeyError, TypeError) as error:
            raise self._strange(body) from error

    def exposures(self) -> tuple[openings.Exposure, ...]:
        """Ask for the ports of the host that lead to machines."""
        body = self._get("/v1/exposures")
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
            raise self._strange(body) from error

    def expose(self, network: str, name: str, ports: tuple[str, ...]) -> tuple[str, ...]:
        """Have ports of the host lead to a machine; return them as they are written."""
        return self._order(f"/v1/networks/{network}/expose", name, ports, "exposed")

    def unexpose(self, network: str, name: str, ports: tuple[str, ...]) -> tuple[str, ...]:
        """Take ports of the host from a machine, all of them without `ports`; return them as they are written."""
        return self._order(f"/v1/networks/{network}/unexpose", name, ports, "taken")

    def _order(self, call: str, name: str, ports: tuple[str, ...], done: str) -> tuple[str, ...]:
        body = self._get(call, json.dumps({"name": name, "ports": ports}))
        try:
            return tuple(map(str, json.loads(body)[done]))
        except (ValueError, KeyError, TypeError) as error:
            raise self._strange(body) from error

    def _get(self, call: str, order: str | None = None) -> bytes:
        """Make a call: a question, or with a body an order."""
        connection = _Connection(self._path)
        try:
            connection.request("GET" if order is None else "POST", call, order)
            answer = connection.getresponse()
            body = answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise self._unreachable(error) from error
        finally:
            connection.close()
        if answer.status == http.client.OK:
            return body
        try:
            sentence = str(json.loads(body)["message"])
        except (ValueError, KeyError, TypeError) as error:
            raise self._strange(body) from error
        what, _, hint = sentence.rpartition("; ")  # the driver's sentences end with what to do
        raise model.Cannot(what or hint, hint=hint if what else "")

    def _unreachable(self, error: Exception) -> model.Cannot:
        match error:
            case FileNotFoundError() | ConnectionRefusedError():
                why, hint = "it is not running", "start it: systemctl start fullhost (without systemd: install.sh)"
            case PermissionError():
                why, hint = "permission denied", "use sudo"
            case TimeoutError():
                why, hint = f"it did not answer within {_SECONDS:.0f} seconds", "its log tells what it waits for"
            case _:
                why, hint = str(error) or type(error).__name__, "its log tells why"
        return model.Cannot(f"cannot reach the network driver at {self._path}: {why}", hint=hint)

    def _strange(self, body: bytes) -> model.Cannot:
        said = body[:80].decode("utf-8", "replace")
        return model.Cannot(
            f"cannot understand the network driver at {self._path}, which says {said!r}",
            hint="restart the driver, so that it is of the same version as fhv",
        )
