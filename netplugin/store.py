"""What the driver was told once and will not be told again: networks and endpoints, in one SQLite file."""

import contextlib
import datetime
import ipaddress
import pathlib
import sqlite3
import threading
from collections.abc import Iterator

from netplugin import model

BUSY_SECONDS = 2.0  # how long a transaction waits for another one
_VERSION = 1
_SCHEMA = """
CREATE TABLE network (
    id TEXT PRIMARY KEY, bridge TEXT NOT NULL UNIQUE, bridge_made INTEGER NOT NULL, subnet TEXT NOT NULL,
    gateway TEXT NOT NULL, domain TEXT NOT NULL, dns_address TEXT NOT NULL, dns_port INTEGER NOT NULL,
    snat INTEGER NOT NULL, mtu INTEGER NOT NULL, range TEXT NOT NULL, stale TEXT NOT NULL, created TEXT NOT NULL
) STRICT;
CREATE TABLE endpoint (
    id TEXT PRIMARY KEY, network_id TEXT NOT NULL REFERENCES network (id), name TEXT,
    address TEXT NOT NULL, mac TEXT NOT NULL, rung TEXT NOT NULL, source TEXT NOT NULL, created TEXT NOT NULL,
    settled INTEGER NOT NULL, sandbox TEXT, UNIQUE (network_id, address)
) STRICT;
CREATE TABLE lease (
    network_id TEXT NOT NULL REFERENCES network (id), name TEXT NOT NULL, address TEXT NOT NULL,
    PRIMARY KEY (network_id, name)
) STRICT;
"""


class Store:
    """The file. Reads see the last commit; writes go through a transaction, the only lock of the driver."""

    def __init__(self, path: pathlib.Path) -> None:
        self._path = path
        self._local = threading.local()
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self.transaction() as transaction:
            transaction.prepare()

    def networks(self) -> tuple[model.Network, ...]:
        """Return all networks, oldest first."""
        return tuple(_network(row) for row in self._read("SELECT * FROM network ORDER BY created"))

    def network(self, network_id: str) -> model.Network:
        """Return a network; one that the driver was never told of cannot be served."""
        for row in self._read("SELECT * FROM network WHERE id = ?", network_id):
            return _network(row)
        raise model.Cannot(
            f"serve the network {network_id[:12]}",
            why="the driver has no record of it",
            hint="make it again: docker network rm NAME, then docker network create -d fullhost … NAME",
            reason=model.Reason.MISSING,
        )

    def endpoints(self) -> tuple[model.Endpoint, ...]:
        """Return all endpoints, oldest first."""
        return tuple(_endpoint(row) for row in self._read("SELECT * FROM endpoint ORDER BY created"))

    def endpoint(self, endpoint_id: str) -> model.Endpoint | None:
        """Return an endpoint, or None."""
        return next(map(_endpoint, self._read("SELECT * FROM endpoint WHERE id = ?", endpoint_id)), None)

    def holder(self, network_id: str, address: ipaddress.IPv4Address) -> model.Endpoint | None:
        """Return the endpoint that has an address of the network, or None."""
        query = "SELECT * FROM endpoint WHERE network_id = ? AND address = ?"
        return next(map(_endpoint, self._read(query, network_id, str(address))), None)

    def leased(self, network_id: str, name: str) -> ipaddress.IPv4Address | None:
        """Return the address that DNS gave the name the last time, or None."""
        query = "SELECT address FROM lease WHERE network_id = ? AND name = ?"
        return next((ipaddress.IPv4Address(row["address"]) for row in self._read(query, network_id, name)), None)

    @contextlib.contextmanager
    def transaction(self) -> Iterator["Transaction"]:
        """Write all of it or nothing: BEGIN IMMEDIATE, so that who comes second waits instead of failing later."""
        connection = self._connection()
        try:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield Transaction(connection)
                connection.execute("COMMIT")
            except BaseException:
                connection.execute("ROLLBACK")
                raise
        except sqlite3.Error as error:
            raise self._failed(error) from error

    def _read(self, query: str, *values: str) -> list[sqlite3.Row]:
        try:
            return self._connection().execute(query, values).fetchall()
        except sqlite3.Error as error:
            raise self._failed(error) from error

    def _connection(self) -> sqlite3.Connection:
        """Return this thread's connection.

        With a write-ahead log and synchronous=FULL a commit is on the disk when it returns (0.24 ms): a network that
        was created must outlive a power cut, since its options are never sent again.
        """
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            try:
                connection = sqlite3.connect(self._path, timeout=BUSY_SECONDS, isolation_level=None)
                connection.row_factory = sqlite3.Row
                connection.execute("PRAGMA journal_mode = WAL")
                connection.execute("PRAGMA synchronous = FULL")
                connection.execute("PRAGMA foreign_keys = ON")
            except sqlite3.Error as error:
                raise self._failed(error) from error
            self._local.connection = connection
        return connection

    def _failed(self, error: sqlite3.Error) -> model.Cannot:
        return model.Cannot(
            "keep the driver's state",
            why=f"{self._path}: {error}",
            hint="see that the disk has room and that no other driver has the file",
            reason=model.Reason.UNAVAILABLE,
        )


class Transaction:
    """Writes that are committed together."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def prepare(self) -> None:
        """Make the tables of a new file; refuse a file of a newer driver rather than guess at it."""
        (version,) = self._connection.execute("PRAGMA user_version").fetchone()
        if version > _VERSION:
            raise sqlite3.DatabaseError(f"the file is of a newer driver (version {version}, not {_VERSION})")
        if version == 0:
            for statement in filter(str.strip, _SCHEMA.split(";")):
                self._connection.execute(statement)
            self._connection.execute(f"PRAGMA user_version = {_VERSION}")

    def add_network(self, network: model.Network) -> None:
        """Add a network."""
        self._connection.execute(
            "INSERT INTO network VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
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
            ),
        )

    def remove_network(self, network_id: str) -> None:
        """Remove a network with its endpoints and leases; one that is not there is fine."""
        self._connection.execute("DELETE FROM lease WHERE network_id = ?", (network_id,))
        self._connection.execute("DELETE FROM endpoint WHERE network_id = ?", (network_id,))
        self._connection.execute("DELETE FROM network WHERE id = ?", (network_id,))

    def add_endpoint(self, endpoint: model.Endpoint) -> None:
        """Add an endpoint; the address must be free."""
        self._connection.execute(
            "INSERT INTO endpoint VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                endpoint.id,
                endpoint.network_id,
                endpoint.name,
                str(endpoint.address),
                endpoint.mac,
                endpoint.rung,
                endpoint.source,
                endpoint.created.isoformat(),
                endpoint.settled,
                endpoint.sandbox,
            ),
        )

    def remove_endpoint(self, endpoint_id: str) -> None:
        """Remove an endpoint; one that is not there is fine."""
        self._connection.execute("DELETE FROM endpoint WHERE id = ?", (endpoint_id,))

    def settle(self, endpoint_id: str) -> None:
        """Note that the endpoint's name is known for sure, and that DNS gives it the endpoint's address."""
        self._connection.execute("UPDATE endpoint SET settled = 1 WHERE id = ?", (endpoint_id,))

    def lease(self, network_id: str, name: str, address: ipaddress.IPv4Address) -> None:
        """Remember what DNS gave the name, for when its server does not answer."""
        self._connection.execute("INSERT OR REPLACE INTO lease VALUES (?, ?, ?)", (network_id, name, str(address)))

    def seat(self, endpoint_id: str, sandbox: str | None) -> None:
        """Say in which sandbox the endpoint is."""
        self._connection.execute("UPDATE endpoint SET sandbox = ? WHERE id = ?", (sandbox, endpoint_id))


def _network(row: sqlite3.Row) -> model.Network:
    return model.Network(
        id=row["id"],
        bridge=row["bridge"],
        bridge_made=bool(row["bridge_made"]),
        subnet=ipaddress.IPv4Network(row["subnet"]),
        gateway=ipaddress.IPv4Address(row["gateway"]),
        domain=row["domain"],
        dns=model.Server(address=ipaddress.ip_address(row["dns_address"]), port=row["dns_port"]),
        snat=bool(row["snat"]),
        mtu=row["mtu"],
        range=ipaddress.IPv4Network(row["range"]),
        stale=model.Stale(row["stale"]),
        created=datetime.datetime.fromisoformat(row["created"]),
    )


def _endpoint(row: sqlite3.Row) -> model.Endpoint:
    return model.Endpoint(
        id=row["id"],
        network_id=row["network_id"],
        name=row["name"],
        address=ipaddress.IPv4Address(row["address"]),
        mac=row["mac"],
        rung=model.Rung(row["rung"]),
        source=model.Source(row["source"]),
        settled=bool(row["settled"]),
        created=datetime.datetime.fromisoformat(row["created"]),
        sandbox=row["sandbox"],
    )
