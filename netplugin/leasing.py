"""Addresses that DHCP servers lease to names which the zone lacks: asked for, examined, registered, given back."""

import contextlib
import dataclasses
import datetime
import itertools
import logging
import threading
import typing
from collections.abc import Callable, Iterator

from netplugin import addressing, binding, deadline, inventory, ipv6, model, naming, pairs, registrar, store

Address = binding.Address
_log = logging.getLogger("fullhost")


class Links(typing.Protocol):
    """What is asked of links (netplugin.links)."""

    def port(self, host_end: str) -> model.Port | None: ...


class Segment(typing.Protocol):
    """What is done on the segment of a bridge (netplugin.segment)."""

    def plug(self, pair: model.Veth, network: model.Network, *, mac: str, address: Address | None = None) -> None: ...
    def unplug(self, name: str) -> None: ...
    def plugged(self) -> tuple[str, ...]: ...


class Client(typing.Protocol):
    """What asks a DHCP server (netplugin.dhcp)."""

    def check(self) -> None: ...
    def ask(self, interface: str, name: str, *, wish: Address | None, seconds: float) -> binding.Lease | None: ...
    def release(self, interface: str, name: str, address: Address, *, seconds: float) -> bool: ...


class Zone(typing.Protocol):
    """What is asked of DNS (netplugin.zone)."""

    def addresses(self, host: str, network: model.Network) -> tuple[Address, ...]: ...
    def records(self, network: model.Network) -> tuple[inventory.Record, ...]: ...
    def pointer(self, address: Address, network: model.Network) -> str | None: ...


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Leaser:
    """The leasing over its leaves. `owner` is what the driver calls itself.

    `quiet` has, by network, until when a server that was silent is not waited for; `former`, by binding, the addresses
    that this life of the driver knew, which DNS may give for a while yet; `asking` the ports that are in use.
    """

    store: store.Store
    links: Links
    segment: Segment
    client: Client
    zone: Zone
    registrar: registrar.Registrar
    owner: str
    now: Callable[[], datetime.datetime]
    count: Callable[[str], None]
    quiet: dict[str, datetime.datetime] = dataclasses.field(default_factory=dict)
    former: dict[str, set[Address]] = dataclasses.field(default_factory=dict)
    asking: set[str] = dataclasses.field(default_factory=set)
    turns: threading.Condition = dataclasses.field(default_factory=threading.Condition)

    def refuse_unserved(self, network: model.Network) -> None:
        """Refuse a network on which nothing could be leased."""
        binding.refuse(network)
        if network.unlisted is model.Unlisted.DHCP:
            self.client.check()

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
        with self._turn(tenant.name, network):
            return self._asked(tenant.name, network, tenant)

    def give_back(self, tenant: binding.Binding, why: str) -> None:
        """Give a lease back and forget it; a server that does not hear of it has the address when the time is over."""
        network = self.store.network(tenant.network_id)
        with self.store.transaction() as writes:
            writes.unbind(tenant)
        heard = False
        if tenant.holds(self.now()):
            with contextlib.suppress(model.Cannot), self._turn(tenant.name, network):
                heard = self._release(tenant, network)
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

    def sweep(self) -> None:
        """Delete what a client that died half way, or its driver, has left."""
        for end in self.segment.plugged():
            with self.turns:  # nobody begins to use it meanwhile
                if end not in self.asking:
                    self.segment.unplug(end)
                    self.count("dhcp.swept")

    def _leased(self, name: str, network: model.Network, *, patient: bool) -> binding.Binding:
        """Return what is leased to a name: a moment ago, or now, or before that while all servers are silent."""
        deadline.lengthen()
        with self._turn(name, network):
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
        with self._plugged(name, network, mac) as interface:
            seconds = deadline.left(f"ask for an address of {name}", at_most=deadline.LEASE_SECONDS)
            lease = self.client.ask(interface, name, wish=wish, seconds=seconds)
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
            deadline.undo(self._release, bound, network)
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

    def _release(self, tenant: binding.Binding, network: model.Network) -> bool:
        with self._plugged(tenant.name, network, tenant.mac, address=tenant.address) as interface:
            seconds = deadline.left(f"give {tenant.address} back", at_most=deadline.UNDO_SECONDS)
            return self.client.release(interface, tenant.name, tenant.address, seconds=seconds)

    def _mac(self, name: str, network: model.Network) -> str:
        """Return what servers are to know a new name by: nothing that another one, which was renamed, has already."""
        known = {bound.mac for bound in self.store.bindings() if (bound.network_id, bound.name) != (network.id, name)}
        tries = (naming.client_mac(self.owner, network, name, attempt=number) for number in itertools.count())
        return next(mac for mac in tries if mac not in known)

    @contextlib.contextmanager
    def _plugged(self, name: str, network: model.Network, mac: str, *, address: Address | None = None) -> Iterator[str]:
        """Have an interface on the segment for a while."""
        pair = naming.client(network.id, name)
        self.segment.plug(pair, network, mac=mac, address=address)
        try:
            yield pair.peer
        finally:
            self.segment.unplug(pair.host)

    @contextlib.contextmanager
    def _turn(self, name: str, network: model.Network) -> Iterator[None]:
        """Be the only one who asks for a name: two would have one interface, and one hardware address."""
        port = naming.client(network.id, name).host
        seconds = deadline.left(f"ask for an address of {name}", at_most=deadline.LEASE_SECONDS)
        with self.turns:
            if not self.turns.wait_for(lambda: port not in self.asking, seconds):
                raise model.Cannot(
                    f"ask for an address of {name}",
                    why="it is just being asked for",
                    hint="start it again in a moment",
                    reason=model.Reason.CONFLICT,
                )
            self.asking.add(port)
        try:
            yield
        finally:
            with self.turns:
                self.asking.discard(port)
                self.turns.notify_all()
