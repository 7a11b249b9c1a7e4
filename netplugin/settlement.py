"""What was not known for sure at the start is found out afterwards: provisional, guessed and cached endpoints settle.

A network inspection names each container from Join on. A container that has another address than its own is moved:
disconnected, and connected with its name in a driver option, which the engine keeps and sends at every later start.
"""

import contextlib
import dataclasses
import ipaddress
import logging
import typing
from collections.abc import Callable

from netplugin import addressing, deadline, ipv6, leasing, model, naming, pairs, store, transaction

_log = logging.getLogger("fullhost")


class Zone(typing.Protocol):
    """What is asked of DNS (netplugin.zone)."""

    def addresses(self, host: str, network: model.Network) -> tuple[ipaddress.IPv4Address, ...]: ...
    def addresses6(self, host: str, network: model.Network) -> tuple[ipaddress.IPv6Address, ...]: ...


class Engine(typing.Protocol):
    """What is asked and wished of the engine (netplugin.engine)."""

    def attachments(self, network_id: str) -> dict[str, model.Attachment]: ...
    def prepare(self, endpoint: model.Endpoint, container: str, *, name: str) -> model.Move: ...
    def complete(self, move: model.Move) -> None: ...


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Settler:
    """The settlement over its leaves.

    `told` has, by endpoint, the failure that was told last, and `moved`, by container, where it was moved to last.
    """

    store: store.Store
    zone: Zone
    engine: Engine
    leaser: leasing.Leaser
    count: Callable[[str], None]
    told: dict[str, str] = dataclasses.field(default_factory=dict)
    moved: dict[str, tuple[str, pairs.Pair]] = dataclasses.field(default_factory=dict)

    def pending(self) -> bool:
        """Tell whether there is an endpoint that the next look may settle."""
        return any(endpoint.id not in self.told for endpoint in self.store.unsettled())

    def settle(self) -> None:
        """Look after every endpoint that has joined and is not settled; one that cannot settle is told once.

        Moves that an earlier life of the driver or of the engine did not end come first.
        """
        for move in self.store.moves():
            with contextlib.suppress(model.Cannot):  # told when it was begun; the engine may not answer yet
                self._complete(move)
        endpoints = self.store.unsettled()
        for over in self.told.keys() - {endpoint.id for endpoint in endpoints}:
            del self.told[over]
        for network in self.store.networks():
            unsettled = [endpoint for endpoint in endpoints if endpoint.network_id == network.id]
            if not unsettled:
                continue
            try:
                attachments = self.engine.attachments(network.id)
            except model.Cannot as error:
                _log.debug("%s", error)  # at boot the engine does not answer yet: next time
                continue
            for endpoint in unsettled:
                if endpoint.id in attachments:
                    self._settle(endpoint, attachments[endpoint.id], network)

    def _settle(self, endpoint: model.Endpoint, attachment: model.Attachment, network: model.Network) -> None:
        try:
            name = self._name(endpoint, attachment, network)
            own = self._own(endpoint, name, network)
            if own == endpoint.addresses and endpoint.name in {name, None}:
                with self.store.transaction() as writes:
                    writes.rename(endpoint.id, name)
                    writes.settle(endpoint.id)
                    self._remember(writes, network, name, own)
                self.moved.pop(attachment.container or "", None)
                self.count(f"settled.{endpoint.rung}")
            elif attachment.container is not None:
                self._move(endpoint, attachment.container, name, own, network)
            self.told.pop(endpoint.id, None)
        except model.Cannot as error:
            if self.told.get(endpoint.id) != str(error):
                self.count("settle.failed")
                _log.warning("the endpoint %s keeps %s: %s", endpoint.id[:12], endpoint.addresses, error)
            self.told[endpoint.id] = str(error)

    def _own(self, endpoint: model.Endpoint, name: str, network: model.Network) -> pairs.Pair:
        """Return what the name has; one that the zone lacks is registered at the endpoint's address, if it is free."""
        with deadline.within(deadline.WORK_SECONDS):
            found = ipv6.look_up(self.zone, name, network)
            own, _ = self.leaser.give(found, network, at=endpoint.address, patient=False)
            return own

    def _name(self, endpoint: model.Endpoint, attachment: model.Attachment, network: model.Network) -> str:
        """Return the name that the endpoint should have: the one in its option, else the container's own."""
        if endpoint.rung in {model.Rung.OPTION, model.Rung.ADDRESS} and endpoint.name is not None:
            return endpoint.name
        return naming.label(attachment.name, domain=network.domain)

    def _move(
        self,
        endpoint: model.Endpoint,
        container: str,
        name: str,
        own: pairs.Pair,
        network: model.Network,
    ) -> None:
        """Move the container, unless another one lives at the address: then it would only lose what it has.

        The address is remembered first, for an endpoint that is made while DNS is not asked; and who was moved and did
        not arrive is not moved there twice, however often it is found elsewhere.
        """
        if endpoint.rung is model.Rung.ADDRESS:
            raise model.Cannot(
                f"move {name} to {own}",
                why=f"{endpoint.addresses} was asked for with it (--ip)",
                hint=f"disconnect it, and: docker network connect --ip {own.four} NETWORK {name}",
            )
        if network.ipam is model.Ipam.CHOSEN:
            raise addressing.chosen(name, endpoint.address, own.four, network)
        for wish in own:
            holder = self.store.holder(endpoint.network_id, wish)
            if holder is not None and holder.id != endpoint.id:
                raise addressing.taken(name, holder, wish)
        if self.moved.get(container) == (name, own):
            raise model.Cannot(
                f"move {name} to {own}",
                why="it was moved there before, and is not there",
                hint="see the engine's log, and start it again",
                reason=model.Reason.CONFLICT,
            )
        move = self.engine.prepare(endpoint, container, name=name)
        if network.ipam is not model.Ipam.NULL:
            move = dataclasses.replace(move, address=own.four)
        with self.store.transaction() as writes:
            self._remember(writes, network, name, own)
            writes.begin(move)
        self._complete(move)
        arrived = self.store.named(network.id, name)
        if arrived is None or arrived.addresses != own:
            self.moved[container] = (name, own)
        self.count("moved")
        _log.warning("moved %s from %s to its own address %s", name, endpoint.addresses, own)

    def _remember(self, writes: transaction.Transaction, network: model.Network, name: str, own: pairs.Pair) -> None:
        """Remember what DNS gives the name; what a DHCP server leases it is written down with its end."""
        bound = self.store.binding(network.id, name)
        if bound is None or bound.address != own.four:
            writes.lease(network.id, name, own)

    def _complete(self, move: model.Move) -> None:
        try:
            self.engine.complete(move)
        except model.Cannot as error:
            if error.reason is not model.Reason.MISSING:
                raise
        with self.store.transaction() as writes:
            writes.end(move)
