"""What is written to the state file: each write a sentence of the use cases, committed together or not at all."""

import typing

from netplugin import binding, exposure, model, pairs, registration, rows


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
        self.abandon(network_id)
        for table in ("move", "lease", "binding", "exposure", "endpoint"):
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

    def rename(self, endpoint_id: str, name: str) -> None:
        """Give an endpoint another name; one that is not there is fine."""
        self._connection.execute("UPDATE endpoint SET name = ? WHERE id = ?", (name, endpoint_id))

    def unsettle(self, endpoint_id: str) -> None:
        """Note that the endpoint's address may not be its name's any more."""
        self._connection.execute("UPDATE endpoint SET settled = 0 WHERE id = ?", (endpoint_id,))

    def bind(self, bound: binding.Binding) -> None:
        """Write down what a DHCP server leases to a name."""
        self.lasting = True
        self._insert("binding", rows.of_binding(bound))

    def own(self, bound: binding.Binding, container: str) -> None:
        """Write down whose a lease is, which may have been renewed meanwhile."""
        query = "UPDATE binding SET container = ? WHERE network_id = ? AND name = ?"
        self._connection.execute(query, (container, bound.network_id, bound.name))

    def rebind(self, network_id: str, old: str, name: str) -> None:
        """Have another name take over what is leased to an old one, if anything is."""
        query = "UPDATE OR REPLACE binding SET name = ? WHERE network_id = ? AND name = ?"
        self._connection.execute(query, (name, network_id, old))

    def unbind(self, gone: binding.Binding) -> None:
        """Forget what was leased to a name; what is not there is fine."""
        query = "DELETE FROM binding WHERE network_id = ? AND name = ?"
        self._connection.execute(query, (gone.network_id, gone.name))

    def lease(self, network_id: str, name: str, given: pairs.Pair) -> None:
        """Remember what DNS gave the name, for when its server does not answer."""
        self._insert("lease", (network_id, name, *rows.of_pair(given)))

    def begin(self, move: model.Move) -> None:
        """Note a move before its first step, so that it is completed whatever happens in between."""
        self.lasting = True
        self._insert("move", rows.of_move(move))

    def end(self, move: model.Move) -> None:
        """Note that a move is done, or that there is nothing left to move."""
        self.lasting = True
        self._connection.execute("DELETE FROM move WHERE container = ?", (move.container,))

    def register(self, wish: registration.Registration) -> None:
        """Write down how far a registration is, before the step itself."""
        self.lasting = True
        self._insert("registration", rows.of_registration(wish))

    def unregister(self, gone: registration.Registration) -> None:
        """Forget a registration of which the zone has nothing any more."""
        query = "DELETE FROM registration WHERE network_id = ? AND address = ?"
        self._connection.execute(query, (gone.network_id, str(gone.address)))

    def abandon(self, network_id: str) -> None:
        """Have all registrations of a network go from the zone."""
        query = "UPDATE registration SET phase = ? WHERE network_id = ?"
        self._connection.execute(query, (registration.Phase.LEAVING, network_id))

    def baptize(self, owner: str) -> None:
        """Give the driver its name, unless it has one."""
        query = "INSERT INTO identity SELECT ? WHERE NOT EXISTS (SELECT * FROM identity)"
        self._connection.execute(query, (owner,))

    def meet(self, version: str) -> None:
        """Remember which engine this is, for when it does not tell."""
        self.lasting = True
        self._connection.execute("DELETE FROM engine")
        self._insert("engine", (version,))

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
        """Insert a row; in most tables a newer one takes the place of an older."""
        verb = "INSERT OR REPLACE" if table in {"move", "lease", "registration", "binding"} else "INSERT"
        places = ", ".join("?" * len(values))
        self._connection.execute(f"{verb} INTO {table} VALUES ({places})", values)
