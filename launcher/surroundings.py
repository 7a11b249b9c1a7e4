"""This host as it bears on machines: its routes, its firewall, the names that it resolves."""

import ipaddress
import json
import pathlib
import re
import shutil
import subprocess

from launcher import model, pairs

_SECONDS = 5.0  # for a command; a name server that is silent takes getent longer
_IPTABLES = {(family, "filter") for family in ("ip", "ip6")}
INSTANCES = pathlib.Path("/proc/sys/fs/inotify/max_user_instances")
SYSTEMD = pathlib.Path("/run/systemd/system")  # sd_booted(3)
NSSWITCH = pathlib.Path("/etc/nsswitch.conf")


def routes() -> tuple[tuple[ipaddress.IPv4Network, str], ...]:
    """Return the destinations that the host has a route to, but the default one, each with its interface."""
    found = json.loads(_said("ip", "-json", "-4", "route", "show", "table", "main") or "[]")
    return tuple(
        (ipaddress.IPv4Network(route["dst"], strict=False), route.get("dev", ""))
        for route in found
        if route["dst"] != "default"
    )


def closed(bridge: str) -> tuple[tuple[str, str], ...] | None:
    """Return what drops what comes from the bridge unless a rule lets it pass, and has none that speaks of the bridge.

    Each is a hook, input (which DNS needs) or forward (which the world needs), and where: `iptables`, or a chain of
    nftables as nft names it. None where it cannot be seen: only root may look.
    """
    listed = [
        said for tool in ("iptables-nft", "iptables-legacy") if shutil.which(tool) and (said := _said(tool, "-S"))
    ]
    tables = _said("nft", "--json", "list", "ruleset") if shutil.which("nft") else ""
    if not listed and not tables:
        return None
    drops = any(iptables_drop(said, bridge) for said in listed)
    return ((("input", "iptables"),) if drops else ()) + nft_closed(tables, bridge)


def iptables_drop(listed: str, bridge: str) -> bool:
    """Tell it from what `iptables -S` says; chains for what is forwarded have nothing to say about what comes in."""
    if not re.search(r"^-P INPUT (DROP|REJECT)", listed, re.MULTILINE):
        return False
    passed = rf"^-A (?!FORWARD|DOCKER)\S+ .*(-i {re.escape(bridge)} |--dport 53 ).*-j ACCEPT"
    return not re.search(passed, listed, re.MULTILINE)


def nft_closed(listed: str, bridge: str) -> tuple[tuple[str, str], ...]:
    """Tell it from what `nft --json list ruleset` says (libnftables-json(5)), but the tables of iptables-nft."""
    entries = json.loads(listed)["nftables"] if listed else []
    found = []
    for chain in (entry["chain"] for entry in entries if "chain" in entry):
        hook, table = chain.get("hook"), (chain["family"], chain["table"])
        if hook not in {"input", "forward"} or chain.get("policy") != "drop" or table in _IPTABLES:
            continue
        rules = [rule for entry in entries if (rule := entry.get("rule")) and (rule["family"], rule["table"]) == table]
        wanted = (bridge, 53) if hook == "input" else (bridge,)
        if not any(_lets_in(rule["expr"], wanted) for rule in rules):
            found.append((hook, f"{chain['family']} {chain['table']} {chain['name']}"))
    return tuple(found)


def _lets_in(expressions: list[object], wanted: tuple[object, ...]) -> bool:
    accepts = {"accept": None} in expressions
    matches = [
        expression["match"] for expression in expressions if isinstance(expression, dict) and "match" in expression
    ]
    return accepts and any(match["right"] in wanted for match in matches)


def instances() -> int | None:
    """Return how many inotify instances the kernel gives one user (inotify(7)); None where it does not say."""
    try:
        return int(INSTANCES.read_text(encoding="ascii"))
    except OSError:
        return None


def asks_mdns_first() -> bool:
    """Tell whether names of `local` go to multicast DNS and no further (nss-mdns; RFC 6762 section 3)."""
    try:
        text = NSSWITCH.read_text(encoding="utf-8")
    except OSError:
        return False
    hosts = re.search(r"^hosts:(.*)$", text, re.MULTILINE)
    return bool(hosts and re.search(r"\bmdns[46]?_minimal\b.*\[NOTFOUND=return\].*\bdns\b", hosts[1]))


def gives_turns() -> bool:
    """Tell whether machines are let go in their order at boot; without systemd that is not known, and supposed."""
    return not SYSTEMD.is_dir() or _said("systemctl", "is-enabled", "fullhost-machines.service").strip() == "enabled"


def address_of(host: str) -> pairs.Address | None:
    """Return what this host's resolver says of a name, as its programs hear it: IPv6 where it has that alone."""
    words = _said("getent", "ahostsv4", host).split() or _said("getent", "ahostsv6", host).split()
    return ipaddress.ip_address(words[0]) if words else None


def _said(*command: str) -> str:
    """Run a command and return what it said; nothing where it cannot be run, fails, or takes too long."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return ""
    except OSError as error:
        raise model.Cannot(f"cannot run {command[0]}: {error.strerror}", hint=f"install {command[0]}") from error
    return done.stdout if done.returncode == 0 else ""
