"""How this host comes to ask the machines' name server for their names, and others for all else: split DNS.

Whoever writes /etc/resolv.conf is told in configuration of its own, so that no lease of DHCP overwrites it; what is
told is files beside its others, or marked lines in a file of the administrator's, and goes without a trace.
"""

import dataclasses
import enum
import ipaddress
import re

from launcher import model

BEGIN, END = "# fullhost: begin", "# fullhost: end"
FORWARDERS = "/etc/fullhost/forwarders.conf"  # of the machines' own name server: whom it asks for all else
UNIT = "/etc/systemd/system/fullhost-resolver.service"

_PID = "/run/fullhost/named/named.pid"
_SERVICE = "fullhost-resolver.service"
_BLOCK = re.compile(rf"^{BEGIN}\n.*?^{END}\n", re.MULTILINE | re.DOTALL)


class Manager(enum.StrEnum):
    """Who writes /etc/resolv.conf."""

    RESOLVED = "systemd-resolved"
    NETWORK_MANAGER = "NetworkManager"
    OPENRESOLV = "openresolv"
    RESOLVCONF = "resolvconf"


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Wish:
    """What a manager is told: the names of `domains`, the first of which is searched, are known at `server`, `port`.

    `loopback` tells that the same server is at 127.0.0.1 port 53, where it answers before there is a bridge.
    """

    bridge: str
    domains: tuple[str, ...]
    server: str
    port: int
    loopback: bool


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Text:
    """A file of ours, or, if `shared`, our lines in one of the administrator's, at its beginning or its end."""

    path: str
    text: str
    shared: bool = False
    mode: int = 0o644


def manager(target: str, text: str, *, openresolv: bool) -> Manager | None:
    """Tell who writes a resolv.conf that is at `target` once links are followed; None where nobody does.

    `openresolv` tells whether the command resolvconf is that one: both call themselves so.
    """
    head = "\n".join(line for line in text.splitlines() if line.startswith("#"))
    if "man:systemd-resolved(8)" in head:
        return Manager.RESOLVED
    if "NetworkManager" in head:
        return Manager.NETWORK_MANAGER
    if "resolvconf" in head or target.startswith("/run/resolvconf/"):
        return Manager.OPENRESOLV if openresolv else Manager.RESOLVCONF
    return Manager.RESOLVED if target.startswith("/run/systemd/resolve/") else None


def wish(network: model.Network, *, loopback: bool) -> Wish:
    """Give what a manager is told of a network; reverse zones end at octets, as `fhv host configure` makes them.

    Those of IPv6 end at hexadecimal digits (RFC 3596, 2.5).
    """
    octets = str(network.subnet.network_address).split(".")[: network.subnet.prefixlen // 8]
    return Wish(
        bridge=network.bridge,
        domains=(network.domain, ".".join([*reversed(octets), "in-addr.arpa"]), *_reverse6(network)),
        server=str(network.dns),
        port=network.dns_port,
        loopback=loopback,
    )


def _reverse6(network: model.Network) -> tuple[str, ...]:
    if network.subnet6 is None:
        return ()
    prefix = ipaddress.IPv6Network(network.subnet6)
    labels = prefix.network_address.reverse_pointer.split(".")
    return (".".join(labels[32 - prefix.prefixlen // 4 :]),)


def texts(by: Manager, asked: Wish) -> tuple[Text, ...]:
    """Give the files that tell a manager."""
    match by:
        case Manager.RESOLVED:
            return (Text(path=UNIT, text=_unit(asked)), _forwarders("127.0.0.53"))
        case Manager.NETWORK_MANAGER:
            servers = "".join(f"server=/{domain}/{asked.server}#{asked.port}\n" for domain in asked.domains)
            return (
                Text(path="/etc/NetworkManager/dnsmasq.d/fullhost.conf", text=servers),
                Text(path="/etc/NetworkManager/conf.d/fullhost.conf", text="[main]\ndns=dnsmasq\n"),
                _forwarders("127.0.0.1"),
            )
        case Manager.OPENRESOLV:
            return (Text(path="/etc/resolvconf.conf", text=_openresolv(asked), shared=True),)
        case Manager.RESOLVCONF:
            head, base = f"nameserver {_plain(asked)}\n", f"search {asked.domains[0]}\n"
            return (
                Text(path="/etc/resolvconf/resolv.conf.d/head", text=head, shared=True),
                Text(path="/etc/resolvconf/resolv.conf.d/base", text=base, shared=True),
                Text(path="/etc/resolvconf/update.d/fullhost", text=_HOOK, mode=0o755),
            )


def own(by: Manager) -> tuple[Text, ...]:
    """Give the files that a manager may have been told by; the forwarders stay, as their server does."""
    nothing = Wish(bridge="br0", domains=("local", "arpa"), server="127.0.0.1", port=53, loopback=True)
    return tuple(text for text in texts(by, nothing) if text.path != FORWARDERS)


def told(by: Manager) -> tuple[tuple[str, ...], ...]:
    """Give the commands after which a manager goes by its files."""
    match by:
        case Manager.RESOLVED:
            return (
                ("systemctl", "daemon-reload"),
                ("systemctl", "enable", _SERVICE),
                ("systemctl", "restart", _SERVICE),
            )
        case Manager.NETWORK_MANAGER:
            return (("nmcli", "general", "reload"),)
        case Manager.OPENRESOLV | Manager.RESOLVCONF:
            return (("resolvconf", "-u"),)


def leave(by: Manager) -> tuple[tuple[str, ...], ...]:
    """Give the commands that a manager's files need while they are still there, before they go."""
    return (("systemctl", "disable", _SERVICE),) if by is Manager.RESOLVED else ()


def untold(by: Manager, bridge: str) -> tuple[tuple[str, ...], ...]:
    """Give the commands after which a manager goes on without them; they are gone by then."""
    if by is not Manager.RESOLVED:
        return told(by)
    revert = (("resolvectl", "revert", bridge),) if bridge else ()
    return (("systemctl", "daemon-reload"), *revert)


def of_unit(text: str) -> str:
    """Give the bridge that a unit of ours is for."""
    found = re.search(r"resolvectl dns (\S+) ", text)
    return found[1] if found else ""


def merged(before: str, lines: str, *, first: bool) -> str:
    """Give a shared file with our lines in it, once."""
    block, rest = f"{BEGIN}\n{lines}{END}\n", without(before)
    if rest and not rest.endswith("\n"):
        rest += "\n"
    return block + rest if first else rest + block


def without(text: str) -> str:
    """Give a shared file as it was before."""
    return _BLOCK.sub("", text)


def _plain(asked: Wish) -> str:
    """Give the name server as resolv.conf(5) can have it, which knows no ports."""
    if asked.loopback:
        return "127.0.0.1"
    if asked.port == 53:
        return asked.server
    raise model.Cannot(
        f"cannot have this host ask for the names of {asked.domains[0]}: their name server listens on port "
        f"{asked.port} of {asked.server}, and resolv.conf(5) knows no port but 53",
        hint="install systemd-resolved, which knows ports, and try again",
    )


def _forwarders(server: str) -> Text:
    return Text(path=FORWARDERS, text=f"forwarders {{ {server}; }};\nforward only;\n")


def _unit(asked: Wish) -> str:
    port = "" if asked.port == 53 else f":{asked.port}"
    search, *others = asked.domains
    domains = " ".join([search, *(f"~{domain}" for domain in others)])
    escaped = asked.bridge.replace("-", r"\x2d")  # as systemd.unit(5) escapes it
    device = f"sys-subsystem-net-devices-{escaped}.device"
    return f"""\
[Unit]
Description=Names of fullhost's machines on this host: systemd-resolved asks their own name server
After=systemd-resolved.service fullhost.service

[Service]
Type=oneshot
# What is told of a link goes with it; udev starts the unit again with the bridge, whoever makes it anew. Where there is
# no udev it is the driver with whose start it begins: that makes the bridge a moment later.
ExecCondition=/bin/sh -c 'for i in 1 2 3 4 5 6; do [ -e /sys/class/net/{asked.bridge} ] && exit; sleep 1; done; false'
ExecStart=resolvectl dns {asked.bridge} {asked.server}{port}
ExecStart=resolvectl domain {asked.bridge} {domains}
ExecStart=resolvectl default-route {asked.bridge} false

[Install]
WantedBy=systemd-resolved.service fullhost.service {device}
"""


def _openresolv(asked: Wish) -> str:
    """Give lines of resolvconf.conf(5), which is a script; the forwarders of another BIND stay that one's."""
    return f"""\
name_servers="{_plain(asked)} $name_servers"
search_domains="{asked.domains[0]} $search_domains"
if [ -z "$named_options" ]; then
    named_options={FORWARDERS}
    named_restart='! [ -e {_PID} ] || kill -HUP "$(cat {_PID})"'
fi
"""


# run-parts has it before `libc`, in the folder of what each interface has told (resolvconf(8)).
_HOOK = f"""\
#!/bin/sh
# fullhost: the name servers of this host's interfaces, for the machines' own name server to forward to.
servers=$(sed -n 's/^nameserver[[:space:]]*//p' $(/lib/resolvconf/list-records) 2>/dev/null </dev/null |
    grep -vE '^127\\.|^::1$|%' | awk '!seen[$0]++ {{ printf " %s;", $0 }}')
if [ "$servers" ]; then new="forwarders {{$servers }};
forward only;"; else new="// no interface of this host has a name server"; fi
[ "$new" != "$(cat {FORWARDERS} 2>/dev/null)" ] && [ -d "$(dirname {FORWARDERS})" ] || exit 0
echo "$new" >{FORWARDERS}
[ ! -e {_PID} ] || kill -HUP "$(cat {_PID})"
"""
