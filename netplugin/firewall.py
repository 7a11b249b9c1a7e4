"""Translation and forwarding: one nft table per network, and our marked rules in the chain that Docker leaves to us."""

import contextlib
import hashlib
import os
import pathlib
import re
import shutil
import signal
import subprocess

from netplugin import deadline, model, naming

SECONDS = 2  # iptables waits for its lock at most as long (`-w`), and one command lasts a second longer
_LEGACY = "iptables-legacy"
_VARIANTS = ("iptables", "iptables-nft", _LEGACY)
_USER_CHAIN, _FALLBACK_CHAIN = "DOCKER-USER", "FORWARD"
_SEALED = re.compile(r"^\tchain (sealed-[0-9a-f]{16}) \{\n\t\}\n", re.MULTILINE)


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


def missing(network: model.Network) -> tuple[str, ...]:
    """Return what is missing or was changed by others, nothing where all stands; touch nothing."""
    table = [] if _table_stands(network) else [f"nft table {naming.table(network.id)}"]
    return (*table, *(" ".join(command) for command in _missing_passes(network)))


def ensure(network: model.Network) -> None:
    """Put back what is missing or was changed."""
    if not _table_stands(network):
        _write(network)
    for command in _missing_passes(network):
        _run(command)
    variant, chain = _place()
    if variant and chain == _USER_CHAIN:
        _delete_marked(variant, _FALLBACK_CHAIN, naming.mark(network.id))


def delete(network_id: str) -> None:
    """Delete the table and every rule that bears the network's mark; what is gone already is fine."""
    table = naming.table(network_id)
    _run(["nft", "-f", "-"], text=f"add table ip {table}\ndelete table ip {table}\n")
    for variant in _variants():
        for chain in (_USER_CHAIN, _FALLBACK_CHAIN):
            _delete_marked(variant, chain, naming.mark(network_id))


def _write(network: model.Network) -> None:
    """Write the table, and seal it: an empty chain, which no packet sees, bears the digest of what the kernel lists.

    So every later life of the driver can tell a table that stands from one that others changed, whatever words this
    version of nft lists it with. A table that was written and not sealed is written again.
    """
    _run(["nft", "-f", "-"], text=ruleset(network))
    seal = _seal(network, _run(_listing(network)))
    _run(["nft", "add", "chain", "ip", naming.table(network.id), seal])


def _table_stands(network: model.Network) -> bool:
    listed = _attempt(_listing(network)) or ""
    return _SEALED.findall(listed) == [_seal(network, _SEALED.sub("", listed))]


def _seal(network: model.Network, listed: str) -> str:
    """Return the name of the chain that seals a table: of what was wished, and what the kernel lists of it."""
    lines = [ruleset(network), *filter(None, listed.splitlines())]
    return "sealed-" + hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


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

    Docker's chain shows which variant the engine writes with. Before the engine's first start it is not there yet, and
    after `iptables -F` nothing leads to it until the engine starts again: then FORWARD itself, where the rules stand as
    well until the keeper finds the way to Docker's chain.
    """
    variants = _variants()
    for variant in variants:
        if _attempt([variant, "-w", str(SECONDS), "-C", _FALLBACK_CHAIN, "-j", _USER_CHAIN]) is not None:
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
    """Return what the command printed, None where it says no; one that hangs or is not installed says nothing."""
    done = _finish(command)
    return None if done.returncode else done.stdout


def _run(command: list[str], *, text: str | None = None) -> str:
    """Return what the command printed; one that fails is an error."""
    done = _finish(command, text=text)
    if done.returncode:
        raise _failed(command, done.stderr.strip() or f"exit status {done.returncode}")
    return done.stdout


def _finish(command: list[str], *, text: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command without a shell, in a process group of its own, to its end or to that of its time."""
    seconds = deadline.left(f"run {' '.join(command)}", at_most=SECONDS + 1)
    pipe = subprocess.PIPE
    try:
        process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, process_group=0)
    except FileNotFoundError:
        raise _failed(command, "it is not installed") from None
    try:
        output, errors = process.communicate(text, timeout=seconds)
    except subprocess.TimeoutExpired:
        _end(process)
        raise _failed(command, f"it did not end within {seconds:.1f} s") from None
    return subprocess.CompletedProcess(command, process.returncode, output, errors)


def _end(process: "subprocess.Popen[str]") -> None:
    """Kill a command with its children, which may hold its pipes; one that the kernel does not let die is left."""
    os.killpg(process.pid, signal.SIGKILL)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.communicate(timeout=0.2)


def _failed(command: list[str], why: str) -> model.Cannot:
    return model.Cannot(
        f"run {' '.join(command)}",
        why=why,
        hint=f"install {command[0]}, or try the command by hand",
        reason=model.Reason.UNAVAILABLE,
    )
