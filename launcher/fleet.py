"""The zone read as an inventory: which names are machines, which are other names of one, and which are neither."""

import dataclasses
from collections.abc import Mapping

from launcher import inventory, model, pairs

# RFC 1123 section 2.1 over RFC 1035 section 2.3.1: 63 octets of letters, digits and inner hyphens.


def short(text: str, *, domain: str) -> str:
    """Give the name within the domain that a person wrote as `web`, `WEB`, `web.local` or `web.local.`."""
    return text.lower().removesuffix(".").removesuffix(f".{domain.lower()}")


def label(text: str, *, domain: str) -> str:
    """Give a machine's name as `short` does, if it can be a host's."""
    name = short(text, domain=domain)
    if not model.NAME.fullmatch(name):
        raise model.Cannot(
            f"cannot use {text!r} as a machine's name: it is no host name in the domain {domain} (RFC 1123)",
            hint="a name has 1 to 63 letters, digits and hyphens, and neither begins nor ends with a hyphen",
        )
    return name


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Fleet:
    """The machines of a zone; `refused` are the names of which DNS does not say what they are, and why."""

    zone: inventory.Zone
    members: Mapping[str, model.Member]
    refused: Mapping[tuple[str, ...], model.Cannot]

    def member(self, text: str) -> model.Member:
        """Give the machine that a person means by `text`, or say why there is none."""
        name = label(text, domain=self.zone.domain)
        if name in self.members:
            return self.members[name]
        for names, refusal in self.refused.items():
            if name in names:
                raise refusal
        raise self._no_machine(name)

    def _no_machine(self, name: str) -> model.Cannot:
        domain = self.zone.domain
        for member in self.members.values():
            if name in member.aliases:
                return model.Cannot(
                    f"cannot start {name}: it is an alias of the machine {member.name} ({member.addresses})",
                    hint=f"fhv start {member.name}",
                )
        for record in self.zone.records:
            if record.name != name:
                continue
            if gateways := self.zone.gateways.intersection(record.addresses):
                address = min(gateways, key=pairs.order)
                return model.Cannot(
                    f"cannot start {name}: its address {address} is the gateway, which is this host",
                    hint=f"give {name}.{domain} an address of its own in {self.zone.where}",
                )
            if record.addresses:
                return model.Cannot(
                    f"cannot start {name}: its addresses {_listed(record.addresses)} are those of other machines",
                    hint=f"give {name}.{domain} one address of its own in {self.zone.where}",
                )
        return model.Cannot(
            f"cannot start {name}: the zone {domain} gives it no address in {self.zone.where}",
            hint=f"add '{name} IN A ADDRESS' to the zone {domain}, with a free address of {self.zone.subnet}; "
            "a CNAME is no machine: start the one that it leads to",
        )


def decide(zone: inventory.Zone) -> Fleet:
    """Tell machines from aliases: of several names with one address, the one in its PTR record is the machine.

    A name is known by its IPv4 address, where it has one. Of those that have an IPv6 address alone, who has that of a
    name with both is its alias.
    """
    holders = _holders(zone)
    aliases = _aliases(holders)
    members: dict[str, model.Member] = {}
    refused: dict[tuple[str, ...], model.Cannot] = {}
    for address in sorted(holders, key=pairs.order):
        names = sorted(holders[address])
        pointer = names[0] if len(names) == 1 else zone.pointers.get(address, "")
        group = tuple(sorted({*names, *aliases.get(address, ())}))
        if pointer in names:
            others = tuple(name for name in group if name != pointer)
            members[pointer] = _member(zone, pointer, holders[address][pointer], others)
        else:
            refused[group] = _undecided(zone, address, names, pointer)
    refused.update(_too_short(members))
    refused.update(_twice(members))
    members = {name: member for name, member in members.items() if (name, *member.aliases) not in refused}
    taken = {address for of in holders.values() for pair in of.values() for address in pair}
    refused.update(_scattered(zone, taken | zone.gateways))
    return Fleet(zone=zone, members=members, refused=refused)


_Holders = dict[pairs.Address, dict[str, pairs.Pair]]


def _holders(zone: inventory.Zone) -> _Holders:
    """Group the names that can be machines by the address that they are known by; the gateway's are none."""
    holders: _Holders = {}
    for record in zone.records:
        if record.addresses and not record.scattered and model.NAME.fullmatch(record.name):
            holders.setdefault(next(iter(record.pair)), {})[record.name] = record.pair
    for gateway in zone.gateways:
        holders.pop(gateway, None)
    return holders


def _aliases(holders: _Holders) -> dict[pairs.Address, list[str]]:
    """Take out the names that have the IPv6 address of a name with both, and give them by the latter's IPv4 address."""
    owners: dict[pairs.Address, pairs.Address] = {
        pair.six: first for first, of in holders.items() for pair in of.values() if pair.four and pair.six
    }
    aliases: dict[pairs.Address, list[str]] = {}
    for address in [address for address in holders if address in owners]:
        aliases.setdefault(owners[address], []).extend(holders.pop(address))
    return aliases


def _member(zone: inventory.Zone, name: str, pair: pairs.Pair, aliases: tuple[str, ...]) -> model.Member:
    texts = zone.texts.get(name, ())
    return model.Member(name=name, address=pair.four, address6=pair.six, aliases=aliases, texts=texts)


def _twice(members: Mapping[str, model.Member]) -> dict[tuple[str, ...], model.Cannot]:
    """Refuse machines that have one IPv6 address beside several IPv4 ones: only one of them could start."""
    return {
        (member.name, *member.aliases): model.Cannot(
            f"cannot tell whose {member.address6} is: {_listed(names)} have it, and other IPv4 addresses each",
            hint=f"leave one of the AAAA records with {member.address6}",
        )
        for member in members.values()
        if member.address6 is not None
        and len(names := sorted(m.name for m in members.values() if m.address6 == member.address6)) > 1
    }


def _too_short(members: Mapping[str, model.Member]) -> dict[tuple[str, ...], model.Cannot]:
    """Refuse machines that DNS may name so, and Docker no container (moby, daemon/names: RestrictedNamePattern)."""
    return {
        (member.name, *member.aliases): model.Cannot(
            f"cannot make {member.name}: Docker gives no container a name of one character",
            hint=f"give {next(iter(member.addresses))} a longer name in the zone, and in its PTR record",
        )
        for member in members.values()
        if len(member.name) == 1
    }


def _undecided(zone: inventory.Zone, address: pairs.Address, names: list[str], pointer: str) -> model.Cannot:
    fact = f"its PTR record says {pointer}" if pointer else "it has no PTR record"
    return model.Cannot(
        f"cannot tell which of {_listed(names)} is the machine: all have the address {address}, and {fact}",
        hint=f"add '{address.reverse_pointer}. IN PTR {names[0]}.{zone.domain}.' to the reverse zone",
    )


def _scattered(zone: inventory.Zone, taken: set[pairs.Address]) -> dict[tuple[str, ...], model.Cannot]:
    """Refuse names with several addresses, unless all of them are others' (a name that points at a group)."""
    return {
        (record.name,): model.Cannot(
            f"cannot tell which address {record.name} has: the zone {zone.domain} gives it {_listed(record.addresses)}",
            hint="leave one of the records, or give each address a machine of its own",
        )
        for record in zone.records
        if record.scattered and not taken.issuperset(record.addresses)
    }


def _listed(items: list[str] | tuple[pairs.Address, ...]) -> str:
    words = [str(item) for item in items]
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
