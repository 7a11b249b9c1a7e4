"""Translation and forwarding: one nft table per network, and our marked rules in the chain that Docker leaves to us."""

import contextlib
import errno
import os
import pathlib
import re
import shutil

from netplugin import exposure, model, naming, programs, rules

_VARIANTS = ("iptables", "iptables-nft", "iptables-legacy")
_VARIANTS6 = ("ip6tables", "ip6tables-nft", "ip6tables-legacy")
_USER_CHAIN, _FALLBACK_CHAIN, _HOST_CHAIN = "DOCKER-USER", "FORWARD", "INPUT"
Ways = tuple[exposure.Way, ...]
_LEADS = "chain published {"
_GUARDED = re.compile(r'ip saddr 127\.0\.0\.0/8 oifname "([^"/]+)"')
_SILENT = re.compile(r"(-P \w+ ACCEPT\n)*")  # what iptables -S says where nobody has a rule
_SEALED = re.compile(r"^\tchain (sealed-[0-9a-f]{16}) \{\n\t\}\n", re.MULTILINE)


def missing(network: model.Network, ways: Ways = ()) -> tuple[str, ...]:
    """Return what is missing or was changed by others, nothing where all stands; touch nothing."""
    table = [] if _table_stands(network, ways) else [f"nft table {naming.table(network.id)}"]
    if not _table6_stands(network):
        table.append(f"nft table ip6 {naming.table(network.id)}")
    return (*table, *(" ".join(command) for command in _missing_passes(network)))


def ensure(network: model.Network, ways: Ways = ()) -> None:
    """Put back what is missing or was changed."""
    if not _table_stands(network, ways):
        translate(network, ways)
    if not _table6_stands(network):
        _write("ip6", network, rules.table6(network))
    for command in _missing_passes(network):
        programs.run(command)
    for variant, chain in _all_places(network):
        if chain == _USER_CHAIN:
            _delete_marked(variant, _FALLBACK_CHAIN, naming.mark(network.id))


def translate(network: model.Network, ways: Ways) -> None:
    """Write the table so that it leads these ways, and no other; what stands in other tables is not looked at."""
    if not ways and _LEADS in _listed(network):  # first: the bridge is never open without the rules that guard it
        _route_loopback(network.bridge, on=False)
    _write("ip", network, rules.table(network, ways))
    if ways:
        _route_loopback(network.bridge, on=True)


def delete(network_id: str) -> None:
    """Delete the table and every rule that bears the network's mark; what is gone already is fine."""
    table = naming.table(network_id)
    for bridge in _GUARDED.findall(programs.attempt(_listing(network_id)) or ""):
        _route_loopback(bridge, on=False)
    programs.run(["nft", "-f", "-"], text=f"add table ip {table}\ndelete table ip {table}\n")
    six = programs.attempt(_listing(network_id, "ip6")) is not None
    for variant in _variants(_VARIANTS) + (_variants(_VARIANTS6) if six else []):
        for chain in (_USER_CHAIN, _FALLBACK_CHAIN, _HOST_CHAIN):
            _delete_marked(variant, chain, naming.mark(network_id))
    if six:  # last: as long as it is there, a deletion that failed half way knows what to look for when tried again
        programs.run(["nft", "-f", "-"], text=f"add table ip6 {table}\ndelete table ip6 {table}\n")


def _write(family: str, network: model.Network, text: str) -> None:
    """Write the table, and seal it: an empty chain, which no packet sees, bears the digest of what the kernel lists.

    So every later life of the driver can tell a table that stands from one that others changed, whatever words this
    version of nft lists it with. A table that was written and not sealed is written again.
    """
    programs.run(["nft", "-f", "-"], text=text)
    seal = rules.seal(text, programs.run(_listing(network.id, family)))
    programs.run(["nft", "add", "chain", family, naming.table(network.id), seal])


def _listed(network: model.Network) -> str:
    return programs.attempt(_listing(network.id)) or ""


def _table_stands(network: model.Network, ways: Ways) -> bool:
    listed = _listed(network)
    return _is_sealed(rules.table(network, ways), listed) and (not ways or _routes_loopback(network))


def _table6_stands(network: model.Network) -> bool:
    if network.subnet6 is None:
        return True
    return _is_sealed(rules.table6(network), programs.attempt(_listing(network.id, "ip6")) or "")


def _is_sealed(text: str, listed: str) -> bool:
    return _SEALED.findall(listed) == [rules.seal(text, _SEALED.sub("", listed))]


def _routes_loopback(network: model.Network) -> bool:
    try:
        return _loopback(network.bridge).read_text().strip() == "1" or not os.access(_loopback(network.bridge), os.W_OK)
    except OSError:  # there is no such bridge now
        return True


def _route_loopback(bridge: str, *, on: bool) -> None:
    """Have the bridge carry what the host sends to its own 127.0.0.1, once translated (ip_route_output_key).

    A managed plugin has /proc/sys read-only: ports are published all the same, but for 127.0.0.1.
    """
    with contextlib.suppress(FileNotFoundError):
        try:
            _loopback(bridge).write_text("1" if on else "0")
        except OSError as error:
            if error.errno != errno.EROFS:
                raise


def _loopback(bridge: str) -> pathlib.Path:
    return pathlib.Path(f"/proc/sys/net/ipv4/conf/{bridge}/route_localnet")


def _listing(network_id: str, family: str = "ip") -> list[str]:
    return ["nft", "--stateless", "list", "table", family, naming.table(network_id)]


def _missing_passes(network: model.Network) -> list[list[str]]:
    """Return the commands that insert what is not in the chains."""
    found = []
    for variant, chain in _all_places(network):
        call, six = [variant, "-w", str(programs.SECONDS)], variant in _VARIANTS6
        wished = [(chain, rule) for rule in (rules.passes6(network) if six else rules.passes(network))]
        admitted = rules.admissions6(network) if six else rules.admissions(network)
        wished += [(_HOST_CHAIN, rule) for rule in admitted]
        found += [
            [*call, "-I", where, "1", *rule]
            for where, rule in wished
            if programs.attempt([*call, "-C", where, *rule]) is None
        ]
    return found


def _all_places(network: model.Network) -> list[tuple[str, str]]:
    return _places(_VARIANTS) + ([] if network.subnet6 is None else _places(_VARIANTS6))


def _places(names: tuple[str, ...]) -> list[tuple[str, str]]:
    """Return each iptables variant that has a say, with the chain there for our rules.

    What one of them drops no other one lets through. Docker's chain shows which variant the engine writes with. Before
    the engine's first start it is not there yet, and after `iptables -F` nothing leads to it until the engine starts
    again: then FORWARD itself, where the rules stand as well until the keeper finds the way to Docker's chain.
    """
    variants, places = _variants(names), []
    for variant in variants:
        call = [variant, "-w", str(programs.SECONDS)]
        if programs.attempt([*call, "-C", _FALLBACK_CHAIN, "-j", _USER_CHAIN]) is not None:
            places.append((variant, _USER_CHAIN))
        elif not _SILENT.fullmatch(programs.attempt([*call, "-S"]) or ""):
            places.append((variant, _FALLBACK_CHAIN))
    return places or [(variant, _FALLBACK_CHAIN) for variant in variants[:1]]


def _variants(names: tuple[str, ...]) -> list[str]:
    """Return the installed variants, each by one name: Debian's `iptables` is another word for one of the others.

    The legacy one is left out where its tables are not in use, since asking it loads them.
    """
    found: dict[str, str] = {}
    for variant in names:
        if (path := shutil.which(variant)) is not None:
            found.setdefault(os.path.realpath(path), variant)
    return [variant for path, variant in found.items() if "legacy" not in path or _legacy_in_use(names[0])]


def _legacy_in_use(family: str) -> bool:
    try:
        return bool(pathlib.Path(f"/proc/net/{family.replace('tables', '_tables')}_names").read_text())
    except OSError:
        return False


def _delete_marked(variant: str, chain: str, mark: str) -> None:
    """Delete the rules with the mark, by the words in which iptables itself lists them."""
    listed = programs.attempt([variant, "-w", str(programs.SECONDS), "-S", chain]) or ""
    for line in listed.splitlines():
        words = line.replace('"', "").split()
        if words[:1] == ["-A"] and mark in words:
            programs.run([variant, "-w", str(programs.SECONDS), "-D", *words[1:]])
