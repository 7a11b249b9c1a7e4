"""The zone made true on a real engine, with a real name server: `fhv plan` and `fhv apply`."""

import json
import pathlib
import subprocess

import pytest

from tests.lab import commands, images, world, zones

_SETTINGS = """
image = "{image}"
network = "{network}"

[txt]
allow = ["cpus", "autostart", "after"]
cpus = 2

[machine.webserver]
after = ["database"]
priority = 10

[machine.tester]
autostart = false
"""


class Fhv:
    """`fhv` on the lab's host, with settings of the test's own."""

    def __init__(self, lab: world.Lab, settings: pathlib.Path) -> None:
        self._lab, self.settings = lab, settings

    def __call__(self, *words: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        """Run it to the exit code that is expected."""
        environment = {**self._lab.environment, "FHV_CONFIG": str(self.settings)}
        done = subprocess.run(
            [*self._lab.enter, "fhv", *words], env=environment, capture_output=True, text=True, timeout=240, check=False
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done

    def steps(self, *words: str, code: int = 0) -> list[str]:
        """Give what differs, as "STEP NAME"."""
        found = json.loads(self("plan", "--json", *words, code=code).stdout)
        return [f"{change['step']} {change['name']}" for change in found["changes"]]


@pytest.fixture
def fhv(lab: world.Lab, network: str, tmp_path: pathlib.Path) -> Fhv:
    """Give `fhv`, the network it works on, and an image that boots in no time."""
    assert network
    settings = tmp_path / "fhv.toml"
    image = images.ensure(lab.engine, images.BUSYBOX_INIT)
    settings.write_text(_SETTINGS.format(image=image, network=world.NETWORK))
    return Fhv(lab, settings)


def _inspected(lab: world.Lab, name: str, template: str) -> str:
    return lab.engine.docker("inspect", "--format", template, name).strip()


def test_the_fleet_is_the_zone(lab: world.Lab, fhv: Fhv) -> None:
    # Eight of the seed's nine: one does not start by itself. A record that asks for too much holds its machine alone.
    refused = zones.LOCAL.replacing("_fhv.docs", 'TXT "image=fullhost/evil"').replacing(
        "_fhv.ubuntu", 'TXT "after=workers" "autostart=true"'
    )
    lab.nameserver.publish(refused, zones.REVERSE)
    first = fhv("apply", code=1)
    assert len(first.stdout.splitlines()) == 7, first.stdout
    assert "fhv: cannot make docs: the TXT record of _fhv.docs asks for image, which fhv.toml does not allow" in (
        first.stderr
    )
    assert first.stderr.index("database: waiting for") < first.stderr.index("webserver: creating")
    assert first.stderr.index("workers: waiting for") < first.stderr.index("ubuntu: creating")

    served = zones.LOCAL.replacing("_fhv.docs", 'TXT "autostart=false"')
    lab.nameserver.publish(served, zones.REVERSE)
    assert fhv("plan", "--detailed-exitcode").stdout == fhv("apply").stdout == "nothing to do\n"
    assert fhv("apply", "docs").stdout == "docs: created\n"
    assert _inspected(lab, "docs", "{{.HostConfig.RestartPolicy.Name}}") == "no"
    assert _inspected(lab, "ubuntu", "{{.HostConfig.RestartPolicy.Name}}") == "unless-stopped"
    _drift(lab, fhv, served)


def _drift(lab: world.Lab, fhv: Fhv, served: zones.Zone) -> None:
    """See a name leave, an address change, an alias move and a definition change, and have each made true."""
    served = (
        served.replacing("services")
        .replacing("workers", "A 172.31.0.80")
        .replacing("grafana", "A 172.31.0.6")
        .replacing("_fhv.database", 'TXT "autostart=false"')
    )
    lab.nameserver.publish(served, zones.REVERSE)
    seen = ["restart monitor", "restart ubuntu", "restart workers", "stop services", "update database"]
    assert sorted(fhv.steps("--detailed-exitcode", code=2)) == seen
    assert "nothing is changed" in fhv("apply", code=1).stderr
    assert sorted(fhv("apply", "--yes").stdout.splitlines()) == [
        "database: updated",
        "monitor: restarted",
        "ubuntu: restarted",
        "workers: restarted",
    ]
    address = "{{.NetworkSettings.Networks.fullhost.IPAddress}}"
    assert _inspected(lab, "workers", address) == "172.31.0.80"
    assert lab.run("ping", "-c1", "-W2", "172.31.0.80")
    assert _inspected(lab, "database", "{{.HostConfig.RestartPolicy.Name}}") == "no"
    aliases = [
        machine["aliases"] for machine in json.loads(fhv("list", "--json").stdout) if machine["name"] == "ubuntu"
    ]
    assert aliases == [["grafana"]]
    assert _inspected(lab, "services", "{{.State.Running}}") == "true"
    assert fhv("apply", "--prune", "--yes").stdout == "services: stopped\n"
    assert fhv.steps("--prune", "--detailed-exitcode") == []


def test_a_circle_changes_nothing_and_what_needs_another_brings_it_up(lab: world.Lab, fhv: Fhv) -> None:
    served = zones.LOCAL.replacing("_fhv.database", 'TXT "after=webserver"')
    lab.nameserver.publish(served, zones.REVERSE)
    for words in (["apply"], ["plan"], ["start"], ["start", "webserver"]):
        refusal = fhv(*words, code=1).stderr
        assert "after webserver after database" in refusal or "after database after webserver" in refusal
    assert lab.engine.docker("ps", "--all", "--quiet") == ""
    lab.nameserver.publish(*zones.SEED)
    assert fhv("start", "webserver").stdout == "webserver: created\ndatabase: created\n"


_UPTIME = "/var/lib/docker/uptime"
_ORDERED = """
image = "{image}"
network = "{network}"

[defaults]
volumes = ["{uptime}:/proc/uptime:ro"]

[machine.webserver]
after = ["database"]
"""


def _first_process(lab: world.Lab, name: str) -> str:
    return lab.engine.docker("exec", name, "cat", "/proc/1/cmdline").replace("\0", " ")


def test_after_a_boot_of_the_host_each_machine_has_its_turn(lab: world.Lab, fhv: Fhv) -> None:
    """The kernel stays up, so what tells of its boot is made up: when it was, and in which one machines were let go."""
    image = images.ensure(lab.engine, images.BUSYBOX_INIT)
    fhv.settings.write_text(_ORDERED.format(image=image, network=world.NETWORK, uptime=_UPTIME))
    commands.run([*lab.engine.enter, "sh", "-c", f"echo 25.00 9.00 >{_UPTIME}"])
    ran = ("database", "docs", "webserver")
    fhv("start", "tester", *ran)
    for name in (*ran, "tester"):
        lab.engine.docker("exec", name, "sh", "-c", "echo another >/.fullhost-turn")
    fhv("stop", "tester")
    lab.reboot(bridge=True)
    running = lab.engine.docker("ps", "--format", "{{.Names}}").split()
    assert sorted(running) == sorted(ran), "the engine starts what ran, and not what was stopped"
    assert all("fullhost-turn" in _first_process(lab, name) for name in ran)
    assert "waits for its turn" in fhv("logs", "webserver").stdout
    assert "busybox: held: it waits for its turn" in fhv("status", "webserver").stdout

    booted = fhv("start", "--boot")
    assert sorted(booted.stdout.splitlines()) == [f"{name}: booted" for name in sorted(ran)]
    assert booted.stderr.index("database: waiting for") < booted.stderr.index("webserver: waiting for")
    assert not any("fullhost-turn" in _first_process(lab, name) for name in ran)
    assert _inspected(lab, "tester", "{{.State.Status}}") == "exited"

    lab.engine.docker("restart", "webserver")  # not at a boot of the host: nobody has to let it go
    lab.engine.restart()
    commands.wait("inits", lambda: all("init" in _first_process(lab, name).split("/")[-1] for name in ran))
    assert sorted(fhv("start", "--boot").stdout.splitlines()) == [f"{name}: up already" for name in sorted(ran)]
