"""Translation and forwarding: one nft table per network, and our marked rules in the chain that Docker leaves to us."""

import pathlib
import shutil
import subprocess

from netplugin import model, naming

SECONDS = 3  # for one command; `-w` makes iptables wait for its lock at most as long
_LEGACY = "iptables-legacy"
_VARIANTS = ("iptables", "iptables-nft", _LEGACY)
_USER_CHAIN, _FALLBACK_CHAIN = "DOCKER-USER", "FORWARD"


def ruleset(network: model.Network) -> str:
    """Return the network's table as one nft transaction: whatever was there before is replaced as a whole.

    Without translation the subnet is routed, and who routes may reach the machines; with it nothing new comes in from
    elsewhere, also where the host's own forwarding policy is ACCEPT, unless it was translated on purpose (DNAT).
    """
    table, bridge, subnet = naming.table(network.id), network.bridge, network.subnet
    lines = [f"add table ip {table}", f"delete table ip {table}", f"table ip {table} {{"]
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


class Firewall:
    """The rules in the kernel; `_written` holds the kernel's own echo of each table, to see what others changed."""

    def __init__(self) -> None:
        self._written: dict[str, str] = {}

    def missing(self, network: model.Network) -> tuple[str, ...]:
        """Return what is missing or was changed by others, nothing where all stands; touch nothing."""
        table = [] if self._table_stands(network) else [f"nft table {naming.table(network.id)}"]
        return (*table, *(" ".join(command) for command in _missing_passes(network)))

    def ensure(self, network: model.Network) -> None:
        """Put back what is missing or was changed."""
        if not self._table_stands(network):
            _run(["nft", "-f", "-"], text=ruleset(network))
            self._written[network.id] = _run(_listing(network))
        for command in _missing_passes(network):
            _run(command)
        variant, chain = _place()
        if variant and chain == _USER_CHAIN:
            _delete_marked(variant, _FALLBACK_CHAIN, naming.mark(network.id))

    def delete(self, network_id: str) -> None:
        """Delete the table and every rule that bears the network's mark; what is gone already is fine."""
        table = naming.table(network_id)
        self._written.pop(network_id, None)
        _run(["nft", "-f", "-"], text=f"add table ip {table}\ndelete table ip {table}\n")
        for variant in _variants():
            for chain in (_USER_CHAIN, _FALLBACK_CHAIN):
                _delete_marked(variant, chain, naming.mark(network_id))

    def _table_stands(self, network: model.Network) -> bool:
        return _attempt(_listing(network)) == self._written.get(network.id, "")


def _listing(network: model.Network) -> list[str]:
    return ["nft", "--stateless", "list", "table", "ip", naming.table(network.id)]


def _missing_passes(network: model.Network) -> list[list[str]]:
    """Return the commands that insert what is not in the chain."""
    variant, chain = _place()
    if variant is None:
        return []
    call = [variant, "-w", str(SECONDS)]
    return [
        [*call, "-I", chain, "1", *rule] for rule in passes(network) if _attempt([*call, "-C", chain, *rule]) is None
    ]


def _place() -> tuple[str | None, str]:
    """Return the iptables variant and the chain for our rules.

    Docker's chain shows which variant the engine writes with. Before the engine's first start it is not there yet:
    then FORWARD itself, where the rules stand as well until the keeper finds Docker's chain.
    """
    variants = _variants()
    for variant in variants:
        if _attempt([variant, "-w", str(SECONDS), "-S", _USER_CHAIN]) is not None:
            return variant, _USER_CHAIN
    return (variants[0] if variants else None), _FALLBACK_CHAIN


def _variants() -> list[str]:
    """Return the installed variants; the legacy one only where its tables are in use, since asking it loads them."""
    return [variant for variant in _VARIANTS if shutil.which(variant) and (variant != _LEGACY or _legacy_in_use())]


def _legacy_in_use() -> bool:
    try:
        return bool(pathlib.Path("/proc/net/ip_tables_names").read_text())
    except OSError:
        return False


def _delete_marked(variant: str, chain: str, mark: str) -> None:
    """Delete the rules with the mark, by the words in which iptables itself lists them."""
    listed = _attempt([variant, "-w", str(SECONDS), "-S", chain]) or ""
    for line in listed.splitlines():
        words = line.replace('"', "").split()
        if words[:1] == ["-A"] and mark in words:
            _run([variant, "-w", str(SECONDS), "-D", *words[1:]])


def _attempt(command: list[str]) -> str | None:
    """Return what the command printed, None where it failed or is not installed."""
    try:
        return _run(command)
    except model.Cannot:
        return None


def _run(command: list[str], *, text: str | None = None) -> str:
    """Run a command without a shell, bounded in time, and return what it printed."""
    try:
        done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=SECONDS + 1, check=True)
    except FileNotFoundError:
        raise _failed(command, "it is not installed") from None
    except subprocess.TimeoutExpired:
        raise _failed(command, f"it did not end within {SECONDS + 1} s") from None
    except subprocess.CalledProcessError as error:
        raise _failed(command, error.stderr.strip() or f"exit status {error.returncode}") from None
    return done.stdout


def _failed(command: list[str], why: str) -> model.Cannot:
    return model.Cannot(
        f"run {' '.join(command)}",
        why=why,
        hint=f"install {command[0]}, or try the command by hand",
        reason=model.Reason.UNAVAILABLE,
    )
