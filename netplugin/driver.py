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
    guarding,
    model,
    naming,
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


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Driver:
    """The use cases of endpoints over their leaves.

    `now` is the clock, `count` adds one to a counter that `fhv status` shows, `wake` has the keeper look at once.
    """

    store: store.Store
    links: Links
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
        interface = ipaddress.IPv4Interface((endpoint.address, network.subnet.prefixlen))
        also = "" if endpoint.address6 is None else f" address6={endpoint.address6}"
        return answers.endpoint_created(
            address=None if request.address else str(interface),
            address6=_interface6(endpoint, network),
            mac=None if request.mac else endpoint.mac,
            note=f"name={endpoint.name} address={endpoint.address}{also} rung={endpoint.rung} source={endpoint.source}",
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
        gateway6 = None if endpoint.address6 is None else str(network.gateway6)
        return answers.joined(peer=naming.veth(endpoint.id).peer, gateway=str(network.gateway), gateway6=gateway6)

    def leave(self, request: protocol.EndpointRef) -> answers.Answer:
        """Note that no sandbox has the endpoint; it may be unknown, or have left before."""
        endpoint = self.store.endpoint(request.endpoint_id)
        with self.publisher.following(endpoint), self.store.transaction() as writes:
            writes.unseat(request.endpoint_id)
        return answers.Answer()

    def describe(self, request: protocol.EndpointRef) -> answers.Answer:
        """Return the details of an endpoint, of which the driver has none to tell."""
        return answers.details()

    def _plug(self, request: protocol.CreateEndpoint, network: model.Network) -> model.Endpoint:
        """Write the row and make the veth, both or neither; an endpoint that this one supersedes goes first."""
        veth = naming.veth(request.endpoint_id)
        assigned = self.agreement.assign(request.name, request.address, request.mac, network)
        with contextlib.ExitStack() as after, contextlib.ExitStack() as undo:
            with self.store.transaction() as writes:
                endpoint = _endpoint(request, assigned, self._address(assigned, network), network, self.now())
                superseded = self._take(endpoint, writes, after)
                writes.add_endpoint(endpoint)
                if endpoint.name is not None and endpoint.source is model.Source.DNS:
                    writes.lease(network.id, endpoint.name, endpoint.address, endpoint.address6)
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
        for address in (endpoint.address, endpoint.address6):
            holder = None if address is None else self.store.holder(endpoint.network_id, address)
            if holder is None:
                continue
            if not addressing.supersedes(endpoint, holder, self.links.port(naming.veth(holder.id).host)):
                raise addressing.taken(endpoint.name, holder, address)
            after.enter_context(self.publisher.following(holder))
            writes.remove_endpoint(holder.id)
            self.links.delete_link(naming.veth(holder.id).host)
            superseded += 1
        return superseded

    def _address(self, assigned: model.Assignment, network: model.Network) -> ipaddress.IPv4Address:
        """Return the assigned address, or pick a provisional one, under the write lock, so that nobody else does."""
        if assigned.address is not None:
            return assigned.address
        return addressing.provisional(network, assigned.avoid | self.store.held(network.id))


def _endpoint(
    request: protocol.CreateEndpoint,
    assigned: model.Assignment,
    address: ipaddress.IPv4Address,
    network: model.Network,
    now: datetime.datetime,
) -> model.Endpoint:
    return model.Endpoint(
        id=request.endpoint_id,
        network_id=network.id,
        name=assigned.name,
        address=address,
        mac=request.mac or naming.mac(address),
        rung=assigned.rung,
        source=assigned.source,
        created=now,
        settled=assigned.settled,
        address6=assigned.address6,
        antispoof=network.antispoof if request.antispoof is None else request.antispoof,
    )


def _interface6(endpoint: model.Endpoint, network: model.Network) -> str | None:
    """Return the endpoint's IPv6 address with the length of the network's prefix, if it has one."""
    if endpoint.address6 is None or network.subnet6 is None:
        return None
    return f"{endpoint.address6}/{network.subnet6.prefixlen}"
