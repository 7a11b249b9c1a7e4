"""Use cases of the network driver: gather, decide, act, answer; and undo what a failure leaves half done."""

import contextlib
import dataclasses
import datetime
import ipaddress
import typing
from collections.abc import Callable, Mapping

from netplugin import addressing, agreement, allocation, assignment, deadline, model, naming, options, protocol, store


class Links(typing.Protocol):
    """What the driver does with links (netplugin.links)."""

    def exists(self, name: str) -> bool: ...
    def overlapping(self, network: model.Network) -> str | None: ...
    def check_bridge(self, network: model.Network) -> None: ...
    def ensure_bridge(self, network: model.Network) -> None: ...
    def create_veth(self, veth: model.Veth, network: model.Network) -> None: ...
    def delete_link(self, name: str) -> None: ...
    def port(self, host_end: str) -> model.Port | None: ...


class Firewall(typing.Protocol):
    """What the driver does with rules (netplugin.firewall)."""

    def ensure(self, network: model.Network) -> None: ...
    def delete(self, network_id: str) -> None: ...


class Engine(typing.Protocol):
    """What the driver asks of the engine (netplugin.engine)."""

    def version(self) -> str: ...
    def network_ids(self) -> frozenset[str]: ...
    def pools(self) -> tuple[tuple[str, int], ...]: ...


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Driver:
    """The driver over its leaves.

    `now` is the clock, `count` adds one to a counter that `fhv status` shows, `wake` has the keeper look at once.
    """

    store: store.Store
    links: Links
    firewall: Firewall
    engine: Engine
    assigner: assignment.Assigner
    agreement: agreement.Agreement
    defaults: Mapping[str, str]
    now: Callable[[], datetime.datetime]
    count: Callable[[str], None]
    wake: Callable[[], None]

    def create_network(self, request: protocol.CreateNetwork) -> protocol.Answer:
        """Make bridge and rules; keep the options, which the engine never sends again. Asked twice, done once."""
        kind, given = allocation.wanted(request, pools=self.engine.pools)
        options.refuse_engine(self.engine.version())
        plain = options.network(request.network_id, given, defaults=self.defaults, created=self.now())
        wish = dataclasses.replace(plain, ipam=kind)
        if any(network.id == wish.id for network in self.store.networks()):
            return protocol.Answer()
        self._make_way(wish)
        made = not self.links.exists(wish.bridge)
        network = dataclasses.replace(wish, bridge_made=made)
        with contextlib.ExitStack() as undo:
            # The row goes first, and on its own: of a driver that dies half way, the keeper finds what was begun.
            with self.store.transaction() as transaction:
                _refuse_clash(network, self.store.networks())
                transaction.add_network(network)
            undo.callback(deadline.undo, self.dismantle, network)
            with self.store.transaction():  # nothing to write: it keeps the keeper from doing the same meanwhile
                if made:
                    self._refuse_overlap(network)
                    self.links.ensure_bridge(network)
                else:
                    self.links.check_bridge(network)
                self.firewall.ensure(network)
            undo.pop_all()
        return protocol.Answer()

    def delete_network(self, request: protocol.NetworkRef) -> protocol.Answer:
        """Take away all that the network made, a bridge only if it was made by it; try each step, then complain."""
        network = next((n for n in self.store.networks() if n.id == request.network_id), None)
        if network is not None:
            self.dismantle(network)
        else:  # its row may have gone with a state file; its rules would translate for whoever has the subnet next
            self.firewall.delete(request.network_id)
        return protocol.Answer()

    def create_endpoint(self, request: protocol.CreateEndpoint) -> protocol.Answer:
        """Give the endpoint the address of its name, and plug a veth for it into the bridge."""
        network = self.store.network(request.network_id)
        endpoint = self.store.endpoint(request.endpoint_id)
        if endpoint is None:
            endpoint = self._plug(request, network)
            self.count(f"rung.{endpoint.rung}")
            self.count(f"address.{endpoint.source}")
        interface = ipaddress.IPv4Interface((endpoint.address, network.subnet.prefixlen))
        return protocol.endpoint_created(
            address=None if request.address else str(interface),
            mac=None if request.mac else endpoint.mac,
            note=f"name={endpoint.name} address={endpoint.address} rung={endpoint.rung} source={endpoint.source}",
        )

    def delete_endpoint(self, request: protocol.EndpointRef) -> protocol.Answer:
        """Delete veth and row; what is gone already is fine. The row goes last, so that a failure is tried again."""
        self.links.delete_link(naming.veth(request.endpoint_id).host)
        with self.store.transaction() as transaction:
            transaction.remove_endpoint(request.endpoint_id)
        return protocol.Answer()

    def join(self, request: protocol.Join) -> protocol.Answer:
        """Tell the engine which interface to move into the sandbox, and its default route."""
        network, endpoint = self.store.network(request.network_id), self.store.endpoint(request.endpoint_id)
        if endpoint is None:
            raise model.Cannot(
                f"join the endpoint {request.endpoint_id[:12]}",
                why="the driver has no record of it",
                hint="start the container again",
                reason=model.Reason.MISSING,
            )
        settled = endpoint.settled or self.assigner.verify(endpoint)
        with self.store.transaction() as transaction:
            transaction.seat(endpoint.id, request.sandbox)
            if settled:
                transaction.settle(endpoint.id)
        if not settled:
            self.wake()
        return protocol.joined(peer=naming.veth(endpoint.id).peer, gateway=str(network.gateway))

    def leave(self, request: protocol.EndpointRef) -> protocol.Answer:
        """Note that no sandbox has the endpoint; it may be unknown, or have left before."""
        with self.store.transaction() as transaction:
            transaction.unseat(request.endpoint_id)
        return protocol.Answer()

    def publish(self, request: protocol.Publish) -> protocol.Answer:
        """Refuse ports to publish, instead of leaving them unpublished without a word."""
        if request.ports:
            raise model.Cannot(
                f"publish {', '.join(request.ports)}",
                why="this driver publishes no ports yet: a machine is reached at its own address",
                hint="leave -p and -P away",
            )
        return protocol.Answer()

    def acknowledge(self, request: protocol.EndpointRef) -> protocol.Answer:
        """Do nothing, for a call that needs nothing done."""
        return protocol.Answer()

    def describe(self, request: protocol.EndpointRef) -> protocol.Answer:
        """Return the details of an endpoint, of which the driver has none to tell."""
        return protocol.details()

    def _plug(self, request: protocol.CreateEndpoint, network: model.Network) -> model.Endpoint:
        """Write the row and make the veth, both or neither; an endpoint that this one supersedes goes first."""
        veth = naming.veth(request.endpoint_id)
        assigned = self.agreement.assign(request.name, request.address, request.mac, network)
        with contextlib.ExitStack() as undo:
            with self.store.transaction() as transaction:
                endpoint = _endpoint(request, assigned, self._address(assigned, network), self.now())
                holder = self.store.holder(network.id, endpoint.address)
                if holder is not None:
                    port = self.links.port(naming.veth(holder.id).host)
                    if not addressing.supersedes(endpoint, holder, port):
                        raise addressing.taken(endpoint.name, holder)
                    transaction.remove_endpoint(holder.id)
                    self.links.delete_link(naming.veth(holder.id).host)
                transaction.add_endpoint(endpoint)
                if endpoint.name is not None and endpoint.source is model.Source.DNS:
                    transaction.lease(network.id, endpoint.name, endpoint.address)
                undo.callback(self.links.delete_link, veth.host)
                self.links.create_veth(veth, network)
            undo.pop_all()
        if holder is not None:
            self.count("superseded")
        return endpoint

    def _address(self, assigned: model.Assignment, network: model.Network) -> ipaddress.IPv4Address:
        """Return the assigned address, or pick a provisional one, under the write lock, so that nobody else does."""
        if assigned.address is not None:
            return assigned.address
        held = {endpoint.address for endpoint in self.store.endpoints() if endpoint.network_id == network.id}
        return addressing.provisional(network, assigned.avoid | held)

    def _make_way(self, wish: model.Network) -> None:
        """Delete the networks in the wish's way that the engine has no more: their DeleteNetwork never came."""
        while (other := options.clash(wish, self.store.networks())) is not None:
            if other.id in self.engine.network_ids():
                raise options.clashes(wish, other)
            self.dismantle(other)
            self.count("collected.network")

    def _refuse_overlap(self, network: model.Network) -> None:
        """Refuse a subnet of which another interface has an address: its hosts would not be reached any more."""
        if (other := self.links.overlapping(network)) is not None:
            raise model.Cannot(
                f"make the network with {network.subnet}",
                why=f"{other}, which is part of it or has it as a part",
                hint="give another one with -o fullhost.subnet=…",
                reason=model.Reason.CONFLICT,
            )

    def dismantle(self, network: model.Network) -> None:
        """Take a network away, under the lock, so that the keeper puts nothing back; if a step fails, the row stays."""
        with self.store.transaction() as transaction, contextlib.ExitStack() as steps:
            for endpoint in self.store.endpoints():
                if endpoint.network_id == network.id:
                    steps.callback(self.links.delete_link, naming.veth(endpoint.id).host)
            if network.bridge_made:
                steps.callback(self.links.delete_link, network.bridge)
            steps.callback(self.firewall.delete, network.id)
            transaction.remove_network(network.id)


def _refuse_clash(network: model.Network, standing: tuple[model.Network, ...]) -> None:
    """Look once more, under the write lock: another network may have been made meanwhile."""
    if (other := options.clash(network, standing)) is not None:
        raise options.clashes(network, other)


def _endpoint(
    request: protocol.CreateEndpoint,
    assigned: model.Assignment,
    address: ipaddress.IPv4Address,
    now: datetime.datetime,
) -> model.Endpoint:
    return model.Endpoint(
        id=request.endpoint_id,
        network_id=request.network_id,
        name=assigned.name,
        address=address,
        mac=request.mac or naming.mac(address),
        rung=assigned.rung,
        source=assigned.source,
        created=now,
        settled=assigned.settled,
    )
