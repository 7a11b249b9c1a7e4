"""What the driver was told once and will not be told again: networks and endpoints, in one SQLite file."""

import contextlib
import ipaddress
import pathlib
import sqlite3
import threading
from collections.abc import Iterator

from netplugin import deadline, model, rows

BUSY_SECONDS = 2.0  # how long a transaction waits for another one
_WHAT = "keep the driver's state"
CACHE_KIB = 256  # of each thread's connection, of which there may be dozens; SQLite's own choice is 2,048
_VERSION = 2
_SCHEMA = """
CREATE TABLE network (
    id TEXT PRIMARY KEY, bridge TEXT NOT NULL UNIQUE, bridge_made INTEGER NOT NULL, subnet TEXT NOT NULL,
    gateway TEXT NOT NULL, domain TEXT NOT NULL, dns_address TEXT NOT NULL, dns_port INTEGER NOT NULL,
    snat INTEGER NOT NULL, mtu INTEGER NOT NULL, range TEXT NOT NULL, stale TEXT NOT NULL, created TEXT NOT NULL,
    ipam TEXT NOT NULL
) STRICT;
CREATE TABLE endpoint (
    id TEXT PRIMARY KEY, network_id TEXT NOT NULL REFERENCES network (id), name TEXT,
    address TEXT NOT NULL, mac TEXT NOT NULL, rung TEXT NOT NULL, source TEXT NOT NULL, created TEXT NOT NULL,
    settled INTEGER NOT NULL, sandbox TEXT, left INTEGER NOT NULL, UNIQUE (network_id, address)
) STRICT;
CREATE TABLE move (
    container TEXT PRIMARY KEY, network_id TEXT NOT NULL REFERENCES network (id), endpoint_id TEXT NOT NULL,
    name TEXT NOT NULL, aliases TEXT NOT NULL, options TEXT NOT NULL, address TEXT
) STRICT;
CREATE TABLE lease (
    network_id TEXT NOT NULL REFERENCES network (id), name TEXT NOT NULL, address TEXT NOT NULL,
    PRIMARY KEY (network_id, name)
) STRICT;
"""
# By the version of a file, what makes it one of the next; a column that comes later is the last one here and there.
_MIGRATIONS = {
    1: "ALTER TABLE network ADD COLUMN ipam TEXT NOT NULL DEFAULT 'null'; ALTER TABLE move ADD COLUMN address TEXT",
}


class Store:
    """The file. Reads see the last commit; writes go through a transaction, the only lock of the driver."""

    def __init__(self, path: pathlib.Path) -> None:
        self._path = path
        self._local, self._writing = threading.local(), threading.RLock()
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self.transaction() as transaction:
            transaction.prepare()

    def networks(self) -> tuple[model.Network, ...]:
        """Return all networks, oldest first."""
        return tuple(rows.network(row) for row in self._read("SELECT * FROM network ORDER BY created"))

    def network(self, network_id: str) -> model.Network:
        """Return a network; one that the driver was never told of cannot be served."""
        for row in self._read("SELECT * FROM network WHERE id = ?", network_id):
            return rows.network(row)
        raise model.Cannot(
            f"serve the network {network_id[:12]}",
            why="the driver has no record of it",
            hint="make it again: docker network rm NAME, then docker network create -d fullhost … NAME",
            reason=model.Reason.MISSING,
        )

    def endpoints(self) -> tuple[model.Endpoint, ...]:
        """Return all endpoints, oldest first."""
        return tuple(rows.endpoint(row) for row in self._read("SELECT * FROM endpoint ORDER BY created"))

    def endpoint(self, endpoint_id: str) -> model.Endpoint | None:
        """Return an endpoint, or None."""
        return next(map(rows.endpoint, self._read("SELECT * FROM endpoint WHERE id = ?", endpoint_id)), None)

    def holder(self, network_id: str, address: ipaddress.IPv4Address) -> model.Endpoint | None:
        """Return the endpoint that has an address of the network, or None."""
        query = "SELECT * FROM endpoint WHERE network_id = ? AND address = ?"
        return next(map(rows.endpoint, self._read(query, network_id, str(address))), None)

    def leased(self, network_id: str, name: str) -> ipaddress.IPv4Address | None:
        """Return the address that DNS gave the name the last time, or None."""
        query = "SELECT address FROM lease WHERE network_id = ? AND name = ?"
        return next((ipaddress.IPv4Address(str(row["address"])) for row in self._read(query, network_id, name)), None)

    def lessee(self, network_id: str, address: ipaddress.IPv4Address) -> str | None:
        """Return a name to which DNS gave the address the last time, or None where there is none or several."""
        query = "SELECT name FROM lease WHERE network_id = ? AND address = ?"
        names = [str(row["name"]) for row in self._read(query, network_id, str(address))]
        return names[0] if len(names) == 1 else None

    def moves(self) -> tuple[model.Move, ...]:
        """Return the moves that were begun and of which nobody knows that they ended."""
        return tuple(rows.move(row) for row in self._read("SELECT * FROM move"))

    @contextlib.contextmanager
    def transaction(self) -> Iterator["Transaction"]:
        """Write all of it or nothing: BEGIN IMMEDIATE, so that who comes second waits instead of failing later."""
        with self._turn():
            connection = self._connection()
            try:
                connection.execute("BEGIN IMMEDIATE")
                try:
                    transaction = Transaction(connection)
                    yield transaction
                    deadline.left(_WHAT, at_most=BUSY_SECONDS)  # a call that is over has changed nothing
                    connection.execute("COMMIT")
                except BaseException:
                    if connection.in_transaction:  # a COMMIT that found the disk full has rolled back already
                        connection.execute("ROLLBACK")
                    raise
                if transaction.lasting:
                    connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
            except sqlite3.Error as error:
                raise self._failed(error) from error

    @contextlib.contextmanager
    def _turn(self) -> Iterator[None]:
        """Have the driver's threads take turns: SQLite waits by sleeping, 1 to 100 ms and longer each time.

        Of 16 starts at once that come to write together, most would sleep while nobody writes.
        """
        if not self._writing.acquire(timeout=deadline.left(_WHAT, at_most=BUSY_SECONDS)):
            raise self._failed(sqlite3.OperationalError("database is locked"))
        try:
            yield
        finally:
            self._writing.release()

    def _read(self, query: str, *values: str) -> list[rows.Row]:
        try:
            return [dict(row) for row in self._connection().execute(query, values)]
        except sqlite3.Error as error:
            raise self._failed(error) from error

    def _connection(self) -> sqlite3.Connection:
        """Return this thread's connection, which waits for others no longer than the call may last.

        With a write-ahead log and synchronous=NORMAL a commit outlives the driver at once, and a power cut as soon as
        there is a checkpoint. An endpoint does not outlive a power cut anyway, so its writes do not wait for the disk.
        """
        seconds = deadline.left(_WHAT, at_most=BUSY_SECONDS)
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            try:
                connection = sqlite3.connect(self._path, timeout=seconds, isolation_level=None)
                connection.row_factory = sqlite3.Row
                connection.execute("PRAGMA journal_mode = WAL")
                connection.execute("PRAGMA synchronous = NORMAL")
                connection.execute("PRAGMA foreign_keys = ON")
                connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
            except sqlite3.Error as error:
                raise self._failed(error) from error
            self._local.connection = connection
        connection.execute(f"PRAGMA busy_timeout = {int(seconds * 1000)}")
        return connection

    def _failed(self, error: sqlite3.Error) -> model.Cannot:
        return model.Cannot(
            _WHAT,
            why=f"{self._path}: {error}",
            hint="see that the disk has room and that no other driver has the file",
            reason=model.Reason.UNAVAILABLE,
        )


class Transaction:
    """Writes that are committed together; `lasting` ones have to outlive a power cut, since nobody says them again."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection, self.lasting = connection, False

    def prepare(self) -> None:
        """Make the tables of a new file, or add to an older one; refuse one of a newer driver rather than guess."""
        (version,) = self._connection.execute("PRAGMA user_version").fetchone()
        if version > _VERSION:
            raise sqlite3.DatabaseError(f"the file is of a newer driver (version {version}, not {_VERSION})")
        scripts = [_MIGRATIONS[old] for old in range(version, _VERSION)] if version else [_SCHEMA]
        for statement in filter(str.strip, ";".join(scripts).split(";")):
            self._connection.execute(statement)
        if version != _VERSION:
            self._connection.execute(f"PRAGMA user_version = {_VERSION}")

    def add_network(self, network: model.Network) -> None:
        """Add a network."""
        self.lasting = True
        self._insert("network", rows.of_network(network))

    def remove_network(self, network_id: str) -> None:
        """Remove a network with all that belongs to it; one that is not there is fine."""
        self.lasting = True
        for table in ("move", "lease", "endpoint"):
            self._connection.execute(f"DELETE FROM {table} WHERE network_id = ?", (network_id,))  # noqa: S608
        self._connection.execute("DELETE FROM network WHERE id = ?", (network_id,))

    def add_endpoint(self, endpoint: model.Endpoint) -> None:
        """Add an endpoint; the address must be free."""
        self._insert("endpoint", rows.of_endpoint(endpoint))

    def remove_endpoint(self, endpoint_id: str) -> None:
        """Remove an endpoint; one that is not there is fine."""
        self._connection.execute("DELETE FROM endpoint WHERE id = ?", (endpoint_id,))

    def settle(self, endpoint_id: str) -> None:
        """Note that the endpoint's name is known for sure, and that DNS gives it the endpoint's address."""
        self._connection.execute("UPDATE endpoint SET settled = 1 WHERE id = ?", (endpoint_id,))

    def lease(self, network_id: str, name: str, address: ipaddress.IPv4Address) -> None:
        """Remember what DNS gave the name, for when its server does not answer."""
        self._insert("lease", (network_id, name, str(address)))

    def begin(self, move: model.Move) -> None:
        """Note a move before its first step, so that it is completed whatever happens in between."""
        self.lasting = True
        self._insert("move", rows.of_move(move))

    def end(self, move: model.Move) -> None:
        """Note that a move is done, or that there is nothing left to move."""
        self.lasting = True
        self._connection.execute("DELETE FROM move WHERE container = ?", (move.container,))

    def seat(self, endpoint_id: str, sandbox: str) -> None:
        """Say in which sandbox the endpoint is."""
        query = "UPDATE endpoint SET sandbox = ?, left = 0 WHERE id = ?"
        self._connection.execute(query, (sandbox, endpoint_id))

    def unseat(self, endpoint_id: str) -> None:
        """Say that the endpoint has left its sandbox; from then on it is only to be deleted."""
        self._connection.execute("UPDATE endpoint SET sandbox = NULL, left = 1 WHERE id = ?", (endpoint_id,))

    def _insert(self, table: str, values: tuple[rows.Value, ...]) -> None:
        """Insert a row; in the tables of moves and leases a newer one takes the place of an older."""
        verb = "INSERT OR REPLACE" if table in {"move", "lease"} else "INSERT"
        places = ", ".join("?" * len(values))
        self._connection.execute(f"{verb} INTO {table} VALUES ({places})", values)
