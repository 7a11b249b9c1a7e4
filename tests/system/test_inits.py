"""Every kind of init on real engines: booted, asked, ended by itself, and booted again."""

import dataclasses
import datetime as dt
import json
import pathlib

import pytest

from tests import tally as tallies
from tests.lab import commands, engine, images, world
from tests.system import test_fhv

_DPKG = "dpkg-query -W -f '${Version}'"
_SYSTEMD = "systemctl --version | head -n1 | cut -d' ' -f2"
# What reboot(2) leaves of the first process of a PID namespace: SIGHUP of a restart, SIGINT of an end (reboot(2)).
_RESTARTED, _HALTED = 129, 130
_STOP_SECONDS = 30  # an init alone takes 10 at most; here all end at once, beside whatever else the host does

_JOURNAL = "journalctl --quiet --output=cat"  # the kernel's boot is one and the same for all of them


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Kind:
    """A machine of the seed's zone, what it boots, and the exit code that its init ends with."""

    image: str
    init: str
    version: str
    ends: int = 0


KINDS = {
    "webserver": Kind(image=images.SYSTEMD, init="systemd", version=_SYSTEMD),
    "docs": Kind(image=images.SYSTEMD_TRIXIE, init="systemd", version=_SYSTEMD),
    "build": Kind(image=images.SYSTEMD_FORKY, init="systemd", version=_SYSTEMD),
    "database": Kind(image=images.SYSVINIT, init="sysvinit", version=f"{_DPKG} sysvinit-core", ends=_RESTARTED),
    "monitor": Kind(image=images.OPENRC, init="openrc", version=f"{_DPKG} openrc", ends=_RESTARTED),
    "tester": Kind(image=images.RUNIT, init="runit", version=f"{_DPKG} runit", ends=_HALTED),
    "services": Kind(image=images.BUSYBOX_OPENRC, init="busybox", version="echo 1.35 and OpenRC"),
    "workers": Kind(image=images.BUSYBOX_INIT, init="busybox", version="busybox | head -n1 | cut -d' ' -f2"),
}


@pytest.fixture
def fhv(lab: world.Lab, network: str, tmp_path: pathlib.Path) -> test_fhv.Fhv:
    """Give `fhv`, the network it works on, and a machine for each kind."""
    assert network
    sections = [
        f'[machine.{name}]\nimage = "{images.ensure(lab.engine, kind.image)}"\n' for name, kind in KINDS.items()
    ]
    found = test_fhv.Fhv(lab, tmp_path / "fhv.toml")
    found.configure(images.ensure(lab.engine, images.SPOILED), "".join(sections))
    return found


def _suitable(lab: world.Lab) -> dict[str, Kind]:
    """Leave out what the host does not suit; how that is told has a test of its own."""
    new = {images.SYSTEMD_FORKY} if lab.cgroup is engine.Cgroup.V1 else set()
    return {name: kind for name, kind in KINDS.items() if kind.image not in new}


def _inside(lab: world.Lab, name: str, script: str) -> str:
    return lab.engine.docker("exec", name, "sh", "-c", script).strip()


def _ended(lab: world.Lab, name: str, since: dt.datetime) -> tuple[int, float]:
    """Return the exit code of a machine, and the seconds that its init took from the engine's signal to its end."""
    period = [
        f"--{word}={moment.timestamp():.6f}" for word, moment in (("since", since), ("until", dt.datetime.now(dt.UTC)))
    ]
    wanted = [f"--filter={word}" for word in (f"container={name}", "event=kill", "event=die")]
    form = "{{.Action}} {{.TimeNano}} {{.Actor.Attributes.exitCode}}"
    events = [line.split() for line in lab.engine.docker("events", *period, *wanted, "--format", form).splitlines()]
    assert [event[0] for event in events] == ["kill", "die"], f"{name}: {events}"
    (_, signalled, *_), (_, died, code) = events
    return int(code), (int(died) - int(signalled)) / 1e9


def test_every_init_boots_ends_by_itself_and_boots_again(
    lab: world.Lab, fhv: test_fhv.Fhv, tally: tallies.Tally
) -> None:
    kinds = _suitable(lab)
    right: set[str] = set()

    def words(name: str) -> str:
        return f"last words of {name}"

    try:
        started = fhv("start", *kinds)
        assert sorted(started.stdout.split("\n")) == ["", *sorted(f"{name}: created" for name in kinds)], started.stderr
        listed = {machine["name"]: machine for machine in json.loads(fhv("list", "--json").stdout)}
        assert {name: machine["init"] for name, machine in listed.items()} == {n: k.init for n, k in kinds.items()}
        versions = {name: _inside(lab, name, kind.version) for name, kind in kinds.items()}
        for name in kinds:
            _inside(lab, name, f"echo {words(name)} | if [ -d /run/systemd ]; then systemd-cat; else cat; fi")
        asked = dt.datetime.now(dt.UTC)
        stopped = fhv("stop", *kinds)
        assert (stopped.returncode, "killed" in stopped.stderr) == (0, False), stopped.stderr
        ends = {name: _ended(lab, name, asked) for name in kinds}
        assert {name: code for name, (code, _) in ends.items()} == {name: kind.ends for name, kind in kinds.items()}
        again = fhv("start", *kinds)
        assert sorted(again.stdout.split("\n")) == ["", *sorted(f"{name}: continued" for name in kinds)], again.stderr
        right = {name for name in kinds if kinds[name].init != "systemd" or words(name) in _inside(lab, name, _JOURNAL)}
        for name, (code, seconds) in ends.items():
            needs = ", ".join(listed[name]["capabilities"]) or "none"
            tally.cell(
                row=f"{kinds[name].init} {versions[name]}",
                column=f"engine {lab.version}, cgroup v{lab.cgroup}",
                text=f"{code} in {seconds:.1f} s, {needs}",
            )
        assert {name: seconds for name, (_, seconds) in ends.items() if seconds > _STOP_SECONDS} == {}
        assert right == set(kinds), ends
    finally:
        tally.add(tallies.Promise.INITS, kept=len(right), of=len(kinds))


def test_only_where_nothing_less_works_systemd_gets_a_capability(lab: world.Lab, fhv: test_fhv.Fhv) -> None:
    assert fhv("start", "webserver").returncode == 0
    told = json.loads(fhv("status", "webserver", "--json").stdout)["capabilities"]
    remounts = lab.cgroup is engine.Cgroup.V2 and lab.version != "28.5"
    assert list(told) == (["SYS_ADMIN"] if remounts else [])
    assert all("engines before 28.0 mount /sys/fs/cgroup read-only" in reason for reason in told.values())


def test_an_init_that_ends_at_once_is_told_with_its_last_words(lab: world.Lab, fhv: test_fhv.Fhv) -> None:
    refused = fhv("start", "ubuntu")
    assert refused.returncode == 1
    assert "cannot boot ubuntu: its init end" in refused.stderr
    assert "the last lines of its console:\ncannot mount the root\n" in refused.stderr
    assert fhv.machines() == {}
    label = ["--label", "fullhost.machine=ubuntu", "--label", "fullhost.init=systemd", "--restart", "unless-stopped"]
    lab.engine.docker("run", "--detach", "--tty", *label, "--name", "ubuntu", images.SPOILED, "/sbin/init")
    commands.wait("a circle of restarts", lambda: "restarting" in fhv("list").stdout, seconds=60)
    refused = fhv("start", "ubuntu")
    assert refused.returncode == 1
    assert "cannot boot ubuntu: its init end" in refused.stderr
    assert "cannot mount the root" in refused.stderr


def test_a_systemd_that_the_host_does_not_suit_says_so(lab: world.Lab, fhv: test_fhv.Fhv) -> None:
    started = fhv("start", "build")
    if lab.cgroup is engine.Cgroup.V2:
        assert started.returncode == 0, started.stderr
        return
    assert started.returncode == 1
    assert "Detected unsupported legacy cgroup hierarchy" in started.stderr
    assert "hint: systemd 258 and later boot on cgroup v2 only" in started.stderr


def test_who_asks_a_boot_that_never_ends_leaves_nothing_in_the_machine(lab: world.Lab, fhv: test_fhv.Fhv) -> None:
    assert fhv("start", "webserver").returncode == 0
    unit = "[Service]\nType=oneshot\nExecStart=sleep infinity\n[Install]\nWantedBy=multi-user.target\n"
    _inside(lab, "webserver", f"printf '{unit}' >/etc/systemd/system/endless.service; systemctl enable endless")
    waited = fhv("restart", "--timeout", "3", "webserver")
    assert waited.returncode == 1
    assert "cannot wait any longer for webserver: its init is not up" in waited.stderr
    for _ in range(2):
        assert json.loads(fhv("status", "webserver", "--json").stdout)["init_says"] == "booting"
    count = "cat /proc/[0-9]*/cmdline | tr '\\0' ' ' | grep -c '[i]s-system-running --wait' || :"
    commands.wait("those who asked to be gone", lambda: _inside(lab, "webserver", count) == "0")


def test_a_recipe_makes_machines_with_keys_and_an_id_of_their_own(lab: world.Lab, fhv: test_fhv.Fhv) -> None:
    image = "fullhost/debian:built"
    built = fhv("image", "build", "debian", "--tag", image, "--build-arg", f"BASE={images.SYSTEMD}")
    assert (built.returncode, built.stdout) == (0, f"{image}\n"), built.stderr
    assert "Step 1/" in built.stderr
    clean = "test ! -s /etc/machine-id && ! ls /etc/ssh/ssh_host_* && passwd -S root"
    seen = lab.engine.docker("run", "--rm", "--network", "none", "--entrypoint", "sh", image, "-c", f"{clean} 2>&1")
    assert seen.splitlines()[-1].startswith("root L ")
    fhv.configure(image)
    assert fhv("start", "docs", "tester").returncode == 0
    for own in ("cat /etc/machine-id", "cat /etc/ssh/ssh_host_ed25519_key.pub"):
        assert _inside(lab, "docs", own) != _inside(lab, "tester", own)
    assert _inside(lab, "docs", "systemctl is-system-running; systemctl is-active ssh") == "running\nactive"
    (listed,) = [i for i in json.loads(fhv("image", "list", "--json").stdout) if i["name"] == image]
    assert (listed["init"], listed["machines"]) == ("systemd", ["docs", "tester"])
    refused = fhv("image", "rm", image)
    assert (refused.returncode, "made of it are docs, tester" in refused.stderr) == (1, True)
    assert fhv("rm", "--force", "docs", "tester").returncode == 0
    assert fhv("image", "rm", image).stdout == f"{image}: removed\n"
    broken = fhv("image", "build", "alpine", "--build-arg", f"BASE={images.SYSTEMD}")
    assert broken.returncode == 1
    assert "cannot build fullhost/alpine:latest at RUN apk add" in broken.stderr
    assert "apk: not found" in broken.stderr
