"""What a machine does before its init, at each of its boots: its own name in /etc/hosts, its name server.

The engine writes both files anew whenever it starts a container, and bind-mounts them, so that they can be written
but not replaced. What is put right in the machine itself needs no file of the host, no fhv at boot, and is the same
on every engine: the engine has written them by the time the first process runs (20.10 to 29).
"""

import dataclasses
import shlex

from launcher import model, specification

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


def before(boot: model.Boot, network: model.Network, resolver: specification.Resolver) -> model.Boot:
    """Give the boot of a machine of the network, with what comes before it."""
    script = _OWN_NAME
    if resolver is specification.Resolver.DIRECT:
        script += f"printf %s {shlex.quote(resolv_conf(network))} >/etc/resolv.conf\n"
    return dataclasses.replace(boot, command=("/bin/sh", "-c", f'{script}exec "$@"', "sh", *boot.command))


def resolv_conf(network: model.Network) -> str:
    """Give resolv.conf(5) with the name server of the network's zone; it knows no ports."""
    if network.dns_port != 53:
        raise model.Cannot(
            f"cannot have the machines of {network.name} ask {network.dns} themselves: it listens on port "
            f"{network.dns_port}, and resolv.conf(5) knows no port but 53",
            hint='write resolver = "engine" into fhv.toml, or give the network a name server on port 53',
        )
    why = '# fullhost: written at each boot, as fhv.toml has resolver = "direct"'
    return f"{why}\nsearch {network.domain}\nnameserver {network.dns}\n"
