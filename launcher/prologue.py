"""What a machine does before its init, at each of its boots: its own name in /etc/hosts, its name server, its turn.

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

# At its own boot the engine starts all machines at once. One that may have to wait for others bears the number of the
# host's last boot in which it was let go; in another one it waits here, before its init, until fhv lets it go. What
# fhv never comes to goes on by itself: a host has its machines back whatever becomes of their order. To refuse them to
# the engine by their restart policy would be no better: without one none comes back that reboots itself, and
# `on-failure` is started at the engine's boot as well, unless its exit code is 0 (moby, restartmanager).
_MARK = "/.fullhost-turn"
_NUMBER = "/proc/sys/kernel/random/boot_id"
PATIENCE_SECONDS = 600  # from the host's boot
_HELD = f"""\
held() {{
    [ -e {_MARK} ] && read -r mine <{_MARK} && read -r now <{_NUMBER} && [ "$mine" != "$now" ] &&
        read -r up rest </proc/uptime && [ "${{up%%.*}}" -lt {PATIENCE_SECONDS} ]
}}
"""
# Process 1 gets no signal that it has no trap for; 37 is SIGRTMIN+3 (inits.py has who is stopped by what).
_TURN = f"""\
{_HELD}if held; then
    trap 'exit 0' INT TERM USR2 37
    echo "fullhost: this machine waits for its turn to boot, which fhv start gives it"
    while held; do sleep 1 || break; done
fi
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
    script = _OWN_NAME + (_OWN_NAME6.replace("DOMAIN", network.domain) if network.subnet6 else "") + _TURN
    if resolver is specification.Resolver.DIRECT:
        script += f"printf %s {shlex.quote(resolv_conf(network, member))} >/etc/resolv.conf\n"
    return dataclasses.replace(boot, command=("/bin/sh", "-c", f'{script}exec "$@"', "sh", *boot.command))


# The command line of process 1 tells: the init takes the place of the shell that does what stands above.
_ONCE_PAST = f"""\
case $(cat /proc/1/cmdline) in *{_MARK}*) exit 75 ;; esac
"""


def past(question: tuple[str, ...], *, first: str = "") -> tuple[str, ...]:
    """Give a question to the init that says nothing, as an init that boots, until there is one."""
    return ("/bin/sh", "-c", f'{{\n{first}{_ONCE_PAST}}} 2>/dev/null\nexec "$@"', "sh", *question)


def let_go(question: tuple[str, ...], *, ordered: bool) -> tuple[str, ...]:
    """Give the same, before which the machine is let go.

    An `ordered` one waits for its turn again at the host's next boot, another one does not.
    """
    mark = (
        f"read -r now <{_NUMBER} && printf '%s\\n' \"$now\" >{_MARK}" if ordered else f"[ ! -e {_MARK} ] || rm {_MARK}"
    )
    return past(question, first=f"{mark}\n")


HELD = ("/bin/sh", "-c", f"{_HELD}held")


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
