"""The rules of a network as texts: its nft table, its seal, and what lets it through Docker's chains."""

import hashlib

from netplugin import model, naming


def table(network: model.Network) -> str:
    """Return the network's table as one nft transaction: whatever was there before is replaced as a whole.

    Without translation the subnet is routed, and who routes may reach the machines; with it nothing new comes in from
    elsewhere, also where the host's own forwarding policy is ACCEPT, unless it was translated on purpose (DNAT).
    """
    name, bridge, subnet = naming.table(network.id), network.bridge, network.subnet
    lines = [f"add table ip {name}", f"delete table ip {name}", f"table ip {name} {{"]
    if network.snat:
        lines += [
            "  chain postrouting {",
            "    type nat hook postrouting priority srcnat; policy accept;",
            f"    ip saddr {subnet} ip daddr != {subnet} counter masquerade",
            "  }",
            "  chain forward {",
            "    type filter hook forward priority filter; policy accept;",
            f'    oifname "{bridge}" iifname != "{bridge}" ct state established,related accept',
            f'    oifname "{bridge}" iifname != "{bridge}" ct status dnat accept',
            f'    oifname "{bridge}" iifname != "{bridge}" counter drop',
            "  }",
        ]
    return "\n".join([*lines, "}", ""])


def passes(network: model.Network) -> tuple[tuple[str, ...], ...]:
    """Return the rules that let the network through Docker's FORWARD policy DROP, each as iptables words.

    An accept in a table of our own cannot overrule a drop in another, so these stand in Docker's user chain. The first
    one also lets machines reach each other where br_netfilter sends bridged frames through FORWARD.
    """
    comment = ("-m", "comment", "--comment", naming.mark(network.id), "-j", "ACCEPT")
    back = ("-m", "conntrack", "--ctstate", "RELATED,ESTABLISHED")
    outward = ("-s", str(network.subnet), "-i", network.bridge, *comment)
    inward = ("-d", str(network.subnet), "-o", network.bridge, *(back if network.snat else ()), *comment)
    return outward, inward


def seal(network: model.Network, listed: str) -> str:
    """Return the name of the chain that seals a table: of what was wished, and what the kernel lists of it."""
    lines = [table(network), *filter(None, listed.splitlines())]
    return "sealed-" + hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]
