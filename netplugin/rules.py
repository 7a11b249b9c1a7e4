"""The rules of a network as texts: its nft table, its seal, and what lets it through Docker's chains."""

import hashlib

from netplugin import exposure, model, naming, pairs

_LOOPBACK = "127.0.0.0/8"
_UNASKED = "ct state != { established, related }"


def table(network: model.Network, ways: tuple[exposure.Way, ...] = ()) -> str:
    """Return the network's table as one nft transaction: whatever was there before is replaced as a whole.

    Without translation the subnet is routed, and who routes may reach the machines; with it nothing new comes in from
    elsewhere, also where the host's own forwarding policy is ACCEPT, unless it was translated on purpose (DNAT).
    `ways` are the ports of the host that lead to machines.
    """
    name, bridge, subnet = naming.table(network.id), network.bridge, network.subnet
    lines = [f"add table ip {name}", f"delete table ip {name}", f"table ip {name} {{"]
    if ways:
        lines += _published(ways)
    if network.snat or ways:
        lines += [
            "  chain postrouting {",
            "    type nat hook postrouting priority srcnat; policy accept;",
            *(_back(network) if ways else ()),
            *([f"    ip saddr {subnet} ip daddr != {subnet} counter masquerade"] if network.snat else ()),
            "  }",
        ]
    if network.snat:
        lines += _inward("ct state established,related accept", "ct status dnat accept")
    if network.snat or network.isolate:
        lines += [
            "  chain forward {",
            "    type filter hook forward priority filter; policy accept;",
            *(_apart(network) if network.isolate else ()),
            *([_closed(bridge)] if network.snat else ()),
            "  }",
        ]
    return "\n".join([*lines, "}", ""])


def _inward(*accepted: str) -> list[str]:
    """Return the chain of what comes in from elsewhere, of which nothing new is let in."""
    return ["  chain inward {", *(f"    {rule}" for rule in accepted), "    counter drop", "  }"]


def _closed(bridge: str) -> str:
    """Return the rule that sends there what comes in; all else passes this one alone."""
    return f'    oifname "{bridge}" iifname != "{bridge}" goto inward'


def _apart(network: model.Network) -> list[str]:
    """Return what keeps machines from each other by the host, which would lead them; the bridge does it for itself.

    What was published on purpose is reached as from the world. A machine that may send as whom it likes opens nothing,
    either; behind a router of the LAN its packets are not told from the world's, which come by the bridge as well.
    """
    between = f'    iifname "{network.bridge}" oifname "{network.bridge}"'
    within = f"ip saddr {network.subnet} ip daddr {network.subnet}"
    rules = [f"{between} ct status dnat accept", f"{between} {within} counter drop"]
    if network.routed_here:
        rules.append(f"{between} ip daddr {network.subnet} {_UNASKED} counter drop")
    return rules


def _published(ways: tuple[exposure.Way, ...]) -> list[str]:
    """Return the chains that translate: one rule, with a map, for all ports of a kind.

    What comes in by a wire for 127.0.0.0/8, or from it, is dropped before it is translated: the kernel would see it too
    late, and with route_localnet on the bridge not at all (CVE-2020-8558).
    """
    lines = [
        "  chain loopback {",
        "    type filter hook prerouting priority raw; policy accept;",
        *(f'    iifname != "lo" ip {end} {_LOOPBACK} counter drop' for end in ("saddr", "daddr")),
        "  }",
        "  chain published {",
    ]
    for transport, bound, of in exposure.sets(ways):
        pairs = ", ".join(f"{_outer(way.exposure)} : {way.address} . {way.exposure.port}" for way in of)
        key = f"ip daddr . {transport} dport" if bound else f"{transport} dport"
        local = "" if bound else "fib daddr type local "
        lines.append(f"    {local}dnat ip to {key} map {{ {pairs} }}")
    lines.append("  }")
    for hook in ("prerouting", "output"):
        begin = f"    type nat hook {hook} priority -100; policy accept;"
        lines += [f"  chain {hook} {{", begin, "    jump published", "  }"]
    return lines


def _outer(exposed: exposure.Exposure) -> str:
    return f"{exposed.host} . {exposed.host_port}" if exposed.host else str(exposed.host_port)


def _back(network: model.Network) -> list[str]:
    """Return what has a machine answer by the host, where it would answer its neighbour, or its own 127.0.0.1."""
    return [
        f"    ip saddr {network.subnet} ip daddr {network.subnet} ct status dnat counter masquerade",
        f'    ip saddr {_LOOPBACK} oifname "{network.bridge}" counter masquerade',
    ]


def table6(network: model.Network) -> str:
    """Return the table of a network's IPv6, in the same way: NAT66, and nothing new comes in, or routed and open."""
    name, bridge, subnet = naming.table(network.id), network.bridge, network.subnet6
    lines = [f"add table ip6 {name}", f"delete table ip6 {name}", f"table ip6 {name} {{"]
    if network.snat6:
        lines += [
            "  chain postrouting {",
            "    type nat hook postrouting priority srcnat; policy accept;",
            f"    ip6 saddr {subnet} ip6 daddr != {subnet} counter masquerade",
            "  }",
        ]
        lines += _inward("ct state established,related accept")
    if network.snat6 or network.isolate:
        among = f'    iifname "{bridge}" oifname "{bridge}" ip6 daddr {subnet}'
        apart = (f"{among} ip6 saddr {subnet} counter drop", f"{among} {_UNASKED} counter drop")
        lines += [
            "  chain forward {",
            "    type filter hook forward priority filter; policy accept;",
            *(apart if network.isolate else ()),
            *([_closed(bridge)] if network.snat6 else ()),
            "  }",
        ]
    return "\n".join([*lines, "}", ""])


def passes6(network: model.Network) -> tuple[tuple[str, ...], ...]:
    """Return what `passes` does for IPv6, where it has it; br_netfilter sends neighbours' frames through, too."""
    if network.subnet6 is None:
        return ()
    comment = ("-m", "comment", "--comment", naming.mark(network.id), "-j", "ACCEPT")
    back = ("-m", "conntrack", "--ctstate", "RELATED,ESTABLISHED")
    outward = ("-s", str(network.subnet6), "-i", network.bridge, *comment)
    inward = ("-d", str(network.subnet6), "-o", network.bridge, *(back if network.snat6 else ()), *comment)
    among = ("-i", network.bridge, "-o", network.bridge, *comment)  # neighbour discovery has link-local addresses
    return outward, inward, among


def passes(network: model.Network) -> tuple[tuple[str, ...], ...]:
    """Return the rules that let the network through Docker's FORWARD policy DROP, each as iptables words.

    An accept in a table of our own cannot overrule a drop in another, so these stand in Docker's user chain. The second
    one lets in what was translated on purpose, too; the last what stays on the bridge, where br_netfilter sends bridged
    frames through FORWARD: who asks a DHCP server has no address yet, and a machine that routes sends for others.
    Where machines are kept from each other, of that only what DHCP needs.
    """
    comment = ("-m", "comment", "--comment", naming.mark(network.id), "-j", "ACCEPT")
    back = ("-m", "conntrack", "--ctstate", "RELATED,ESTABLISHED,DNAT")
    outward = ("-s", str(network.subnet), "-i", network.bridge, *comment)
    inward = ("-d", str(network.subnet), "-o", network.bridge, *(back if network.snat else ()), *comment)
    among = ("-i", network.bridge, "-o", network.bridge)
    if not network.isolate:
        return outward, inward, (*among, *comment)
    if network.unlisted is not model.Unlisted.DHCP:
        return outward, inward
    return outward, inward, (*among, "-p", "udp", "-m", "udp", "--sport", "67:68", "--dport", "67:68", *comment)


def admissions(network: model.Network) -> tuple[tuple[str, ...], ...]:
    """Return the rules that let machines ask the name server that is this host, each as iptables words.

    A host whose INPUT drops (ufw's does) would leave them without names. It is opened to them for that alone: one
    address and one port, and nobody else comes in by the bridge.
    """
    return _admitted(network, network.address) if network.dns.address == network.address else ()


def admissions6(network: model.Network) -> tuple[tuple[str, ...], ...]:
    """Return what `admissions` does at the bridge's IPv6 address: who has no other asks the same server there."""
    if network.gateway6 is None or network.dns.address not in {network.address, network.gateway6}:
        return ()
    return _admitted(network, network.gateway6)


def _admitted(network: model.Network, address: pairs.Address | None) -> tuple[tuple[str, ...], ...]:
    comment = ("-m", "comment", "--comment", naming.mark(network.id), "-j", "ACCEPT")
    to = ("-d", str(address), "-i", network.bridge)
    return tuple((*to, "-p", kind, "-m", kind, "--dport", str(network.dns.port), *comment) for kind in ("udp", "tcp"))


def seal(text: str, listed: str) -> str:
    """Return the name of the chain that seals a table: of what was wished, and what the kernel lists of it."""
    lines = [text, *filter(None, listed.splitlines())]
    return "sealed-" + hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]
