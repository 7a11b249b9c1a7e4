"""IPv6 beside IPv4: which prefix a network may have, and which of its addresses DNS gives a name."""

import ipaddress
import typing

from netplugin import model

NONE = "none"
Address = ipaddress.IPv6Address
_SPECIAL = ("::/8", "fe80::/10", "ff00::/8")  # loopback, mapped and other of RFC 4291; link-local; multicast


class Zone(typing.Protocol):
    """What is asked of DNS (netplugin.zone)."""

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


def asked(zone: Zone, name: str, network: model.Network) -> Address | None:
    """Return the IPv6 address that DNS gives a name; on a network without IPv6 nobody is asked."""
    return None if network.subnet6 is None else choose(name, zone.addresses6(name, network), network)


def choose(name: str, answers: tuple[Address, ...], network: model.Network) -> Address | None:
    """Return the one address of the network's prefix that DNS gives the name, None where DNS gives it no AAAA record.

    As with A records, of several the only one that fits is taken, and two that fit are refused.
    """
    fits = [answer for answer in answers if _misfit(answer, network) is None]
    host = f"{name}.{network.domain}"
    if len(fits) == 1 or not answers:
        return fits[0] if fits else None
    if fits:
        why = f"DNS gives {host} {len(fits)} addresses of {network.subnet6}: {', '.join(map(str, sorted(fits)))}"
        hint = "leave one AAAA record in the zone"
    else:
        why = "; ".join(f"DNS gives {host} {answer}, {_misfit(answer, network)}" for answer in answers)
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


def _misfit(answer: Address, network: model.Network) -> str | None:
    if network.subnet6 is None or answer not in network.subnet6:
        return f"no address of {network.subnet6}"
    if answer == network.subnet6.network_address:
        return f"the routers' anycast address of {network.subnet6} (RFC 4291, 2.6.1)"
    return "the gateway's own address" if answer == network.gateway6 else None
