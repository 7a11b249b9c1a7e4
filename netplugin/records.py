"""Use cases of the zone's records, for people: what names there are and whose, a name added, a name removed."""

import contextlib
import dataclasses
import ipaddress
import typing
from collections.abc import Callable, Iterator, Mapping

from netplugin import addressing, deadline, model, naming, protocol, registrar, registration, store

Address = ipaddress.IPv4Address
Json = Mapping[str, object]


class Zone(typing.Protocol):
    """What is asked of DNS (netplugin.zone)."""

    def entries(self, network: model.Network) -> tuple[registration.Entry, ...]: ...
    def addresses(self, host: str, network: model.Network) -> tuple[Address, ...]: ...
    def owner(self, host: str, network: model.Network) -> str | None: ...
    def pointer(self, address: Address, network: model.Network) -> str | None: ...


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Records:
    """The use cases over their leaves; what they add bears no mark, and so is a person's from then on."""

    store: store.Store
    zone: Zone
    registrar: registrar.Registrar
    count: Callable[[str], None]

    def entries(self, network_id: str) -> Json:
        """Return the names of the zone with an address in the subnet, whose they are, and what their pointers say."""
        network = self.store.network(network_id)
        entries = self.zone.entries(network)
        pointers = {a: self.zone.pointer(a, network) for a in sorted({a for e in entries for a in e.addresses})}
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
        """Write a name into the zone with an address, that which is asked for or a free one: A and PTR, or neither."""
        network = self.store.network(network_id)
        name = naming.label(protocol.text(body, "name"), domain=network.domain)
        update = self.registrar.updater(network, name)
        for address in self._free(name, body.get("address"), network):
            host, reverse = f"{name}.{network.domain}.", f"{address.reverse_pointer}."
            with contextlib.ExitStack() as undo:
                undo.callback(deadline.undo, _take, update, registration.unpoint(reverse, host), network.dns)
                if not update.send(registration.point(reverse, host), network.dns):
                    undo.pop_all()
                    if self.zone.pointer(address, network) != name:
                        continue  # somebody took it meanwhile, or nobody told that he has it
                if not update.send(registration.enter(host, address, network.domain), network.dns):
                    raise _listed(name, network)
                undo.pop_all()
            self.count("records.added")
            return {"name": name, "address": str(address)}
        raise _unfree(name, body.get("address"), network)

    def remove(self, network_id: str, body: Json) -> Json:
        """Take a name out of the zone with its addresses and their pointers; one that is in use is refused."""
        network = self.store.network(network_id)
        name = naming.label(protocol.text(body, "name"), domain=network.domain)
        update = self.registrar.updater(network, name)
        self._refuse_use(name, network)
        if (row := self.registrar.held(name, network.id)) is not None:
            self.registrar.withdraw(row)
            self.count("records.removed")
            return {"name": name, "addresses": [str(row.address)], "left": []}
        addresses, host = self._own(name, network), f"{name}.{network.domain}."
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

    def _free(self, name: str, asked: object, network: model.Network) -> Iterator[Address]:
        """Yield the address that is asked for, if nobody has it, or those that nobody has."""
        given = {address for entry in self.zone.entries(network) for address in entry.addresses}
        if asked is None:
            yield from addressing.unlisted(network, frozenset(given | self.store.held(network.id)))
            return
        try:
            address = Address(str(asked))
        except ValueError as error:
            raise model.Cannot(f"give {name} the address {asked}", why=str(error), hint="write 172.31.0.9") from None
        if (misfit := addressing.misfit(address, network)) is not None:
            raise model.Cannot(
                f"give {name} the address {address}", why=f"it is {misfit}", hint="fhv dns list shows who has which"
            )
        if (holder := self.store.holder(network.id, address)) is not None and holder.name != name:
            raise addressing.taken(name, holder)
        if address not in given:
            yield address

    def _refuse_use(self, name: str, network: model.Network) -> None:
        """Refuse a name that an endpoint has, or that is the gateway's."""
        users = [e for e in self.store.endpoints() if (e.network_id, e.name) == (network.id, name)]
        if users:
            why, hint = f"the endpoint {users[0].id[:12]} of {name} has {users[0].address}", f"stop {name} first"
        elif network.gateway in self.zone.addresses(name, network):
            why, hint = f"it is the gateway's, {network.gateway}", "edit the zone, if you mean it"
        else:
            return
        what = f"remove {name}.{network.domain}"
        raise model.Cannot(what, why=why, hint=hint, reason=model.Reason.CONFLICT)

    def _own(self, name: str, network: model.Network) -> tuple[Address, ...]:
        """Return the addresses of a name of the zone that no other host's driver has registered."""
        what = f"remove {name}.{network.domain}"
        if (owner := self.zone.owner(name, network)) not in {None, self.registrar.owner}:
            raise model.Cannot(
                what,
                why=f"the driver {owner} of another host has registered it",
                hint="remove it, or its machine, there",
                reason=model.Reason.CONFLICT,
            )
        if addresses := self.zone.addresses(name, network):
            return addresses
        raise model.Cannot(what, why="the zone has no A record of it", hint="fhv dns list", reason=model.Reason.MISSING)

    def _unpoint(self, name: str, address: Address, network: model.Network) -> str | None:
        """Take the pointer away if it leads to the name; return what is left of it, and why."""
        try:
            if self.zone.pointer(address, network) == name:
                reverse, host = f"{address.reverse_pointer}.", f"{name}.{network.domain}."
                self.registrar.updater(network, name).send(registration.unpoint(reverse, host), network.dns)
        except model.Cannot as error:
            return f"the PTR record of {address}: {error}"
        return None


def _take(update: registrar.Update, change: registration.Change, server: model.Server) -> None:
    update.send(change, server)


def _listed(name: str, network: model.Network) -> model.Cannot:
    return model.Cannot(
        f"add {name}.{network.domain}",
        why="the zone has records of that name",
        hint=f"see what dig says, remove it first (fhv dns rm {name}), or choose another name",
        reason=model.Reason.CONFLICT,
    )


def _unfree(name: str, asked: object, network: model.Network) -> model.Cannot:
    return model.Cannot(
        f"add {name}.{network.domain}",
        why=f"{asked} is another name's in DNS" if asked else f"{network.subnet} has no free address",
        hint="fhv dns list shows who has which",
        reason=model.Reason.CONFLICT,
    )
