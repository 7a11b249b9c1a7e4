"""The zone read as an inventory: which names are machines, which are other names of one, and which are neither."""

import dataclasses
import ipaddress
from collections.abc import Mapping

from launcher import model

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

    zone: model.Zone
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
                    f"cannot start {name}: it is an alias of the machine {member.name} ({member.address})",
                    hint=f"fhv start {member.name}",
                )
        for record in self.zone.records:
            if record.name != name:
                continue
            if self.zone.gateway in record.addresses:
                return model.Cannot(
                    f"cannot start {name}: its address {self.zone.gateway} is the gateway, which is this host",
                    hint=f"give {name}.{domain} an address of its own in {self.zone.subnet}",
                )
            if record.addresses:
                return model.Cannot(
                    f"cannot start {name}: its addresses {_listed(record.addresses)} are those of other machines",
                    hint=f"give {name}.{domain} one address of its own in {self.zone.subnet}",
                )
        return model.Cannot(
            f"cannot start {name}: the zone {domain} gives it no address in {self.zone.subnet}",
            hint=f"add '{name} IN A ADDRESS' to the zone {domain}, with a free address of {self.zone.subnet}",
        )


def decide(zone: model.Zone) -> Fleet:
    """Tell machines from aliases: of several names with one address, the one in its PTR record is the machine."""
    holders: dict[ipaddress.IPv4Address, list[str]] = {}
    for record in zone.records:
        if len(record.addresses) == 1 and model.NAME.fullmatch(record.name):
            holders.setdefault(record.addresses[0], []).append(record.name)
    holders.pop(zone.gateway, None)
    members: dict[str, model.Member] = {}
    refused: dict[tuple[str, ...], model.Cannot] = {}
    for address, names in sorted(holders.items()):
        pointer = names[0] if len(names) == 1 else zone.pointers.get(address, "")
        if pointer in names:
            aliases = tuple(sorted(set(names) - {pointer}))
            texts = zone.texts.get(pointer, ())
            members[pointer] = model.Member(name=pointer, address=address, aliases=aliases, texts=texts)
        else:
            refused[tuple(sorted(names))] = _undecided(zone, address, sorted(names), pointer)
    refused.update(_scattered(zone, set(holders) | {zone.gateway}))
    return Fleet(zone=zone, members=members, refused=refused)


def _undecided(zone: model.Zone, address: ipaddress.IPv4Address, names: list[str], pointer: str) -> model.Cannot:
    fact = f"its PTR record says {pointer}" if pointer else "it has no PTR record"
    return model.Cannot(
        f"cannot tell which of {_listed(names)} is the machine: all have the address {address}, and {fact}",
        hint=f"add '{address.reverse_pointer}. IN PTR {names[0]}.{zone.domain}.' to the reverse zone",
    )


def _scattered(zone: model.Zone, taken: set[ipaddress.IPv4Address]) -> dict[tuple[str, ...], model.Cannot]:
    """Refuse names with several addresses, unless all of them are others' (a name that points at a group)."""
    return {
        (record.name,): model.Cannot(
            f"cannot tell which address {record.name} has: the zone {zone.domain} gives it {_listed(record.addresses)}",
            hint="leave one of the records, or give each address a machine of its own",
        )
        for record in zone.records
        if len(record.addresses) > 1 and not taken.issuperset(record.addresses)
    }


def _listed(items: list[str] | tuple[ipaddress.IPv4Address, ...]) -> str:
    words = [str(item) for item in items]
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
