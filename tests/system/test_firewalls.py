"""Machines beside other firewalls: they get out, are translated and have names, and still do after a reload."""

import contextlib
import dataclasses
import json
from collections.abc import Callable, Iterator

import pytest

from tests import tally as tallies
from tests.lab import commands, firewalls, host, images, world

NAME = "database"
SETTINGS = {"FULLHOST_KEEPER_SECONDS": "0.5"}
CLOSED = ("-A INPUT -i lo -j ACCEPT", "-A INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT", "-P INPUT DROP")
# What a host with nftables alone may load at boot.
NFTABLES = """\
table inet filter {
    chain input {
        type filter hook input priority filter; policy drop;
        iif lo accept
        ct state established,related accept
    }
    chain forward { type filter hook forward priority filter; policy drop; }
}
"""


@pytest.fixture
def lab(session_lab: world.Lab) -> world.Lab:
    """Give the session's lab, clean once: its engine starts anew for each test here, beside another firewall."""
    if SETTINGS["FULLHOST_KEEPER_SECONDS"] not in session_lab.driver.settings.values():
        session_lab.clean()
        images.ensure(session_lab.engine, images.BUSYBOX)
        session_lab.driver.restart({**SETTINGS, "PATH": session_lab.environment["PATH"]})
    return session_lab


@pytest.fixture
def beside(lab: world.Lab) -> Iterator[firewalls.Firewalls]:
    """Give the other firewalls, none of which runs, on a host whose engine is down: who needs one starts it."""
    made = firewalls.Firewalls(lab.where, lab.engine)
    made.install()
    lab.engine.stop()
    made.clear(lab.host)
    yield made
    if lab.engine.pid is not None:
        lab.engine.clean()
        lab.engine.stop()
    made.clear(lab.host)


def _close(lab: world.Lab, variant: str) -> None:
    """Have nobody come in to the host, but for what it asked for itself."""
    for line in CLOSED:
        lab.host.run(variant, *line.split())


def _docker(lab: world.Lab, _: firewalls.Firewalls) -> None:
    lab.engine.start()
    _close(lab, "iptables-nft")


def _legacy(lab: world.Lab, beside: firewalls.Firewalls) -> None:
    beside.run("update-alternatives", "--set", "iptables", "/usr/sbin/iptables-legacy")
    lab.engine.start()
    _close(lab, "iptables-legacy")


def _nftables(lab: world.Lab, _: firewalls.Firewalls) -> None:
    """Have a host on which Docker writes no rule at all, and which is closed."""
    lab.engine.start("--iptables=false")
    (lab.where.root / "nftables.conf").write_text(NFTABLES)
    lab.host.run("nft", "-f", str(lab.where.root / "nftables.conf"))


def _open_as_told(lab: world.Lab) -> None:
    """Type what `fhv doctor` says, and have it in the file as well."""
    said = lab.run("sh", "-c", "fhv doctor --json || true")
    mends = [entry["mend"] for entry in json.loads(said) if entry["check"] == "firewall"]
    for line in (line for mend in mends for line in mend.split("; ") if line.startswith("nft insert")):
        lab.host.run("sh", "-c", line)
    listed = lab.host.run("nft", "list", "table", "inet", "filter")
    (lab.where.root / "nftables.conf").write_text(f"flush ruleset\n{listed}")


def _load_nftables(lab: world.Lab, _: firewalls.Firewalls) -> None:
    lab.host.run("nft", "-f", str(lab.where.root / "nftables.conf"))


def _bridged(lab: world.Lab, _: firewalls.Firewalls) -> None:
    """Have bridged frames filtered as well, as others of the host's programs want it (Kubernetes)."""
    lab.engine.start()
    lab.host.run("sysctl", "-qw", "net.bridge.bridge-nf-call-iptables=1")
    _close(lab, "iptables-nft")


def _ufw(lab: world.Lab, beside: firewalls.Firewalls) -> None:
    lab.engine.start()
    beside.run("ufw", "--force", "enable")
    assert "-P INPUT DROP" in lab.host.run("iptables", "-S", "INPUT")


def _firewalld(lab: world.Lab, beside: firewalls.Firewalls) -> None:
    beside.start_firewalld()
    lab.engine.start()


def _on_the_host(*command: str) -> Callable[[world.Lab, firewalls.Firewalls], None]:
    return lambda _, beside: (beside.run(*command), None)[1]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Other:
    """A firewall: what sets it up, `then` what its administrator does, and what loads it anew, or flushes it."""

    setup: Callable[[world.Lab, firewalls.Firewalls], None]
    then: Callable[[world.Lab], None] = lambda lab: None
    reload: Callable[[world.Lab, firewalls.Firewalls], None]


OTHERS = {
    "Docker, iptables-nft, INPUT drops": Other(setup=_docker, reload=_on_the_host("nft", "flush", "ruleset")),
    "Docker, iptables-legacy, INPUT drops": Other(setup=_legacy, reload=_on_the_host("iptables-legacy", "-F")),
    "nftables alone, opened as fhv doctor says": Other(setup=_nftables, then=_open_as_told, reload=_load_nftables),
    "br_netfilter on, INPUT drops": Other(setup=_bridged, reload=_on_the_host("iptables", "-F")),
    "ufw": Other(setup=_ufw, reload=_on_the_host("ufw", "reload")),
    "firewalld": Other(setup=_firewalld, reload=_on_the_host("firewall-cmd", "--reload")),
}


def _works(lab: world.Lab) -> dict[str, bool]:
    """Return what a machine can do."""

    def inside(*command: str) -> str:
        try:
            return lab.engine.docker("exec", NAME, *command)
        except commands.LabError:
            return ""

    return {
        "forwarding": "1 packets received" in inside("ping", "-c", "1", "-W", "1", host.OUTSIDE_ADDRESS),
        "SNAT": inside("nc", "-w", "1", host.OUTSIDE_ADDRESS, str(host.MIRROR_PORT)) == f"{host.HOST_ADDRESS}\n",
        "names": "172.31.0.3" in inside("nslookup", "webserver.local", host.GATEWAY),
        "machines": "1 packets received" in inside("ping", "-c", "1", "-W", "1", "172.31.0.3"),
    }


@pytest.mark.parametrize("kind", OTHERS)
def test_beside_another_firewall(lab: world.Lab, beside: firewalls.Firewalls, kind: str, tally: tallies.Tally) -> None:
    OTHERS[kind].setup(lab, beside)
    lab.create_network()
    for name in (NAME, "webserver"):
        known = f"name={world.NETWORK},driver-opt=fullhost.name={name}"
        lab.engine.docker("run", "-d", "--network", known, "--name", name, images.BUSYBOX, "sleep", "100000")
    OTHERS[kind].then(lab)
    with contextlib.suppress(commands.LabError):  # firewalld's zone is made by the keeper
        commands.wait("the keeper", lambda: all(_works(lab).values()))
    before = _works(lab)
    OTHERS[kind].reload(lab, beside)
    commands.wait(
        "all of it to work again", lambda: all(_works(lab).values()), seconds=30, hint=lambda: lab.driver.log[-900:]
    )
    for what, works in before.items():
        tally.pair(row=kind, column=what, kept=works)
    tally.pair(row=kind, column="put back", kept=True)
    assert all(before.values()), before
    lab.engine.clean()
    rules = lab.host.run("nft", "list", "ruleset") + lab.host.run("iptables-legacy-save")
    assert "fullhost-" not in rules
    assert "fullhost:" not in rules
