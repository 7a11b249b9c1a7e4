"""Which interface of the host may lead a network's bridge to the LAN, and which may not."""

import dataclasses
import ipaddress
from collections.abc import Mapping

from netplugin import model, naming

NONE = "none"
_LONGEST = 15  # IFNAMSIZ of the kernel less its NUL
_BOTTOMLESS = frozenset({"tun", "wireguard", "ipip", "sit", "gre", "ip6tnl"})  # no Ethernet to bridge


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Interface:
    """An interface of the host as the kernel has it: `kind` is '' for a physical one, `master` what it is a port of.

    `parent` and `vlan` are of a VLAN's interface; `addresses` are those that are lost to the host in a bridge.
    """

    name: str
    kind: str
    loopback: bool
    mtu: int
    up: bool
    master: str | None = None
    parent: str | None = None
    vlan: int | None = None
    addresses: tuple[str, ...] = ()


def parent(text: str) -> str | None:
    """Parse the name of a parent, or `none`."""
    return None if text == NONE else naming.interface(text)


def vlan(text: str) -> int | None:
    """Parse a VLAN's number, or `none`; 0 and 4095 are no VLANs (IEEE 802.1Q, 9.6)."""
    if text == NONE:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 4 and 1 <= int(text) <= 4094):
        raise ValueError("a VLAN is 1 to 4094")
    return int(text)


def address(text: str) -> ipaddress.IPv4Address | None:
    """Parse the address of a bridge, or `none`."""
    return None if text == NONE else ipaddress.IPv4Address(text)


def defaults(
    texts: Mapping[str, str], known: Mapping[str, str], *, network_id: str, gateway: ipaddress.IPv4Address
) -> dict[str, str]:
    """Return the options that follow from others, where they are not `known`.

    On a LAN the gateway is the LAN's, which the bridge does not bear, and the bridge is one of its own, named as Docker
    names its bridges. A host that is not the gateway translates nothing.
    """
    alone = texts["parent"] == NONE
    own = texts.get("address", str(gateway) if alone else NONE)
    found = {"address": own}
    if not alone and "bridge" not in known:
        found["bridge"] = f"br-{network_id[:12]}"
    if own != str(gateway) and "snat" not in known:
        found["snat"] = "false"
    return found


def check(network: model.Network, *, found: Interface | None, uplink: Interface | None) -> None:
    """Refuse what cannot be a port of the network's bridge: `found` is the parent, `uplink` it or its VLAN's interface.

    A bridge that somebody else made is left alone: its ports are what they are.
    """
    if network.parent is None:
        return
    if found is None:
        raise _refused(network, "there is no such interface", "see ip link, and give the name of one")
    _check_kind(network, found)
    if network.mtu > found.mtu:
        why = f"it carries {found.mtu} octets, and the network is to carry {network.mtu}"
        raise _refused(network, why, f"ip link set {found.name} mtu {network.mtu}, or -o fullhost.mtu={found.mtu}")
    if not network.bridge_made and (uplink is None or uplink.master != network.bridge):
        hint = f"ip link set {network.uplink} master {network.bridge}, or name a bridge that is not there yet"
        raise _refused(network, "the bridge stood before, and is left alone", hint)
    if network.vlan is not None:
        _check_vlan(network, uplink)
    if uplink is not None:
        _check_port(network, uplink)


def _check_kind(network: model.Network, found: Interface) -> None:
    if found.loopback:
        raise _refused(network, "it is the loopback", "give an interface that leads to the LAN")
    if found.kind == "bridge":
        raise _refused(network, "it is a bridge itself", f"use it as one: -o fullhost.bridge={found.name}")
    if found.kind in _BOTTOMLESS or naming.is_host_end(found.name):
        raise _refused(network, "it is no Ethernet that leads to a LAN", "give one that is, see ip -d link")


def _check_vlan(network: model.Network, uplink: Interface | None) -> None:
    name = str(network.uplink)
    if len(name) > _LONGEST:
        hint = f"ip link add link {network.parent} name vlan{network.vlan} type vlan id {network.vlan}, and give that"
        raise _refused(network, f"{name} is longer than an interface's name may be", hint)
    if uplink is not None and (uplink.parent, uplink.vlan) != (network.parent, network.vlan):
        hint = f"ip link del {name}, or give another VLAN"
        raise _refused(network, f"{name} is there, and is not VLAN {network.vlan} of {network.parent}", hint)


def _check_port(network: model.Network, uplink: Interface) -> None:
    if uplink.master not in {None, network.bridge}:
        why = f"{uplink.name} is a port of {uplink.master}"
        raise _refused(
            network, why, f"-o fullhost.bridge={uplink.master} uses it, or ip link set {uplink.name} nomaster"
        )
    if uplink.addresses:
        first = uplink.addresses[0]
        raise _refused(
            network,
            f"{uplink.name} has the address {', '.join(uplink.addresses)}, which the host would lose: a port has none",
            f"have the bridge bear it: ip addr del {first} dev {uplink.name}, and -o fullhost.address="
            f"{first.partition('/')[0]}; or make the bridge yourself, and -o fullhost.bridge=…",
        )


def _refused(network: model.Network, why: str, hint: str) -> model.Cannot:
    vlan = "" if network.vlan is None else f" (VLAN {network.vlan})"
    return model.Cannot(
        f"put {network.parent}{vlan} into the bridge {network.bridge}",
        why=why,
        hint=hint,
        reason=model.Reason.CONFLICT,
    )
