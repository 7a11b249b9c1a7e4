"""What a machine does before its init, at each of its boots: its own name in /etc/hosts, its name server.

The engine writes both files anew whenever it starts a container, and bind-mounts them, so that they can be written
but not replaced. What is put right in the machine itself needs no file of the host, no fhv at boot, and is the same
on every engine: the engine has written them by the time the first process runs (20.10 to 29).
"""

import dataclasses
import ipaddress
import shlex

from launcher import model, pairs, specification

# Engines 28.0 to 29.0 write ::ffff:172.31.0.2 for 172.31.0.2 (libnetwork/endpoint.go, getEtcHostsAddrs): an IPv6
# address to whoever reads it. In words of the shell alone, as an image may have neither sed nor grep.
_OWN_NAME = """\
had= new=
while IFS= read -r line || [ "$line" ]; do
    had="$had$line
"
    case $line in ::ffff:*.*.*.*) line=${line#::ffff:} ;; esac
    new="$new$line
"
done </etc/hosts
[ "$had" = "$new" ] || printf %s "$new" >/etc/hosts
"""


# Before 28.0 the engine writes the IPv4 address alone, and nothing for who has none (getFirstInterfaceAddress). Who has
# the name at an IPv6 address in no line gets one, from what the kernel lists (net/ipv6/addrconf.c, if6_seq_show).
_OWN_NAME6 = """\
read -r own </proc/sys/kernel/hostname
named=
while read -r address names; do
    case "$address $names " in *:*" $own "*) named=yes ;; esac
done </etc/hosts
while read -r digits _ _ scope _ device; do
    case "$named$scope$device" in 00eth*) ;; *) continue ;; esac
    text=
    while [ "$digits" ]; do
        rest=${digits#????}
        text=$text:${digits%"$rest"}
        digits=$rest
    done
    printf '%s\\t%s %s\\n' "${text#:}" "$own."DOMAIN "$own" >>/etc/hosts
done 2>/dev/null </proc/net/if_inet6
"""


def before(
    boot: model.Boot, network: model.Network, resolver: specification.Resolver, member: model.Member
) -> model.Boot:
    """Give the boot of a machine of the network, with what comes before it."""
    script = _OWN_NAME + (_OWN_NAME6.replace("DOMAIN", network.domain) if network.subnet6 else "")
    if resolver is specification.Resolver.DIRECT:
        script += f"printf %s {shlex.quote(resolv_conf(network, member))} >/etc/resolv.conf\n"
    return dataclasses.replace(boot, command=("/bin/sh", "-c", f'{script}exec "$@"', "sh", *boot.command))


def server(network: model.Network, member: model.Member) -> pairs.Address:
    """Give the name server that a machine asks: this host's by IPv6, where it has no IPv4 to ask it by."""
    alone = member.address is None and member.address6 is not None
    if alone and network.gateway6 and network.dns == network.address:
        return ipaddress.IPv6Address(network.gateway6)
    return network.dns


def resolv_conf(network: model.Network, member: model.Member) -> str:
    """Give resolv.conf(5) with the name server of the network's zone; it knows no ports."""
    if network.dns_port != 53:
        raise model.Cannot(
            f"cannot have the machines of {network.name} ask {network.dns} themselves: it listens on port "
            f"{network.dns_port}, and resolv.conf(5) knows no port but 53",
            hint='write resolver = "engine" into fhv.toml, or give the network a name server on port 53',
        )
    why = '# fullhost: written at each boot, as fhv.toml has resolver = "direct"'
    return f"{why}\nsearch {network.domain}\nnameserver {server(network, member)}\n"
