"""Registers names that the zone does not list, moves them, and takes them back: each step written down before it."""

import contextlib
import dataclasses
import datetime
import ipaddress
import logging
import typing
from collections.abc import Callable, Iterator

from netplugin import addressing, claiming, inventory, ipv6, model, pairs, registration, store

Address = ipaddress.IPv4Address
FRESH = datetime.timedelta(seconds=1)  # so long the addresses of a zone that was transferred are believed
_log = logging.getLogger("fullhost")


class Zone(typing.Protocol):
    """What is asked of DNS (netplugin.zone)."""

    def records(self, network: model.Network) -> tuple[inventory.Record, ...]: ...
    def owner(self, host: str, network: model.Network) -> str | None: ...


class Update(typing.Protocol):
    """What is changed in DNS (netplugin.update)."""

    def send(self, change: registration.Change, server: model.Server) -> bool: ...


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Registrar:
    """The registration over its leaves; without an update key there is no `update`. `owner` is the driver in marks.

    `heard` has, by network, when its zone was transferred, and the addresses that it gave names.
    """

    store: store.Store
    zone: Zone
    update: Update | None
    owner: str
    now: Callable[[], datetime.datetime]
    count: Callable[[str], None]
    heard: dict[str, tuple[datetime.datetime, frozenset[pairs.Address]]] = dataclasses.field(default_factory=dict)

    def give(self, found: inventory.Record, network: model.Network, *, at: Address | None = None) -> pairs.Pair:
        """Return what DNS gives a name; where it gives nothing, have the name registered if that is wished.

        `at` is the address that the endpoint has already. Where the engine chose it, a name of ours follows it.
        """
        if network.unlisted is not model.Unlisted.REGISTER or (found.all and not self._follows(found, network, at)):
            given = addressing.decide(found, network)
            self._refuse_foreign(found.name, given, network)
            return given
        return self.register(found.name, network, at=at)

    def register(self, name: str, network: model.Network, *, at: Address | None = None) -> pairs.Pair:
        """Register a name at a free address of the range, or `at` the one that its endpoint has; return what it has.

        With a prefix of IPv6 there the address has its like beside it, and both are free or another one is taken.
        Where the engine or a DHCP server gives out the addresses, it is that one or none.
        """
        update, text = self.updater(network, name), registration.mark(self.owner, network.id)
        claim = claiming.Claim(store=self.store, update=update, text=text, count=self.count, withdraw=self.withdraw)
        held = self.held(name, network.id)
        elsewhere = network.ipam in {model.Ipam.ENGINE, model.Ipam.CHOSEN} or network.unlisted is model.Unlisted.DHCP
        only = at if elsewhere else None
        if only is not None:
            self.heard.pop(network.id, None)  # it may have become free a moment ago, and there is no other
        given = self._given(network)
        if only is not None and (idle := self.idle(only, network)) is not None and idle.name != name:
            self.withdraw(idle)
            given -= {only}
        first = at or (held.address if held else None)
        if held is not None and held.address == first:
            self.withdraw(held)  # the zone has lost it: what is left of it goes first
            held = None
        for address in _choices(network, name, first, only):
            wish = registration.Registration(
                network_id=network.id,
                domain=network.domain,
                server=network.dns,
                name=name,
                address=address,
                phase=registration.Phase.CLAIMING,
                created=self.now(),
                address6=ipv6.beside(address, network),
            )
            free = given.isdisjoint(wish.addresses) and addressing.can_have(wish.addresses, network)
            if free and claim.begin(wish, at) and claim.take(wish):
                if held is not None:
                    self.withdraw(held)
                self.count("registered")
                _log.warning("registered %s at %s, since the zone did not have it", wish.host, wish.addresses)
                return wish.addresses
        raise _full(name, network, only)

    def _refuse_foreign(self, name: str, given: pairs.Pair, network: model.Network) -> None:
        """Refuse a name that the driver of another host has registered: its machine is there.

        Only addresses of the range are registered, but for those that an engine or a DHCP server chose: others are not
        asked for.
        """
        leased = network.unlisted is model.Unlisted.DHCP and self.update is not None
        if given.four is None or (network.unlisted is not model.Unlisted.REGISTER and not leased):
            return
        if given.four not in network.range and network.ipam is not model.Ipam.CHOSEN and not leased:
            return
        if (other := self.zone.owner(name, network)) not in {None, self.owner}:
            raise model.Cannot(
                f"give {name} the address {given}",
                why=f"the driver {other} of another host has registered it for a machine of that name",
                hint="give the container another name, or remove that machine",
                reason=model.Reason.CONFLICT,
            )

    def _given(self, network: model.Network) -> frozenset[pairs.Address]:
        """Return the addresses that the zone gives names; of many who ask at once, most take what one has heard.

        Only an address without a pointer can be overlooked so, and only one that is not a second old.
        """
        heard = self.heard.get(network.id)
        if heard is None or not datetime.timedelta(0) <= self.now() - heard[0] < FRESH:
            records = self.zone.records(network)
            heard = self.now(), frozenset(address for record in records for address in record.all)
            self.heard[network.id] = heard
        return heard[1]

    def held(self, name: str, network_id: str) -> registration.Registration | None:
        """Return the registration of a name, None where it has none; one that is under way is refused."""
        for row in self.store.registrations():
            if (row.network_id, row.name) != (network_id, name):
                continue
            match row.phase:
                case registration.Phase.HELD:
                    return row
                case registration.Phase.CLAIMING:
                    raise model.Cannot(
                        f"register {name}",
                        why="it is just being registered for another endpoint",
                        hint="start it again in a moment",
                        reason=model.Reason.CONFLICT,
                    )
                case registration.Phase.LEAVING:
                    continue
        return None

    def _follows(self, found: inventory.Record, network: model.Network, at: Address | None) -> bool:
        if network.ipam is not model.Ipam.CHOSEN or at is None:
            return False
        held = self.held(found.name, network.id)
        return held is not None and found.addresses == (held.address,) and held.address != at

    def idle(self, address: Address, network: model.Network) -> registration.Registration | None:
        """Return our registration of an address whose container does not run: the engine may give it to another."""
        running = {endpoint.name for endpoint in self.store.endpoints() if endpoint.network_id == network.id}
        for row in self.store.registrations():
            if (row.network_id, row.address, row.phase) == (network.id, address, registration.Phase.HELD):
                return None if row.name in running else row
        return None

    def rename(self, row: registration.Registration, name: str) -> bool:
        """Register addresses of ours under another name; False where the zone has that name. It may be repeated."""
        network = self.store.network(row.network_id)
        update, text = self.updater(network, name), registration.mark(self.owner, network.id)
        new = dataclasses.replace(row, name=name)
        if not (
            update.send(registration.claim_name(new, text), row.server)
            or update.send(registration.redirect(new, text), row.server)
        ):
            return False
        for change in (*registration.repoint(row, name, text), registration.release_name(row, text)):
            update.send(change, row.server)
        holder = self.store.holder(row.network_id, row.address)
        with self.store.transaction() as transaction:
            transaction.register(new)
            if holder is not None:
                transaction.rename(holder.id, name)
            transaction.rebind(row.network_id, row.name, name)
        self.count("registered.renamed")
        _log.warning("registered %s at %s in the place of %s", new.host, row.addresses, row.host)
        return True

    def withdraw(self, row: registration.Registration) -> None:
        """Take a registration out of the zone; if that fails now it stays written down, and the keeper does it."""
        with self.store.transaction() as transaction:
            transaction.register(dataclasses.replace(row, phase=registration.Phase.LEAVING))
        with contextlib.suppress(model.Cannot):
            self.release(row)

    def release(self, row: registration.Registration) -> None:
        """Take what is ours of a registration out of the zone, and forget it; what a person has changed is left."""
        if self.update is None:
            raise registration.keyless(f"take {row.host} out of the zone")
        text = registration.mark(self.owner, row.network_id)
        changes = registration.release_name(row, text), *registration.release_pointers(row, text)
        done = [self.update.send(change, row.server) for change in changes]
        with self.store.transaction() as transaction:
            transaction.unregister(row)
        if row.phase is registration.Phase.HELD and not all(done):
            _log.warning("%s at %s was changed by somebody else: what is there of it stays", row.host, row.addresses)

    def updater(self, network: model.Network, name: str) -> Update:
        """Return what makes updates; where there is no key, the network's wish cannot be fulfilled."""
        if self.update is None:
            raise registration.keyless(f"register {name}.{network.domain}")
        return self.update


def _choices(network: model.Network, name: str, first: Address | None, only: Address | None) -> Iterator[Address]:
    """Yield the addresses to try, best first."""
    if first is not None:
        yield first
    if only is None:
        yield from registration.candidates(network, name)


def _full(name: str, network: model.Network, only: Address | None) -> model.Cannot:
    """Return the refusal of a name for which there is no address; `only` is the one that it would have to be."""
    if only is not None:
        giver = "a DHCP server" if network.unlisted is model.Unlisted.DHCP else "the engine"
        why, hint = f"{only}, which {giver} gave it, is another name's in DNS", "start it again, or give it an --ip"
    else:
        why = f"the range {network.range} has no free address"
        hint = f"remove containers that are not needed, or write {name} into the zone {network.domain}"
    return model.Cannot(f"register {name}.{network.domain}", why=why, hint=hint, reason=model.Reason.CONFLICT)
