"""IPv6 beside IPv4: which prefix a network may have, and which of its addresses DNS gives a name."""

import ipaddress
import typing

from netplugin import inventory, model

NONE = "none"
Address = ipaddress.IPv6Address
_SPECIAL = ("::/8", "fe80::/10", "ff00::/8")  # loopback, mapped and other of RFC 4291; link-local; multicast


class Zone(typing.Protocol):
    """What is asked of DNS (netplugin.zone)."""

    def addresses(self, host: str, network: model.Network) -> tuple[ipaddress.IPv4Address, ...]: ...
    def addresses6(self, host: str, network: model.Network) -> tuple[ipaddress.IPv6Address, ...]: ...


def subnet(text: str) -> ipaddress.IPv6Network | None:
    """Parse a prefix for machines, or `none`; ValueError where it can be none of theirs."""
    if text == NONE:
        return None
    prefix = ipaddress.IPv6Network(text)
    if not 32 <= prefix.prefixlen <= 120:
        raise ValueError("a prefix for machines has 32 to 120 bits; 64 is the usual one (RFC 4291, 2.5.4)")
    if any(prefix.overlaps(ipaddress.IPv6Network(special)) for special in _SPECIAL):
        raise ValueError("it is loopback, link-local or multicast, and no place for machines (RFC 4291)")
    return prefix


def look_up(zone: Zone, name: str, network: model.Network) -> inventory.Record:
    """Return what DNS gives a name, of IPv6 too; on a network without IPv6 nobody is asked for that."""
    return inventory.Record(
        name=name,
        addresses=zone.addresses(name, network),
        addresses6=() if network.subnet6 is None else zone.addresses6(name, network),
    )


def beside(address: ipaddress.IPv4Address, network: model.Network) -> Address | None:
    """Return the IPv6 address that goes with an IPv4 one that the driver chooses: of the same number in its network.

    172.31.0.211 has fd00:31::d3, as people write their own records. So one follows from the other, and hosts that share
    the IPv4 subnet do not try for the same; a prefix that is smaller than the subnet has less room, and one that is not
    free has the next IPv4 address tried.
    """
    if network.subnet6 is None:
        return None
    return network.subnet6[(int(address) - int(network.subnet.network_address)) % network.subnet6.num_addresses]


def choose(name: str, answers: tuple[Address, ...], network: model.Network) -> Address | None:
    """Return the one address of the network's prefix that DNS gives the name, None where DNS gives it no AAAA record.

    As with A records, of several the only one that fits is taken, and two that fit are refused.
    """
    fits = [answer for answer in answers if misfit(answer, network) is None]
    host = f"{name}.{network.domain}"
    if len(fits) == 1 or not answers:
        return fits[0] if fits else None
    if fits:
        why = f"DNS gives {host} {len(fits)} addresses of {network.subnet6}: {', '.join(map(str, sorted(fits)))}"
        hint = "leave one AAAA record in the zone"
    else:
        why = "; ".join(f"DNS gives {host} {answer}, {misfit(answer, network)}" for answer in answers)
        hint = f"give {host} an AAAA record with a free address of {network.subnet6}, or none"
    raise model.Cannot(f"give {name} an IPv6 address", why=why, hint=hint)


def refuse_unserved(network: model.Network) -> None:
    """Refuse a prefix on a network of a kind on which IPv6 is not served."""
    if network.subnet6 is None:
        return
    if network.ipam is not model.Ipam.NULL:
        why, hint = "IPv6 is served where DNS alone gives out addresses", "make the network with --ipam-driver null"
    elif not network.routed_here:
        why, hint = "IPv6 is served where this host is the machines' router", "leave fullhost.parent or the prefix out"
    else:
        return
    raise model.Cannot(f"make the network with fullhost.subnet6={network.subnet6}", why=why, hint=hint)


def misfit(answer: Address, network: model.Network) -> str | None:
    """Return why the network can give no machine that address; None where it can."""
    if network.subnet6 is None or answer not in network.subnet6:
        return f"no address of {network.subnet6}"
    if answer == network.subnet6.network_address:
        return f"the routers' anycast address of {network.subnet6} (RFC 4291, 2.6.1)"
    return "the gateway's own address" if answer == network.gateway6 else None
