"""What is written to the state file: each write a sentence of the use cases, committed together or not at all."""

import ipaddress
import typing

from netplugin import exposure, model, rows


class Connection(typing.Protocol):
    """What executes a statement (sqlite3.Connection)."""

    def execute(self, sql: str, parameters: tuple[rows.Value, ...] = (), /) -> object: ...


class Transaction:
    """Writes that are committed together; `lasting` ones have to outlive a power cut, since nobody says them again."""

    def __init__(self, connection: Connection) -> None:
        self._connection, self.lasting = connection, False

    def add_network(self, network: model.Network) -> None:
        """Add a network."""
        self.lasting = True
        self._insert("network", rows.of_network(network))

    def remove_network(self, network_id: str) -> None:
        """Remove a network with all that belongs to it; one that is not there is fine."""
        self.lasting = True
        for table in ("move", "lease", "exposure", "endpoint"):
            self._connection.execute(f"DELETE FROM {table} WHERE network_id = ?", (network_id,))  # noqa: S608
        self._connection.execute("DELETE FROM network WHERE id = ?", (network_id,))

    def add_endpoint(self, endpoint: model.Endpoint) -> None:
        """Add an endpoint; the address must be free."""
        self._insert("endpoint", rows.of_endpoint(endpoint))

    def remove_endpoint(self, endpoint_id: str) -> None:
        """Remove an endpoint, and what was published for it; one that is not there is fine."""
        self._unpublish(endpoint_id)
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
        self._unpublish(endpoint_id)
        self._connection.execute("UPDATE endpoint SET sandbox = NULL, left = 1 WHERE id = ?", (endpoint_id,))

    def add_exposure(self, exposed: exposure.Exposure) -> None:
        """Add an exposure; one of a name is for good."""
        self.lasting = self.lasting or exposed.name is not None
        self._insert("exposure", rows.of_exposure(exposed))

    def remove_exposure(self, exposed: exposure.Exposure) -> None:
        """Remove an exposure; one that is not there is fine."""
        self.lasting = self.lasting or exposed.name is not None
        query = "DELETE FROM exposure WHERE transport = ? AND host = ? AND host_port = ?"
        self._connection.execute(query, (exposed.transport, str(exposed.host or ""), exposed.host_port))

    def _unpublish(self, endpoint_id: str) -> None:
        self._connection.execute("DELETE FROM exposure WHERE endpoint_id = ?", (endpoint_id,))

    def _insert(self, table: str, values: tuple[rows.Value, ...]) -> None:
        """Insert a row; in the tables of moves and leases a newer one takes the place of an older."""
        verb = "INSERT OR REPLACE" if table in {"move", "lease"} else "INSERT"
        places = ", ".join("?" * len(values))
        self._connection.execute(f"{verb} INTO {table} VALUES ({places})", values)
