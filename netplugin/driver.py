"""Use cases of endpoints: gather, decide, act, answer; and undo what a failure leaves half done."""

import contextlib
import dataclasses
import datetime
import ipaddress
import typing
from collections.abc import Callable

from netplugin import (
    addressing,
    agreement,
    answers,
    assignment,
    exposure,
    guarding,
    model,
    naming,
    pairs,
    protocol,
    publishing,
    store,
    transaction,
)


class Links(typing.Protocol):
    """What the driver does with links (netplugin.links)."""

    def create_veth(self, veth: model.Veth, network: model.Network) -> None: ...
    def delete_link(self, name: str) -> None: ...
    def port(self, host_end: str) -> model.Port | None: ...


class Engine(typing.Protocol):
    """What is asked of the engine (netplugin.engine)."""

    def version(self) -> str: ...


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Driver:
    """The use cases of endpoints over their leaves.

    `now` is the clock, `count` adds one to a counter that `fhv status` shows, `wake` has the keeper look at once.
    """

    store: store.Store
    links: Links
    engine: Engine
    assigner: assignment.Assigner
    agreement: agreement.Agreement
    publisher: publishing.Publisher
    guardian: guarding.Guardian
    now: Callable[[], datetime.datetime]
    count: Callable[[str], None]
    wake: Callable[[], None]

    def create_endpoint(self, request: protocol.CreateEndpoint) -> answers.Answer:
        """Give the endpoint the address of its name, and plug a veth for it into the bridge."""
        network = self.store.network(request.network_id)
        endpoint = self.store.endpoint(request.endpoint_id)
        if endpoint is None:
            endpoint = self._plug(request, network)
            self.count(f"rung.{endpoint.rung}")
            self.count(f"address.{endpoint.source}")
        given = " ".join(f"address{'' if one.version == 4 else 6}={one}" for one in endpoint.addresses)
        return answers.endpoint_created(
            address=None if request.address else _interface(endpoint.address, network.subnet),
            address6=_interface(endpoint.address6, network.subnet6),
            mac=None if request.mac else endpoint.mac,
            note=f"name={endpoint.name} {given} rung={endpoint.rung} source={endpoint.source}",
        )

    def delete_endpoint(self, request: protocol.EndpointRef) -> answers.Answer:
        """Delete veth and row; what is gone already is fine. The row goes last, so that a failure is tried again."""
        self.links.delete_link(naming.veth(request.endpoint_id).host)
        endpoint = self.store.endpoint(request.endpoint_id)
        with self.publisher.following(endpoint), self.store.transaction() as writes:
            writes.remove_endpoint(request.endpoint_id)
        return answers.Answer()

    def join(self, request: protocol.Join) -> answers.Answer:
        """Tell the engine which interface to move into the sandbox, and its default route."""
        network, endpoint = self.store.network(request.network_id), self.store.endpoint(request.endpoint_id)
        if endpoint is None:
            raise addressing.unknown("join", request.endpoint_id)
        settled = endpoint.settled or self.assigner.verify(endpoint)
        with self.publisher.following(endpoint), self.store.transaction() as writes:
            writes.seat(endpoint.id, request.sandbox)
            if settled:
                writes.settle(endpoint.id)
        if not settled:
            self.wake()
        return answers.joined(
            peer=naming.veth(endpoint.id).peer,
            gateway=None if endpoint.address is None else str(network.gateway),
            gateway6=None if endpoint.address6 is None else str(network.gateway6),
            routes=self._ways_out(endpoint, request.sandbox) if endpoint.address is None else (),
        )

    def leave(self, request: protocol.EndpointRef) -> answers.Answer:
        """Note that no sandbox has the endpoint; it may be unknown, or have left before."""
        endpoint = self.store.endpoint(request.endpoint_id)
        with self.publisher.following(endpoint), self.store.transaction() as writes:
            writes.unseat(request.endpoint_id)
        return answers.Answer()

    def describe(self, request: protocol.EndpointRef) -> answers.Answer:
        """Return the details of an endpoint, of which the driver has none to tell."""
        return answers.details()

    def _ways_out(self, endpoint: model.Endpoint, sandbox: str) -> tuple[str, ...]:
        """Return the routes of a machine with IPv6 alone, beside its gateway, and remember which engine this is.

        Of several networks with IPv6 the first one leads out: the kernel refuses the same route twice.
        """
        if any(e.sandbox == sandbox and e.id != endpoint.id and e.address6 is not None for e in self.store.endpoints()):
            return ()
        version, last = self.engine.version(), self.store.engine()
        if version not in {"", last}:
            with self.store.transaction() as writes:
                writes.meet(version)
        return answers.ways_out(version, last=last, several=self.store.is_elsewhere(endpoint))

    def _plug(self, request: protocol.CreateEndpoint, network: model.Network) -> model.Endpoint:
        """Write the row and make the veth, both or neither; an endpoint that this one supersedes goes first."""
        veth = naming.veth(request.endpoint_id)
        assigned = self.agreement.assign(request.name, request.address, request.mac, network)
        with contextlib.ExitStack() as after, contextlib.ExitStack() as undo:
            with self.store.transaction() as writes:
                endpoint = _endpoint(request, assigned, self._given(assigned, network), network, self.now())
                if request.publishes and endpoint.address is None:
                    raise exposure.unserved(endpoint)
                superseded = self._take(endpoint, writes, after)
                writes.add_endpoint(endpoint)
                if endpoint.name is not None and endpoint.source is model.Source.DNS:
                    writes.lease(network.id, endpoint.name, endpoint.addresses)
                undo.callback(self.links.delete_link, veth.host)
                self.links.create_veth(veth, network)
                self.guardian.pin(endpoint, network)  # before its peer is up; what is pinned goes with the port
            undo.pop_all()
        for _ in range(superseded):
            self.count("superseded")
        return endpoint

    def _take(self, endpoint: model.Endpoint, writes: transaction.Transaction, after: contextlib.ExitStack) -> int:
        """Have endpoints go that have an address of the new one, each superseded by it; return how many they were."""
        superseded = 0
        for address in endpoint.addresses:
            holder = self.store.holder(endpoint.network_id, address)
            if holder is None:
                continue
            if not addressing.supersedes(endpoint, holder, self.links.port(naming.veth(holder.id).host)):
                raise addressing.taken(endpoint.name, holder, address)
            after.enter_context(self.publisher.following(holder))
            writes.remove_endpoint(holder.id)
            self.links.delete_link(naming.veth(holder.id).host)
            superseded += 1
        if endpoint.address is None and (other := self.store.bearer(endpoint.network_id, endpoint.mac)) is not None:
            raise addressing.same_mac(endpoint, other)
        return superseded

    def _given(self, assigned: model.Assignment, network: model.Network) -> pairs.Pair:
        """Return what is assigned, or pick a provisional address, under the write lock, so that nobody else does."""
        if any(assigned.addresses):
            return assigned.addresses
        address = addressing.provisional(network, assigned.avoid | self.store.held(network.id))
        return addressing.lent(address, network)


def _endpoint(
    request: protocol.CreateEndpoint,
    assigned: model.Assignment,
    given: pairs.Pair,
    network: model.Network,
    now: datetime.datetime,
) -> model.Endpoint:
    return model.Endpoint(
        id=request.endpoint_id,
        network_id=network.id,
        name=assigned.name,
        address=given.four,
        mac=request.mac or naming.mac(next(iter(given))),
        rung=assigned.rung,
        source=assigned.source,
        created=now,
        settled=assigned.settled,
        address6=given.six,
        antispoof=network.antispoof if request.antispoof is None else request.antispoof,
    )


def _interface(
    address: pairs.Address | None, subnet: ipaddress.IPv4Network | ipaddress.IPv6Network | None
) -> str | None:
    """Return an address with the length of the network's prefix, if it is there."""
    return None if address is None or subnet is None else f"{address}/{subnet.prefixlen}"
