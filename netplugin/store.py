"""What the driver was told once and will not be told again: networks and endpoints, in one SQLite file."""

import collections
import contextlib
import ipaddress
import pathlib
import sqlite3
import threading
import typing
from collections.abc import Callable, Iterator

from netplugin import binding, deadline, exposure, model, pairs, registration, rows, schema, transaction

BUSY_SECONDS = 2.0  # how long a transaction waits for another one
_WHAT = "keep the driver's state"
CACHE_KIB = 256  # of each connection; SQLite's own choice is 2,048
T = typing.TypeVar("T")


class Store:
    """The file. Reads see the last commit; writes go through a transaction, the only lock of the driver."""

    def __init__(self, path: pathlib.Path) -> None:
        self._path = path
        self._local, self._writing = threading.local(), threading.RLock()
        self._idle = collections.deque[sqlite3.Connection]()
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self.transaction():
            self._prepare()

    def networks(self) -> tuple[model.Network, ...]:
        """Return all networks, oldest first."""
        return self._read(rows.network, "SELECT * FROM network ORDER BY created")

    def network(self, network_id: str) -> model.Network:
        """Return a network; one that the driver was never told of cannot be served."""
        if (network := self._one(rows.network, "SELECT * FROM network WHERE id = ?", network_id)) is not None:
            return network
        raise model.Cannot(
            f"serve the network {network_id[:12]}",
            why="the driver has no record of it",
            hint="make it again: docker network rm NAME, then docker network create -d fullhost … NAME",
            reason=model.Reason.MISSING,
        )

    def endpoints(self) -> tuple[model.Endpoint, ...]:
        """Return all endpoints, oldest first."""
        return self._read(rows.endpoint, "SELECT * FROM endpoint ORDER BY created")

    def each_endpoint(self) -> Iterator[model.Endpoint]:
        """Yield all endpoints, one by one: who looks at each of a thousand need not hold them."""
        try:
            with self._connection() as connection:
                yield from map(rows.endpoint, connection.execute("SELECT * FROM endpoint"))
        except sqlite3.Error as error:
            raise self._failed(error) from error

    def unsettled(self) -> tuple[model.Endpoint, ...]:
        """Return the endpoints that are not settled, oldest first: mostly none, of however many."""
        return self._read(rows.endpoint, "SELECT * FROM endpoint WHERE NOT settled ORDER BY created")

    def endpoint(self, endpoint_id: str) -> model.Endpoint | None:
        """Return an endpoint, or None."""
        return self._one(rows.endpoint, "SELECT * FROM endpoint WHERE id = ?", endpoint_id)

    def holder(self, network_id: str, address: pairs.Address) -> model.Endpoint | None:
        """Return the endpoint that has an address of the network, or None."""
        column = "address" if address.version == 4 else "address6"
        query = f"SELECT * FROM endpoint WHERE network_id = ? AND {column} = ?"  # noqa: S608 - one of two words
        return self._one(rows.endpoint, query, network_id, str(address))

    def named(self, network_id: str, name: str) -> model.Endpoint | None:
        """Return the endpoint of the network that has a name, the oldest of several, or None."""
        query = "SELECT * FROM endpoint WHERE network_id = ? AND name = ? ORDER BY created"
        return self._one(rows.endpoint, query, network_id, name)

    def bearer(self, network_id: str, mac: str) -> model.Endpoint | None:
        """Return an endpoint of the network that has a hardware address, or None."""
        query = "SELECT * FROM endpoint WHERE network_id = ? AND mac = ?"
        return self._one(rows.endpoint, query, network_id, mac)

    def held(self, network_id: str) -> frozenset[pairs.Address]:
        """Return the addresses of a network that endpoints, registrations or leases have, of both versions."""
        owners = [(e.network_id, e.addresses) for e in self.endpoints()]
        owners += [(r.network_id, r.addresses) for r in self.registrations()]
        owners += [(b.network_id, pairs.Pair(four=b.address)) for b in self.bindings()]
        return frozenset(address for owner, given in owners if owner == network_id for address in given)

    def leased(self, network_id: str, name: str) -> pairs.Pair | None:
        """Return the addresses that DNS gave the name the last time, or None."""
        query = "SELECT address, address6 FROM lease WHERE network_id = ? AND name = ?"
        return self._one(rows.pair, query, network_id, name)

    def is_elsewhere(self, endpoint: model.Endpoint) -> bool:
        """Tell whether the endpoint's name has had an IPv6 address on another network, too."""
        query = "SELECT 1 FROM lease WHERE name = ? AND network_id != ? AND address6 IS NOT NULL"
        return self._one(bool, query, endpoint.name or "", endpoint.network_id) is not None

    def engine(self) -> str:
        """Return the version of the engine, when it was told the last time; nothing where it never was."""
        return self._one(lambda row: str(row["version"]), "SELECT version FROM engine") or ""

    def lessee(self, network_id: str, address: ipaddress.IPv4Address) -> str | None:
        """Return a name to which DNS gave the address the last time, or None where there is none or several."""
        query = "SELECT name FROM lease WHERE network_id = ? AND address = ?"
        names = self._read(lambda row: str(row["name"]), query, network_id, str(address))
        return names[0] if len(names) == 1 else None

    def exposures(self) -> tuple[exposure.Exposure, ...]:
        """Return all exposures, by port of the host."""
        return self._read(rows.exposed, "SELECT * FROM exposure ORDER BY host_port, transport")

    def moves(self) -> tuple[model.Move, ...]:
        """Return the moves that were begun and of which nobody knows that they ended."""
        return self._read(rows.move, "SELECT * FROM move")

    def registrations(self) -> tuple[registration.Registration, ...]:
        """Return all registrations, oldest first; of networks that are gone, too, until the zone is rid of them."""
        return self._read(rows.registered, "SELECT * FROM registration ORDER BY created")

    def bindings(self) -> tuple[binding.Binding, ...]:
        """Return what DHCP servers lease to names, or did the last time; what is over soonest comes first."""
        return self._read(rows.bound, "SELECT * FROM binding ORDER BY expires")

    def binding(self, network_id: str, name: str) -> binding.Binding | None:
        """Return what a DHCP server leases to a name, or did the last time, or None."""
        query = "SELECT * FROM binding WHERE network_id = ? AND name = ?"
        return self._one(rows.bound, query, network_id, name)

    def owner(self, suggestion: str) -> str:
        """Return what this driver calls itself in marks: the suggestion of its first life, for good."""
        with self.transaction() as transaction:
            transaction.baptize(suggestion)
        return self._read(lambda row: str(row["owner"]), "SELECT owner FROM identity")[0]

    @contextlib.contextmanager
    def transaction(self) -> Iterator[transaction.Transaction]:
        """Write all of it or nothing: BEGIN IMMEDIATE, so that who comes second waits instead of failing later."""
        with self._turn(), self._connection() as connection:
            try:
                connection.execute("BEGIN IMMEDIATE")
                self._local.writing = connection
                try:
                    writes = transaction.Transaction(connection)
                    yield writes
                    deadline.left(_WHAT, at_most=BUSY_SECONDS)  # a call that is over has changed nothing
                    connection.execute("COMMIT")
                except BaseException:
                    if connection.in_transaction:  # a COMMIT that found the disk full has rolled back already
                        connection.execute("ROLLBACK")
                    raise
                finally:
                    self._local.writing = None
                if writes.lasting:
                    connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
            except sqlite3.Error as error:
                raise self._failed(error) from error

    def _prepare(self) -> None:
        """Make the tables of a new file, or add to an older one; refuse one of a newer driver rather than guess."""
        with self._connection() as connection:
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            if version > schema.VERSION:
                raise sqlite3.DatabaseError(f"the file is of a newer driver (version {version}, not {schema.VERSION})")
            for statement in schema.statements(version):
                connection.execute(statement)
            if version != schema.VERSION:
                connection.execute(f"PRAGMA user_version = {schema.VERSION}")

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

    def _one(self, make: Callable[[rows.Row], T], query: str, *values: str) -> T | None:
        return next(iter(self._read(make, query, *values)), None)

    def _read(self, make: Callable[[rows.Row], T], query: str, *values: str) -> tuple[T, ...]:
        """Return what is made of each row, one after the other: of a thousand, rows and nouns are not held together."""
        try:
            with self._connection() as connection:
                return tuple(map(make, connection.execute(query, values)))
        except sqlite3.Error as error:
            raise self._failed(error) from error

    @contextlib.contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        """Lend a connection, which waits for others no longer than the call may last; in a transaction, its own.

        They are of nobody when idle, since each takes 180 KB, and of the dozens of threads that serve calls few are
        here at once.
        """
        seconds = deadline.left(_WHAT, at_most=BUSY_SECONDS)
        if (writing := getattr(self._local, "writing", None)) is not None:
            yield writing
            return
        try:
            connection = self._idle.pop()
        except IndexError:
            connection = self._connect(seconds)
        try:
            connection.execute(f"PRAGMA busy_timeout = {int(seconds * 1000)}")
            yield connection
        finally:
            if connection.in_transaction:  # it could not be rolled back, and is of no use any more
                connection.close()
            else:
                self._idle.append(connection)

    def _connect(self, seconds: float) -> sqlite3.Connection:
        """Open the file.

        With a write-ahead log and synchronous=NORMAL a commit outlives the driver at once, and a power cut as soon as
        there is a checkpoint. An endpoint does not outlive a power cut anyway, so its writes do not wait for the disk.
        """
        try:
            connection = sqlite3.connect(self._path, timeout=seconds, isolation_level=None, check_same_thread=False)
            connection.row_factory = sqlite3.Row
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
        except sqlite3.Error as error:
            raise self._failed(error) from error
        return connection

    def _failed(self, error: sqlite3.Error) -> model.Cannot:
        return model.Cannot(
            _WHAT,
            why=f"{self._path}: {error}",
            hint="see that the disk has room and that no other driver has the file",
            reason=model.Reason.UNAVAILABLE,
        )
