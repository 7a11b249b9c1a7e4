"""The lab is what it says: real engines, real names, a world outside, and nothing left behind."""

import dataclasses
import json
import pathlib
import subprocess
import sys

import pytest

from tests.lab import commands, engine, host, images, leftovers, place, world, zones

_MACHINE = "--tmpfs /run --tmpfs /run/lock --tmpfs /tmp --stop-signal SIGRTMIN+3"
_REMOUNT = "mount -o remount,rw /sys/fs/cgroup && exec /sbin/init"


def _unprivileged(version: str, cgroup: engine.Cgroup) -> tuple[list[str], list[str]]:
    """Return docker's options, and the command, with which systemd boots unprivileged."""
    if cgroup is engine.Cgroup.V1:
        # The whole tree read-only, as older recipes have it, is read-only in depth from 25.0 on.
        return ["--volume=/sys/fs/cgroup/systemd:/sys/fs/cgroup/systemd:rw"], []
    if version.startswith("28."):
        return ["--cgroupns=private", "--security-opt=writable-cgroups=true"], []
    return ["--cgroupns=private", "--cap-add=SYS_ADMIN"], ["/bin/sh", "-c", _REMOUNT]


def test_the_engine_is_the_one_that_was_asked_for(lab: world.Lab) -> None:
    with lab.engine.client() as client:
        info = client.info()
    assert info["ServerVersion"].startswith(lab.version)
    assert info["CgroupVersion"] == lab.cgroup


def test_a_container_runs(lab: world.Lab) -> None:
    image = images.ensure(lab.engine, images.BUSYBOX)
    assert lab.engine.docker("run", "--rm", image, "echo", "alive") == "alive\n"


def test_an_image_without_init_and_one_with_busybox_init(lab: world.Lab) -> None:
    without = images.ensure(lab.engine, images.BUSYBOX)
    assert lab.engine.docker("run", "--rm", without, "sh", "-c", "test -e /sbin/init || echo none") == "none\n"
    lab.engine.docker("run", "--detach", "--name", "machine", images.ensure(lab.engine, images.BUSYBOX_INIT))
    assert "init" in lab.engine.docker("exec", "machine", "cat", "/proc/1/cmdline")


def test_sysvinit_boots_unprivileged(lab: world.Lab) -> None:
    image = images.ensure(lab.engine, images.SYSVINIT)
    lab.engine.docker("run", "--detach", "--tty", "--name", "machine", "--tmpfs=/run", image)
    inside = [*lab.engine.enter, "docker", "exec", "machine"]
    commands.wait("sysvinit", lambda: commands.works([*inside, "service", "ssh", "status"]))
    lab.engine.docker("exec", "machine", "telinit", "3")
    commands.wait("runlevel 3", lambda: commands.run([*inside, "runlevel"]) == "2 3\n")


def test_systemd_boots_unprivileged(lab: world.Lab) -> None:
    image = images.ensure(lab.engine, images.SYSTEMD)
    options, command = _unprivileged(lab.version, lab.cgroup)
    lab.engine.docker("run", "--detach", "--name", "machine", *_MACHINE.split(), *options, image, *command)

    def state() -> str:
        inside = [*lab.engine.enter, "docker", "exec", "machine", "systemctl", "is-system-running"]
        return subprocess.run(inside, capture_output=True, text=True, check=False).stdout.strip()

    commands.wait("systemd", lambda: state() == "running", hint=state)
    assert lab.engine.docker("exec", "machine", "systemctl", "--failed", "--no-legend") == ""
    lab.engine.docker("stop", "machine")
    assert json.loads(lab.engine.docker("inspect", "machine"))[0]["State"]["ExitCode"] == 0


def test_names_are_what_was_published(lab: world.Lab) -> None:
    assert lab.nameserver.query("database.local") == ["172.31.0.2"]
    assert lab.nameserver.query("4.0.31.172.in-addr.arpa", "PTR") == ["monitor.local."]
    lab.nameserver.publish(zones.LOCAL.replacing("database", "A 172.31.0.77", "A 10.0.0.1"), zones.REVERSE)
    assert sorted(lab.nameserver.query("database.local")) == ["10.0.0.1", "172.31.0.77"]


def test_a_hanging_name_server_answers_again(lab: world.Lab) -> None:
    lab.nameserver.hang()
    with pytest.raises(commands.LabError):
        lab.nameserver.query("database.local")
    lab.nameserver.resume()
    assert lab.nameserver.query("database.local") == ["172.31.0.2"]


def test_the_outside_world_has_no_route_back(lab: world.Lab) -> None:
    assert lab.host.pings(host.OUTSIDE_ADDRESS)
    assert lab.outside.pings(host.HOST_ADDRESS)
    assert not lab.outside.pings(host.GATEWAY)


def test_a_killed_engine_and_driver_come_back(lab: world.Lab) -> None:
    image = images.ensure(lab.engine, images.BUSYBOX)
    lab.engine.docker(
        "run", "--detach", "--name", "machine", "--restart=always", "--stop-signal=KILL", image, "sleep", "1000"
    )
    lab.driver.kill()
    lab.engine.kill()
    assert (lab.driver.pid, lab.engine.pid) == (None, None)
    lab.driver.start()
    lab.engine.start()
    assert lab.engine.docker("ps", "--format", "{{.Names}}") == "machine\n"


def test_a_reboot_takes_links_and_leaves_disks(lab: world.Lab) -> None:
    image = images.ensure(lab.engine, images.BUSYBOX)
    lab.host.ip("link", "add", "br7", "type", "bridge")
    lab.engine.docker("create", "--name", "machine", image)
    lab.reboot()
    assert not lab.host.works("ip", "link", "show", "br7")
    assert not lab.host.works("ip", "link", "show", host.BRIDGE)
    assert lab.engine.docker("ps", "--all", "--format", "{{.Names}}") == "machine\n"


_RUN = """
import sys, time
from tests.lab import world

with world.borrowed(version=sys.argv[1]) as lab:
    print(lab.where.name, flush=True)
    time.sleep(600)
"""


@dataclasses.dataclass(frozen=True)
class Traces:
    """What a lab of some name shows on this machine."""

    namespaces: tuple[str, ...]
    mounts: tuple[str, ...]
    processes: tuple[str, ...]
    cgroups: tuple[str, ...]
    files: tuple[str, ...]


NONE = Traces((), (), (), (), ())


def _traces(where: place.Place) -> Traces:
    mark = where.netns
    mounts = pathlib.Path("/proc/self/mountinfo").read_text().splitlines()
    processes = commands.run(["ps", "-eo", "pid=,args="]).splitlines()
    return Traces(
        namespaces=tuple(n for n in commands.run(["ip", "netns", "list"]).split() if n.startswith(mark)),
        mounts=tuple(line for line in mounts if mark in line or str(where.root) in line),
        processes=tuple(line for line in processes if mark in line or str(where.root) in line),
        cgroups=tuple(str(path) for path in pathlib.Path("/sys/fs/cgroup").rglob(where.cgroup)),
        files=tuple(str(path) for path in (where.root,) if path.exists()),
    )


def test_nothing_is_left_behind(lab: world.Lab) -> None:
    with world.borrowed(version=lab.version, cgroup=lab.cgroup) as other:
        image = images.ensure(other.engine, images.BUSYBOX)
        other.engine.docker("run", "--detach", image, "sleep", "1000")
        assert _traces(other.where).processes
        other.up()  # over what stands, as after a run that was killed
        other.down()
        assert _traces(other.where) == NONE


def test_a_failed_start_leaves_nothing_behind(lab: world.Lab) -> None:
    with world.borrowed(version=lab.version, cgroup=lab.cgroup) as other:
        with pytest.raises(KeyError):
            dataclasses.replace(other, version="none such").up()
        assert _traces(other.where) == NONE


def test_what_a_killed_run_left_goes_with_the_next(lab: world.Lab) -> None:
    command = [sys.executable, "-c", _RUN, lab.version]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=place.CHECKOUT) as run:
        assert run.stdout is not None
        where = place.Place(run.stdout.readline().strip())
        assert _traces(where).processes
        run.kill()
    leftovers.clear_abandoned()
    with place.locked(where.lock):
        assert _traces(where) == NONE
    assert lab.engine.pid is not None  # a lab that someone holds is left alone
