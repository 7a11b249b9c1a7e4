"""Use cases of the zone's records, for people: what names there are and whose, a name added, a name removed."""

import contextlib
import dataclasses
import ipaddress
import typing
from collections.abc import Callable, Iterator, Mapping

from netplugin import (
    addressing,
    deadline,
    inventory,
    ipv6,
    model,
    naming,
    pairs,
    protocol,
    registrar,
    registration,
    store,
)

Json = Mapping[str, object]


class Zone(typing.Protocol):
    """What is asked of DNS (netplugin.zone)."""

    def entries(self, network: model.Network) -> tuple[inventory.Entry, ...]: ...
    def addresses(self, host: str, network: model.Network) -> tuple[ipaddress.IPv4Address, ...]: ...
    def addresses6(self, host: str, network: model.Network) -> tuple[ipaddress.IPv6Address, ...]: ...
    def owner(self, host: str, network: model.Network) -> str | None: ...
    def pointer(self, address: pairs.Address, network: model.Network) -> str | None: ...


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Records:
    """The use cases over their leaves; what they add bears no mark, and so is a person's from then on."""

    store: store.Store
    zone: Zone
    registrar: registrar.Registrar
    count: Callable[[str], None]

    def entries(self, network_id: str) -> Json:
        """Return the names of the zone with an address in the network, whose they are, and what their pointers say."""
        network = self.store.network(network_id)
        entries = self.zone.entries(network)
        every = dict.fromkeys(address for entry in entries for address in entry.addresses)
        pointers = {address: self.zone.pointer(address, network) for address in every}
        return {
            "domain": network.domain,
            "entries": [
                {
                    "name": entry.name,
                    "addresses": [{"address": str(a), "pointer": pointers[a]} for a in entry.addresses],
                    "registered_by": entry.owner,
                    "here": entry.owner == self.registrar.owner,
                }
                for entry in entries
            ],
        }

    def add(self, network_id: str, body: Json) -> Json:
        """Write a name into the zone with the addresses that are asked for, or with free ones: all records, or none.

        Free ones are of both versions, where the network has both.
        """
        network = self.store.network(network_id)
        name = naming.label(protocol.text(body, "name"), domain=network.domain)
        self.registrar.updater(network, name)
        asked = _asked(name, body, network)
        for given in self._free(name, asked, network):
            with contextlib.ExitStack() as undo:
                if not all(self._point(name, address, network, undo) for address in given):
                    continue  # somebody took it meanwhile, or nobody told that he has it
                if not self._enter(name, given, network, beside=any(asked)):
                    raise _listed(name, network)
                undo.pop_all()
            self.count("records.added")
            return {"name": name, "addresses": [str(address) for address in given]}
        raise _unfree(name, asked, network)

    def remove(self, network_id: str, body: Json) -> Json:
        """Take a name out of the zone with its addresses and their pointers; one that is in use is refused."""
        network = self.store.network(network_id)
        name = naming.label(protocol.text(body, "name"), domain=network.domain)
        update = self.registrar.updater(network, name)
        self._refuse_use(name, network)
        if (row := self.registrar.held(name, network.id)) is not None:
            self.registrar.withdraw(row)
            self.count("records.removed")
            return {"name": name, "addresses": [str(address) for address in row.addresses], "left": []}
        addresses, host = self._own(name, network), _host(name, network)
        if not update.send(registration.strike(host, addresses, network.domain), network.dns):
            raise model.Cannot(
                f"remove {host.rstrip('.')}",
                why=f"it is an alias, or has other addresses than {', '.join(map(str, addresses))} now",
                hint="see what dig says, and edit the zone",
                reason=model.Reason.CONFLICT,
            )
        self.count("records.removed")
        left = [told for address in addresses if (told := self._unpoint(name, address, network))]
        return {"name": name, "addresses": [str(address) for address in addresses], "left": left}

    def updates(self, network_id: str) -> Json:
        """Tell whether names that the zone lacks are registered, and what stands against it; nothing is changed."""
        network = self.store.network(network_id)
        leased = network.unlisted is model.Unlisted.DHCP and self.registrar.update is not None
        wished, refused = leased or network.unlisted is model.Unlisted.REGISTER, []
        for change in registration.probes(network) if wished else ():
            try:
                self.registrar.updater(network, "names that it lacks").send(change, network.dns)
            except model.Cannot as error:
                refused.append(str(error))
        return {"wished": wished, "refused": list(dict.fromkeys(refused))}

    def _free(self, name: str, asked: pairs.Pair, network: model.Network) -> Iterator[pairs.Pair]:
        """Yield what is asked for, if nobody has it, or what nobody has."""
        given = frozenset(address for entry in self.zone.entries(network) for address in entry.addresses)
        if not any(asked):
            taken = given | self.store.held(network.id)
            for address in addressing.unlisted(network, taken):
                pair = pairs.Pair(four=address, six=ipv6.beside(address, network))
                if taken.isdisjoint(pair) and addressing.can_have(pair, network):
                    yield pair
            return
        for wish in asked:
            if (holder := self.store.holder(network.id, wish)) is not None and holder.name != name:
                raise addressing.taken(name, holder, wish)
        if given.isdisjoint(asked):
            yield asked

    def _point(self, name: str, address: pairs.Address, network: model.Network, undo: contextlib.ExitStack) -> bool:
        """Take an address for a name, for `undo` to give it back; one whose pointer leads to it already is as good."""
        update, host = self.registrar.updater(network, name), _host(name, network)
        with contextlib.ExitStack() as ours:
            ours.callback(deadline.undo, _take, update, registration.unpoint(address, host), network.dns)
            if update.send(registration.point(address, host), network.dns):
                undo.callback(ours.pop_all().close)
                return True
            ours.pop_all()
        return self.zone.pointer(address, network) == name

    def _refuse_use(self, name: str, network: model.Network) -> None:
        """Refuse a name that an endpoint has, or that is the gateway's."""
        users = [e for e in self.store.endpoints() if (e.network_id, e.name) == (network.id, name)]
        if users:
            why, hint = f"the endpoint {users[0].id[:12]} of {name} has {users[0].addresses}", f"stop {name} first"
        elif {network.gateway, network.gateway6} & set(ipv6.look_up(self.zone, name, network).all):
            why, hint = f"it is the gateway's, {network.gateway}", "edit the zone, if you mean it"
        else:
            return
        what = f"remove {name}.{network.domain}"
        raise model.Cannot(what, why=why, hint=hint, reason=model.Reason.CONFLICT)

    def _own(self, name: str, network: model.Network) -> tuple[pairs.Address, ...]:
        """Return the addresses of a name of the zone that no other host's driver has registered."""
        what = f"remove {name}.{network.domain}"
        if (owner := self.zone.owner(name, network)) not in {None, self.registrar.owner}:
            raise model.Cannot(
                what,
                why=f"the driver {owner} of another host has registered it",
                hint="remove it, or its machine, there",
                reason=model.Reason.CONFLICT,
            )
        if addresses := ipv6.look_up(self.zone, name, network).all:
            return addresses
        raise model.Cannot(what, why="the zone has no A record of it", hint="fhv dns list", reason=model.Reason.MISSING)

    def _enter(self, name: str, given: pairs.Pair, network: model.Network, *, beside: bool) -> bool:
        """Write the addresses of a name; False where the zone has records of it that are in the way.

        What is asked for stands `beside` an address of the other version, of a name that no driver has registered.
        """
        update, host = self.registrar.updater(network, name), _host(name, network)
        if update.send(registration.enter(host, given, network.domain), network.dns):
            return True
        there = beside and ipv6.look_up(self.zone, name, network).all and self.zone.owner(name, network) is None
        return bool(there) and update.send(registration.enter_beside(host, given, network.domain), network.dns)

    def _unpoint(self, name: str, address: pairs.Address, network: model.Network) -> str | None:
        """Take the pointer away if it leads to the name; return what is left of it, and why."""
        try:
            if self.zone.pointer(address, network) == name:
                change = registration.unpoint(address, _host(name, network))
                self.registrar.updater(network, name).send(change, network.dns)
        except model.Cannot as error:
            return f"the PTR record of {address}: {error}"
        return None


def _host(name: str, network: model.Network) -> str:
    return f"{name}.{network.domain}."


def _asked(name: str, body: Json, network: model.Network) -> pairs.Pair:
    """Return the addresses of an order, at most one of either version; none where free ones are wished."""
    wishes = body.get("addresses") or []
    parsed = [_parsed(name, text) for text in (wishes if isinstance(wishes, list) else [wishes])]
    four = [address for address in parsed if isinstance(address, ipaddress.IPv4Address)]
    six = [address for address in parsed if isinstance(address, ipaddress.IPv6Address)]
    if len(four) > 1 or len(six) > 1:
        why, hint = "two of them are of the same version of IP", "give one of either"
        raise model.Cannot(f"give {name} the addresses {', '.join(map(str, parsed))}", why=why, hint=hint)
    for address in parsed:
        if (misfit := addressing.misfit(address, network)) is not None:
            raise model.Cannot(
                f"give {name} the address {address}", why=f"it is {misfit}", hint="fhv dns list shows who has which"
            )
    return pairs.Pair(four=next(iter(four), None), six=next(iter(six), None))


def _parsed(name: str, text: object) -> pairs.Address:
    try:
        return ipaddress.ip_address(str(text))
    except ValueError as error:
        hint = "write 172.31.0.9, or fd00:31::9"
        raise model.Cannot(f"give {name} the address {text}", why=str(error), hint=hint) from None


def _take(update: registrar.Update, change: registration.Change, server: model.Server) -> None:
    update.send(change, server)


def _listed(name: str, network: model.Network) -> model.Cannot:
    return model.Cannot(
        f"add {name}.{network.domain}",
        why="the zone has records of that name",
        hint=f"see what dig says, remove it first (fhv dns rm {name}), or choose another name",
        reason=model.Reason.CONFLICT,
    )


def _unfree(name: str, asked: pairs.Pair, network: model.Network) -> model.Cannot:
    return model.Cannot(
        f"add {name}.{network.domain}",
        why=f"{asked} is another name's in DNS" if any(asked) else f"{network.subnet} has no free address",
        hint="fhv dns list shows who has which",
        reason=model.Reason.CONFLICT,
    )
