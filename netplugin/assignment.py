"""Whose endpoint it is and which address it gets: what has to be asked for it, outside any lock, and decided."""

import dataclasses
import datetime
import ipaddress
import logging
import typing
from collections.abc import Callable

from netplugin import identity, inventory, ipv6, leasing, model, pairs, registrar, store

QUIET = datetime.timedelta(seconds=5)
_log = logging.getLogger("fullhost")


class Zone(typing.Protocol):
    """What is asked of DNS (netplugin.zone)."""

    def addresses(self, host: str, network: model.Network) -> tuple[ipaddress.IPv4Address, ...]: ...
    def addresses6(self, host: str, network: model.Network) -> tuple[ipaddress.IPv6Address, ...]: ...
    def records(self, network: model.Network) -> tuple[inventory.Record, ...]: ...
    def pointer(self, address: pairs.Address, network: model.Network) -> str | None: ...


class Engine(typing.Protocol):
    """What is asked of the engine (netplugin.engine)."""

    def candidates(self, network_id: str) -> tuple[str, ...]: ...
    def attachments(self, network_id: str) -> dict[str, model.Attachment]: ...


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Assigner:
    """The assignment over its leaves; `count` adds one to a counter that `fhv status` shows.

    `quiet` has, by network, until when its DNS server is not asked again for a name whose last address is known: at
    boot, every start would wait for it.
    """

    store: store.Store
    zone: Zone
    engine: Engine
    registrar: registrar.Registrar
    leaser: leasing.Leaser
    now: Callable[[], datetime.datetime]
    count: Callable[[str], None]
    quiet: dict[str, datetime.datetime] = dataclasses.field(default_factory=dict)

    def assign(
        self, option: str | None, network: model.Network, *, at: ipaddress.IPv4Address | None = None
    ) -> model.Assignment:
        """Return the assignment of a new endpoint; provisional where nobody can tell yet whose it is.

        `at` is the address that it has already: where the zone does not have its name, that one is registered.
        """
        owner = identity.by_option(option, domain=network.domain) or self._candidate(network)
        if owner is None:
            return self.unknown(network)
        leased = self.store.leased(network.id, owner.name) if network.stale is model.Stale.SERVE else None
        if leased is None or network.id not in self.quiet or self.now() >= self.quiet[network.id]:
            try:
                found = self._look_up(owner.name, network)
            except model.Cannot as error:
                if error.reason is not model.Reason.UNAVAILABLE:
                    raise
                self.quiet[network.id] = self.now() + QUIET
                if leased is None:
                    raise
                _log.warning("%s has its last known address %s: %s", owner.name, leased, error)
            else:
                self.quiet.pop(network.id, None)
                given, source = self.leaser.give(found, network, at=at)
                return _assigned(owner, source, given)
        self.count("dns.silent")
        return _assigned(owner, model.Source.CACHE, leased)

    def _look_up(self, name: str, network: model.Network) -> inventory.Record:
        """Return what the zone gives a name; while its server is silent, who has a lease has that alone."""
        try:
            return ipv6.look_up(self.zone, name, network)
        except model.Cannot as error:
            tenant = self.store.binding(network.id, name) if network.stale is model.Stale.SERVE else None
            if error.reason is not model.Reason.UNAVAILABLE or tenant is None:
                raise
            self.count("dns.silent")
            _log.warning("%s is taken to have its lease alone: %s", name, error)
            return inventory.Record(name=name, addresses=(tenant.address,))

    def unknown(self, network: model.Network) -> model.Assignment:
        """Return a provisional assignment, whose address is none of the zone's."""
        return model.Assignment(
            name=None, rung=model.Rung.PROVISIONAL, source=model.Source.RANGE, avoid=self._given(network)
        )

    def verify(self, endpoint: model.Endpoint) -> bool:
        """Tell whether it is known for sure, at Join, that the endpoint is of its container; a wrong one is refused.

        From Join on the engine names the container, if it answers (9 to 24 ms). The only one that waits to start need
        not be the one that joins: a container that runs may be connected meanwhile.
        """
        if endpoint.rung is not model.Rung.CANDIDATE or endpoint.source not in {model.Source.DNS, model.Source.DHCP}:
            return False
        try:
            attachment = self.engine.attachments(endpoint.network_id).get(endpoint.id)
        except model.Cannot:
            return False  # it boots: the keeper finds out later
        if attachment is None or attachment.name.lower() == endpoint.name:
            return attachment is not None
        raise model.Cannot(
            f"give {attachment.name} the address of {endpoint.name}",
            why=f"{endpoint.name} seemed to be the one that started, and {attachment.name} is another one",
            hint=f"name it: docker network connect --driver-opt fullhost.name={attachment.name} NETWORK CONTAINER"
            f" (and add --ip, where the network has a subnet of Docker's)",
            reason=model.Reason.CONFLICT,
        )

    def _candidate(self, network: model.Network) -> model.Owner | None:
        """Ask the engine who is about to start; while it boots it does not answer, and nobody waits for it."""
        try:
            return identity.by_candidates(self.engine.candidates(network.id), domain=network.domain)
        except model.Cannot as error:
            if error.reason is not model.Reason.UNAVAILABLE:
                raise
            self.count("engine.silent")
            _log.info("%s", error)
            return None

    def _given(self, network: model.Network) -> frozenset[pairs.Address]:
        """Return the addresses that the zone gives names; none where it cannot be transferred now."""
        try:
            records = self.zone.records(network)
        except model.Cannot as error:
            self.count("dns.silent")
            _log.warning("%s", error)
            return frozenset()
        return frozenset(address for record in records for address in record.all)


def _assigned(owner: model.Owner, source: model.Source, given: pairs.Pair) -> model.Assignment:
    return model.Assignment(name=owner.name, rung=owner.rung, source=source, address=given.four, address6=given.six)
