"""A table of faults on real engines: after each nothing is left, who lives is not disturbed, later starts are right."""

import contextlib
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import pytest

from tests import tally as tallies
from tests.lab import armed, commands, host, images, liar, place, world

pytestmark = pytest.mark.timeout(900)
LIVES, LIVES_AT = "webserver", "172.31.0.3"
NAME, ADDRESS = "database", "172.31.0.2"
SECONDS = 15  # five, on a machine that has nothing else to do
# What lasts: a death elsewhere is one at the end of the one before (every step: tests/netplugin/test_steps.py).
LASTING = {"store.commit", "links.create_veth", "links.delete_link"}
RULES = 5  # of iptables: machines pass out, in and on the bridge, and the gateway is asked for names over UDP and TCP
Fault = Callable[[world.Lab], None]


def option(name: str) -> str:
    return f"name={world.NETWORK},driver-opt=fullhost.name={name}"


def run(lab: world.Lab, name: str = NAME, *options: str) -> None:
    words = ["run", "--detach", "--network", option(name), "--name", name, *options]
    lab.engine.docker(*words, images.BUSYBOX, "sleep", "100000")


def remove(lab: world.Lab, name: str = NAME) -> None:
    lab.engine.docker("rm", "--force", name)


def tried(act: Callable[[], None]) -> bool:
    """Do what may fail, as it does for a user whose driver is just not there."""
    try:
        act()
    except commands.LabError:
        return False
    return True


def rest(lab: world.Lab) -> list[str]:
    """Return what there is besides the machine that lives: rows, veths, moves, tables, rules."""
    with contextlib.closing(sqlite3.connect(lab.where.root / "driver" / "driver.db")) as state:
        rows = state.execute("SELECT name || ' ' || address FROM endpoint UNION ALL SELECT name FROM move").fetchall()
        networks = state.execute("SELECT id FROM network").fetchall()
    links = [line for line in lab.host.ip("-o", "link").splitlines() if ": fh" in line]
    tables = [line for line in lab.host.run("nft", "list", "tables").splitlines() if "fullhost" in line]
    rules = [line for line in lab.host.run("iptables-save").splitlines() if "fullhost:" in line]
    counts = (len(networks), len(links), len(tables), len(rules))
    found = [str(row) for (row,) in rows if row != f"{LIVES} {LIVES_AT}"]
    return (
        found if counts == (1, 1, 2, RULES) else [*found, f"networks, links, tables, rules: {counts}", *links, *rules]
    )


def right(lab: world.Lab) -> None:
    """See that all is as if nothing had happened, and stays so over a start and a stop."""
    tried(lambda: remove(lab))
    commands.wait("nothing to be left", lambda: not rest(lab), seconds=SECONDS, hint=lambda: "\n".join(rest(lab)))
    commands.wait(f"{LIVES} to answer", lambda: lab.host.pings(LIVES_AT), seconds=SECONDS)
    run(lab)
    form = "{{.NetworkSettings.Networks.fullhost.IPAddress}}"
    assert lab.engine.docker("inspect", "--format", form, NAME).strip() == ADDRESS
    commands.wait(f"{NAME} to answer", lambda: lab.host.pings(ADDRESS), seconds=SECONDS)
    lab.engine.docker("exec", NAME, "ping", "-c", "1", "-W", "2", host.OUTSIDE_ADDRESS)
    remove(lab)
    assert not rest(lab)


@contextlib.contextmanager
def lying(lab: world.Lab, manner: liar.Manner) -> Iterator[None]:
    """Have a name server that lies in the place of the good one."""
    lab.nameserver.stop()
    words = [manner, host.GATEWAY, f"{NAME}.local={ADDRESS}", "docs.local=172.31.0.5"]
    command = [*lab.host.enter, sys.executable, "-m", "tests.lab.liar", *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=place.CHECKOUT) as server:
        try:
            assert server.stdout is not None
            assert server.stdout.readline() == b"ready\n"
            yield
        finally:
            server.kill()
            lab.nameserver.start()


def dns_is(manner: liar.Manner, *, served: bool) -> Fault:
    def fault(lab: world.Lab) -> None:
        with lying(lab, manner):
            assert lab.host.pings(LIVES_AT)
            run(lab)  # its last known address, where the server gives none
            other = "docs" if served else "ubuntu"
            assert tried(lambda: run(lab, other)) is served, f"{other} has no last known address"
            remove(lab, other)

    return fault


def disk_is_full(lab: world.Lab) -> None:
    """Put the state on a disk of one megabyte, and fill that."""
    folder, small = lab.where.root / "driver", lab.where.root / "small"
    lab.driver.stop()
    small.mkdir()
    commands.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(small)])
    try:
        for file in folder.glob("driver.db*"):
            shutil.copy(file, small)
        lab.driver.start({"FULLHOST_STATE": str(small / "driver.db")})
        with contextlib.suppress(OSError), (small / "filling").open("wb", buffering=0) as filling:
            while True:
                filling.write(bytes(4096))
        assert not tried(lambda: run(lab))
        assert lab.host.pings(LIVES_AT)
        (small / "filling").unlink()
        tried(lambda: remove(lab))
        run(lab)
        remove(lab)
        lab.driver.stop()
        for file in small.glob("driver.db*"):
            shutil.copy(file, folder)
    finally:
        lab.driver.stop()
        commands.run(["umount", str(small)])
        small.rmdir()
        lab.driver.start()


def state_is_locked(lab: world.Lab) -> None:
    with contextlib.closing(sqlite3.connect(lab.where.root / "driver" / "driver.db", isolation_level=None)) as lock:
        lock.execute("BEGIN IMMEDIATE")
        assert not tried(lambda: run(lab))
        assert lab.host.pings(LIVES_AT)


def rules_are_flushed(*commands_: tuple[str, ...]) -> Fault:
    def fault(lab: world.Lab) -> None:
        for command in commands_:
            lab.host.run(*command)
        reach = ["docker", "exec", LIVES, "ping", "-c", "1", "-W", "1", host.OUTSIDE_ADDRESS]
        commands.wait("the way out", lambda: commands.works([*lab.engine.enter, *reach]), seconds=SECONDS)

    return fault


def veth_is_pulled(lab: world.Lab) -> None:
    run(lab)
    before = {line for line in lab.host.ip("-o", "link").splitlines() if ": fh" in line}
    assert len(before) == 2
    state = lab.driver.get("/v1/status")
    assert isinstance(state, dict)
    (veth,) = (endpoint["veth"] for endpoint in state["endpoints"] if endpoint["name"] == NAME)
    lab.host.ip("link", "delete", veth)
    lab.engine.docker("restart", "--time", "0", NAME)
    commands.wait(f"{NAME} to answer", lambda: lab.host.pings(ADDRESS), seconds=SECONDS)


def calls_come_anyhow(lab: world.Lab) -> None:
    """Call twice, too early, for the unknown, and never again: what the engine does not know is nobody's."""
    network = lab.engine.docker("network", "inspect", "--format", "{{.Id}}", world.NETWORK).strip()
    ref = {"NetworkID": network, "EndpointID": "ef" * 32}
    nothing = {"Address": "", "AddressIPv6": "", "MacAddress": ""}
    create = {**ref, "Options": {"fullhost.name": NAME}, "Interface": nothing}
    for call in ("Leave", "DeleteEndpoint", "DeleteEndpoint", "RevokeExternalConnectivity"):
        assert "Err" not in str(lab.driver.post(f"NetworkDriver.{call}", ref))
    assert "Err" in str(lab.driver.post("NetworkDriver.Join", {**ref, "SandboxKey": "/var/run/x", "Options": {}}))
    for _ in range(2):
        assert ADDRESS in str(lab.driver.post("NetworkDriver.CreateEndpoint", create))


def engine_is_killed(moment: str, *options: str, later: float = 0) -> Fault:
    """Kill the engine as the driver answers it, or seconds later, and start it again; the driver does not notice."""

    def fault(lab: world.Lab) -> None:
        words = ["run", "--detach", "--network", option(NAME), "--name", NAME, images.BUSYBOX, "sleep", "9"]
        if moment == "stop":
            run(lab)
            words = ["rm", "--force", NAME]
        begun, sign = len(lab.driver.log), {"start": "CreateEndpoint", "stop": "Leave"}[moment]
        pipe = subprocess.PIPE
        with subprocess.Popen([*lab.engine.enter, "docker", *words], stdout=pipe, stderr=pipe):
            commands.wait(sign, lambda: sign in lab.driver.log[begun:])
            time.sleep(later)
            lab.engine.kill()
        if options:
            assert lab.host.pings(LIVES_AT)
        lab.engine.start(*options)

    return fault


FAULTS: dict[str, Fault] = {
    "DNS is slow": dns_is(liar.Manner.SLOW, served=True),
    "DNS truncates": dns_is(liar.Manner.TRUNCATED, served=True),
    "DNS fails": dns_is(liar.Manner.SERVFAIL, served=False),
    "DNS lies": dns_is(liar.Manner.WRONG, served=False),
    "the disk is full": disk_is_full,
    "the state is locked": state_is_locked,
    "iptables -F": rules_are_flushed(("iptables", "-F")),
    "nft flush ruleset": rules_are_flushed(("nft", "flush", "ruleset")),
    "a veth is pulled": veth_is_pulled,
    "calls come anyhow": calls_come_anyhow,
}
KILLS: dict[str, Fault] = {f"the engine dies in a {moment}": engine_is_killed(moment) for moment in ("start", "stop")}
RESTORED: dict[str, Fault] = {
    f"the engine dies in a {moment}{words}, live-restore": engine_is_killed(moment, "--live-restore", later=later)
    for moment, words, later in (("start", "", 0), ("start", ", its peer in the sandbox", 0.02), ("stop", "", 0))
}


def survived(lab: world.Lab, faults: dict[str, Fault], tally: tallies.Tally) -> None:
    """Try all faults; that each of them was survived is told together."""
    failures = {}
    for name, fault in faults.items():
        began = time.monotonic()
        try:
            fault(lab)
            right(lab)
        except (AssertionError, commands.LabError) as error:
            failures[name] = str(error)[-1500:]
            tried(lambda: remove(lab))
        print(f"{time.monotonic() - began:5.1f} s  {name}{': FAILED' if name in failures else ''}")
    tally.add(tallies.Promise.FAULTS, kept=len(faults) - len(failures), of=len(faults))
    assert not failures, "\n\n".join(f"{name}: {said}" for name, said in failures.items())


@pytest.fixture(autouse=True)
def _machine(lab: world.Lab, network: str) -> None:
    """Have a machine that lives all the while."""
    assert network
    images.ensure(lab.engine, images.BUSYBOX)
    run(lab, LIVES, "--restart=always")
    run(lab)
    remove(lab)


def test_the_world_around_the_driver(lab: world.Lab, tally: tallies.Tally) -> None:
    survived(lab, FAULTS, tally)


def test_a_driver_killed_under_an_engine(lab: world.Lab, tally: tallies.Tally) -> None:
    point = lab.where.root / "driver" / "armed"
    lab.driver.restart({armed.ARMED: str(point)})
    run(lab)
    remove(lab)
    told = [line.split() for line in point.with_suffix(".steps").read_text().splitlines()]
    asked = [words for words in told if words[0].startswith("driver.")]
    points = [f"{use} {number} after" for use, number, step in asked if step in LASTING]
    points += [f"{use} {number} before" for use, number, _ in asked if number == "1"]

    def killed_at(step: str) -> Fault:
        def fault(lab: world.Lab) -> None:
            point.write_text(step)
            if "create" in step or "join" in step:
                tried(lambda: run(lab))
            else:
                point.unlink()
                run(lab)
                point.write_text(step)
                tried(lambda: remove(lab))
            assert not point.exists(), "it was not met"

        return fault

    survived(lab, {step: killed_at(step) for step in dict.fromkeys(points)}, tally)


def test_an_engine_that_is_killed(lab: world.Lab, tally: tallies.Tally) -> None:
    survived(lab, KILLS, tally)


def test_an_engine_that_is_killed_while_it_leaves_its_containers_alone(lab: world.Lab, tally: tallies.Tally) -> None:
    remove(lab, LIVES)
    lab.engine.restart("--live-restore")
    try:
        run(lab, LIVES)
        survived(lab, RESTORED, tally)
    finally:
        lab.engine.restart()
