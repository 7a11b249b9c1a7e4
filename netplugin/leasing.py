"""Addresses that DHCP servers lease to names which the zone lacks: asked for, examined, registered, given back."""

import contextlib
import dataclasses
import datetime
import itertools
import logging
import typing
from collections.abc import Callable

from netplugin import addressing, asking, binding, deadline, inventory, ipv6, model, naming, pairs, registrar, store

Address = binding.Address
_log = logging.getLogger("fullhost")


class Links(typing.Protocol):
    """What is asked of links (netplugin.links)."""

    def port(self, host_end: str) -> model.Port | None: ...


class Zone(typing.Protocol):
    """What is asked of DNS (netplugin.zone)."""

    def addresses(self, host: str, network: model.Network) -> tuple[Address, ...]: ...
    def records(self, network: model.Network) -> tuple[inventory.Record, ...]: ...
    def pointer(self, address: Address, network: model.Network) -> str | None: ...


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Leaser:
    """The leasing over its leaves. `owner` is what the driver calls itself.

    `quiet` has, by network, until when a server that was silent is not waited for; `former`, by binding, the addresses
    that this life of the driver knew, which DNS may give for a while yet.
    """

    store: store.Store
    links: Links
    asker: asking.Asker
    zone: Zone
    registrar: registrar.Registrar
    owner: str
    now: Callable[[], datetime.datetime]
    count: Callable[[str], None]
    quiet: dict[str, datetime.datetime] = dataclasses.field(default_factory=dict)
    former: dict[str, set[Address]] = dataclasses.field(default_factory=dict)

    def refuse_unserved(self, network: model.Network) -> None:
        """Refuse a network on which nothing could be leased."""
        binding.refuse(network)
        if network.unlisted is model.Unlisted.DHCP:
            self.asker.client.check()

    def give(
        self, found: inventory.Record, network: model.Network, *, at: Address | None = None, patient: bool = True
    ) -> tuple[pairs.Pair, model.Source]:
        """Return what a name has, and where it comes from; `found` is the zone's, `at` the address that it has already.

        What the zone gives it and is no lease of ours, a person has written there. Who is not `patient` does not wait
        for servers that were silent a moment ago.
        """
        dhcp = network.unlisted is model.Unlisted.DHCP
        tenant = self.store.binding(network.id, found.name) if dhcp else None
        given = found.addresses or found.addresses6
        if not dhcp or (given and not self._ours(tenant, network).issuperset(given)):
            return self.registrar.give(found, network, at=at), model.Source.DNS
        bound = self._leased(found.name, network, patient=patient)
        six = ipv6.choose(found.name, found.addresses6, network)
        own = pairs.Pair(four=bound.address, six=six)
        if self.registrar.update is not None and found.addresses != (bound.address,):
            try:
                own = self.registrar.register(found.name, network, at=bound.address)
            except BaseException:
                deadline.undo(self.give_back, bound, "it cannot be registered")
                raise
        return own, model.Source.DHCP

    def _ours(self, tenant: binding.Binding | None, network: model.Network) -> frozenset[pairs.Address]:
        """Return what DNS may give a name by its leases: their addresses, and what is registered beside them."""
        leased = {tenant.address, *self.former.get(tenant.key, ())} if tenant else set[Address]()
        return frozenset({*leased, *filter(None, (ipv6.beside(address, network) for address in leased))})

    def renew(self, tenant: binding.Binding, network: model.Network) -> binding.Binding | None:
        """Ask for more time, and return what was leased, which may be another address; None where nobody answers."""
        with self.asker.turn(tenant.name, network):
            return self._asked(tenant.name, network, tenant)

    def give_back(self, tenant: binding.Binding, why: str) -> None:
        """Give a lease back and forget it; a server that does not hear of it has the address when the time is over.

        Whoever asked for the name meanwhile has it now, and keeps it.
        """
        network = self.store.network(tenant.network_id)
        with self.asker.turn(tenant.name, network):
            now = self.store.binding(tenant.network_id, tenant.name)
            if now is None or (now.address, now.obtained) != (tenant.address, tenant.obtained):
                return
            with self.store.transaction() as writes:
                writes.unbind(tenant)
            heard = tenant.holds(self.now()) and self.asker.release(tenant, network)
        self.count("dhcp.released" if heard else "dhcp.lapsed")
        how = "was given back" if heard else f"ends at {tenant.expires:%Y-%m-%d %H:%M:%S} by itself"
        _log.warning("the lease of %s by %s %s: %s", tenant.address, tenant.name, how, why)

    def abandon(self, network: model.Network) -> None:
        """Give back what is leased on a network that goes, as far as the time of the call suffices."""
        with deadline.within(deadline.UNDO_SECONDS), contextlib.suppress(model.Cannot):
            for tenant in self.store.bindings():
                deadline.left("give leases back", at_most=deadline.UNDO_SECONDS)
                if tenant.network_id == network.id:
                    self.give_back(tenant, "its network was removed")

    def _leased(self, name: str, network: model.Network, *, patient: bool) -> binding.Binding:
        """Return what is leased to a name: a moment ago, or now, or before that while all servers are silent."""
        deadline.lengthen()
        with self.asker.turn(name, network):
            now, tenant = self.now(), self.store.binding(network.id, name)
            held = tenant if tenant is not None and tenant.holds(now) else None
            if held is not None and now - held.obtained < binding.FRESH:
                return held
            spare = held if network.stale is model.Stale.SERVE else None
            hushed = network.id in self.quiet and now < self.quiet[network.id]
            passed = hushed and not (patient and spare is None)
            bound = None if passed else self._asked(name, network, tenant)
        if bound is not None:
            return bound
        if spare is None:
            raise binding.silent(name, network, deadline.LEASE_SECONDS)
        _log.warning("%s keeps %s, its lease until %s: no DHCP server answers", name, spare.address, spare.expires)
        return spare

    def _asked(self, name: str, network: model.Network, tenant: binding.Binding | None) -> binding.Binding | None:
        """Ask, examine what was leased, and write it down; what cannot be given is given back."""
        mac = tenant.mac if tenant else self._mac(name, network)
        wish = tenant.address if tenant else None
        lease = self.asker.lease(name, network, mac=mac, wish=wish)
        now = self.now()
        if lease is None:
            self.count("dhcp.silent")
            self.quiet[network.id] = now + binding.RETRY
            return None
        self.quiet.pop(network.id, None)
        bound = binding.bound(lease, network=network, name=name, mac=mac, now=now)
        try:
            self._refuse_unfit(lease, name, network, known=wish)
        except model.Cannot:
            self.count("dhcp.refused")
            deadline.undo(self.asker.release, bound, network)
            raise
        with self.store.transaction() as writes:
            writes.bind(dataclasses.replace(bound, container=tenant.container if tenant else None))
        if tenant is not None and tenant.address != bound.address:
            self.former.setdefault(bound.key, set()).add(tenant.address)
        self.count("dhcp.leased")
        _log.info("%s has a lease of %s by %s until %s", name, bound.address, bound.server, bound.expires)
        return bound

    def _refuse_unfit(self, lease: binding.Lease, name: str, network: model.Network, *, known: Address | None) -> None:
        """Refuse an address that no machine can have, or another one has, here or, unless it is known, in the zone."""
        if (why := addressing.misfit(lease.address, network)) is not None:
            raise binding.unfit(lease, name, why)
        holder = self.store.holder(network.id, lease.address)
        if holder is not None and holder.name != name:
            port = self.links.port(naming.veth(holder.id).host)
            if not addressing.is_stale(holder, port, now=self.now()):
                raise addressing.taken(name, holder, lease.address)
        if lease.address != known and (others := self._named(lease.address, network) - {name}):
            raise binding.unfit(lease, name, f"the address that the zone gives {', '.join(sorted(others))}")

    def _named(self, address: Address, network: model.Network) -> set[str]:
        """Return the names to which the zone gives an address; where it is not transferred, that of its pointer."""
        with contextlib.suppress(model.Cannot):
            return {record.name for record in self.zone.records(network) if address in record.addresses}
        with contextlib.suppress(model.Cannot):
            name = self.zone.pointer(address, network)
            return {name} if name is not None and address in self.zone.addresses(name, network) else set()
        return set()

    def _mac(self, name: str, network: model.Network) -> str:
        """Return what servers are to know a new name by: nothing that another one, which was renamed, has already."""
        known = {bound.mac for bound in self.store.bindings() if (bound.network_id, bound.name) != (network.id, name)}
        tries = (naming.client_mac(self.owner, network, name, attempt=number) for number in itertools.count())
        return next(mac for mac in tries if mac not in known)
