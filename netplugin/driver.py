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
    model,
    naming,
    protocol,
    publishing,
    store,
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
        return answers.endpoint_created(
            address=None if request.address else str(interface),
            mac=None if request.mac else endpoint.mac,
            note=f"name={endpoint.name} address={endpoint.address} rung={endpoint.rung} source={endpoint.source}",
        )

    def delete_endpoint(self, request: protocol.EndpointRef) -> answers.Answer:
        """Delete veth and row; what is gone already is fine. The row goes last, so that a failure is tried again."""
        self.links.delete_link(naming.veth(request.endpoint_id).host)
        endpoint = self.store.endpoint(request.endpoint_id)
        with self.publisher.following(endpoint), self.store.transaction() as transaction:
            transaction.remove_endpoint(request.endpoint_id)
        return answers.Answer()

    def join(self, request: protocol.Join) -> answers.Answer:
        """Tell the engine which interface to move into the sandbox, and its default route."""
        network, endpoint = self.store.network(request.network_id), self.store.endpoint(request.endpoint_id)
        if endpoint is None:
            raise addressing.unknown("join", request.endpoint_id)
        settled = endpoint.settled or self.assigner.verify(endpoint)
        with self.publisher.following(endpoint), self.store.transaction() as transaction:
            transaction.seat(endpoint.id, request.sandbox)
            if settled:
                transaction.settle(endpoint.id)
        if not settled:
            self.wake()
        return answers.joined(peer=naming.veth(endpoint.id).peer, gateway=str(network.gateway))

    def leave(self, request: protocol.EndpointRef) -> answers.Answer:
        """Note that no sandbox has the endpoint; it may be unknown, or have left before."""
        endpoint = self.store.endpoint(request.endpoint_id)
        with self.publisher.following(endpoint), self.store.transaction() as transaction:
            transaction.unseat(request.endpoint_id)
        return answers.Answer()

    def describe(self, request: protocol.EndpointRef) -> answers.Answer:
        """Return the details of an endpoint, of which the driver has none to tell."""
        return answers.details()

    def _plug(self, request: protocol.CreateEndpoint, network: model.Network) -> model.Endpoint:
        """Write the row and make the veth, both or neither; an endpoint that this one supersedes goes first."""
        veth = naming.veth(request.endpoint_id)
        assigned = self.agreement.assign(request.name, request.address, request.mac, network)
        with contextlib.ExitStack() as after, contextlib.ExitStack() as undo:
            with self.store.transaction() as transaction:
                endpoint = _endpoint(request, assigned, self._address(assigned, network), self.now())
                holder = self.store.holder(network.id, endpoint.address)
                if holder is not None:
                    port = self.links.port(naming.veth(holder.id).host)
                    if not addressing.supersedes(endpoint, holder, port):
                        raise addressing.taken(endpoint.name, holder)
                    after.enter_context(self.publisher.following(holder))
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
        return addressing.provisional(network, assigned.avoid | self.store.held(network.id))


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
