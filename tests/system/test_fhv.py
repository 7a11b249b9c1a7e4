"""`fhv` on a real engine with real inits, and the zone of the seed."""

import json
import pathlib
import subprocess

import pytest

from tests.lab import images, world

_NINE = {
    "build": "172.31.0.10",
    "database": "172.31.0.2",
    "docs": "172.31.0.5",
    "monitor": "172.31.0.4",
    "services": "172.31.0.9",
    "tester": "172.31.0.7",
    "ubuntu": "172.31.0.6",
    "webserver": "172.31.0.3",
    "workers": "172.31.0.8",
}


class Fhv:
    """`fhv` as the administrator of the lab's host has it, with settings of the test's own."""

    def __init__(self, lab: world.Lab, settings: pathlib.Path) -> None:
        self._lab, self._settings = lab, settings
        self.configure(images.SYSTEMD)

    def configure(self, image: str, more: str = "") -> None:
        """Have machines made from `image`."""
        self._settings.write_text(f'image = "{image}"\nnetwork = "{world.NETWORK}"\n{more}')

    def __call__(self, *words: str, typed: str = "") -> subprocess.CompletedProcess[str]:
        """Run it, and give how it ended."""
        environment = {**self._lab.environment, "FHV_CONFIG": str(self._settings)}
        command = [*self._lab.enter, "fhv", *words]
        return subprocess.run(
            command, env=environment, input=typed, capture_output=True, text=True, timeout=240, check=False
        )

    def machines(self) -> dict[str, str]:
        """Give the machines there are with their addresses."""
        return {machine["name"]: machine["address"] for machine in json.loads(self("list", "--json").stdout)}


@pytest.fixture
def fhv(lab: world.Lab, network: str, tmp_path: pathlib.Path) -> Fhv:
    """Give `fhv` and the network it works on."""
    assert network
    images.ensure(lab.engine, images.SYSTEMD)
    return Fhv(lab, tmp_path / "fhv.toml")


def _inspected(lab: world.Lab, name: str, template: str) -> str:
    return lab.engine.docker("inspect", "--format", template, name).strip()


def test_the_zone_of_the_seed_is_nine_machines_that_reach_each_other(lab: world.Lab, fhv: Fhv) -> None:
    started = fhv("start")
    assert (started.returncode, len(started.stdout.splitlines())) == (0, 9), started.stderr
    assert fhv.machines() == _NINE
    for name, address in _NINE.items():
        assert lab.run("ping", "-c1", "-W2", name)
        assert _inspected(lab, name, "{{.NetworkSettings.Networks.fullhost.IPAddress}}") == address
        assert fhv("shell", name, "systemctl", "is-system-running").stdout == "running\n"
        # Not itself by name: engine 28.5 writes ::ffff:172.31.0.2 into /etc/hosts, and ping then asks by IPv6.
        other = "docs.local" if name == "database" else "database.local"
        assert fhv("shell", name, "ping", "-c1", "-W2", other).returncode == 0
        assert fhv("shell", "services", "ping", "-c1", "-W2", address).returncode == 0
    assert fhv("shell", "docs", "ping", "-c1", "-W2", "grafana").returncode == 0
    again = fhv("start")
    assert {line.split(": ")[1] for line in again.stdout.splitlines()} == {"up already"}


def test_a_machine_is_unprivileged_and_keeps_what_it_has_over_a_stop(lab: world.Lab, fhv: Fhv) -> None:
    assert fhv("start", "webserver.local").stdout == "webserver: created\n"
    assert _inspected(lab, "webserver", "{{.HostConfig.Privileged}} {{.HostConfig.RestartPolicy.Name}}") == (
        "false unless-stopped"
    )
    assert fhv("shell", "webserver", "sh", "-c", "cat > /root/note", typed="kept").returncode == 0
    assert fhv("stop", "webserver").stdout == "webserver: stopped\n"
    assert _inspected(lab, "webserver", "{{.State.Status}} {{.State.ExitCode}}") == "exited 0"
    assert fhv("start", "webserver").stdout == "webserver: continued\n"
    assert fhv("shell", "webserver", "cat", "/root/note").stdout == "kept"
    assert fhv("shell", "webserver", "sh", "-c", "hostname; hostname -f; exit 7").stdout == (
        "webserver\nwebserver.local\n"
    )
    assert fhv("shell", "webserver", "sh", "-c", "echo wrong >&2; exit 7").stderr == "wrong\n"
    assert fhv("shell", "webserver", "sh", "-c", "exit 7").returncode == 7
    assert "Reached target" in fhv("logs", "webserver").stdout
    status = json.loads(fhv("status", "webserver", "--json").stdout)
    assert (status["init_says"], status["record"], status["endpoint"]["rung"]) == ("up", "172.31.0.3", "option")
    assert "not by fhv" not in status["capabilities"].values()
    assert fhv("rm", "webserver").returncode == 1
    assert fhv("rm", "--force", "webserver").returncode == 0
    assert fhv.machines() == {}


@pytest.mark.parametrize(("image", "init"), [(images.SYSVINIT, "sysvinit"), (images.BUSYBOX_INIT, "busybox")])
def test_other_inits_are_booted_and_ended_by_themselves(lab: world.Lab, fhv: Fhv, image: str, init: str) -> None:
    fhv.configure(images.ensure(lab.engine, image))
    started = fhv("start", "docs")
    assert (started.returncode, started.stdout) == (0, "docs: created\n"), started.stderr
    assert json.loads(fhv("status", "docs", "--json").stdout)["machine"]["init"] == init
    if init == "sysvinit":
        assert fhv("shell", "docs", "runlevel").stdout == "2 3\n"
    stopped = fhv("stop", "docs")
    assert stopped.stdout == "docs: stopped\n"
    assert "killed" not in stopped.stderr


def test_a_machine_outlives_its_network(lab: world.Lab, fhv: Fhv) -> None:
    images.ensure(lab.engine, images.BUSYBOX_INIT)
    fhv.configure(images.BUSYBOX_INIT)
    assert fhv("start", "monitor", "docs").returncode == 0
    fhv("shell", "monitor", "touch", "/kept")
    assert fhv("stop", "monitor", "docs").returncode == 0
    lab.engine.docker("network", "rm", world.NETWORK)
    lab.create_network("-o", "fullhost.isolate=true")
    started = fhv("start", "monitor", "docs")
    assert sorted(started.stdout.splitlines()) == ["docs: continued", "monitor: continued"], started.stderr
    assert "monitor: the network fullhost was made anew, and it has joined that one" in started.stderr
    assert fhv.machines() == {name: _NINE[name] for name in ("docs", "monitor")}
    assert fhv("shell", "docs", "nslookup", "grafana").returncode == 0, "aliases stay"
    assert fhv("shell", "monitor", "test", "-e", "/kept").returncode == 0
    again = fhv("restart", "monitor")
    assert (again.stdout, again.stderr.count("made anew")) == ("monitor: restarted\n", 0)


def test_each_failure_is_named_nothing_is_left_and_the_others_are_done(lab: world.Lab, fhv: Fhv) -> None:
    images.ensure(lab.engine, images.BUSYBOX)
    sections = f'[machine.docs]\nimage = "{images.BUSYBOX}"\n[machine.tester]\nimage = "not/there"\n'
    fhv.configure(images.ensure(lab.engine, images.BUSYBOX_INIT), sections)
    lab.engine.docker("create", "--name", "ubuntu", images.BUSYBOX)
    names = ["docs", "tester", "ubuntu", "grafana", "host", "nothere", "a_b", "a.b", "a" * 64]
    result = fhv("start", *names, "workers")
    assert (result.returncode, result.stdout) == (1, "workers: created\n")
    for fact in (
        f"docs: cannot boot {images.BUSYBOX}: it has no /sbin/init",
        "tester: cannot use the image not/there: the engine does not have it",
        "cannot start ubuntu: a container of this name is there, and fhv did not make it",
        "cannot start grafana: it is an alias of the machine monitor",
        "cannot start host: its address 172.31.0.1 is the gateway",
        "cannot start nothere: the zone local gives it no address in 172.31.0.0/24",
        "cannot use 'a_b' as a machine's name",
        "cannot use 'a.b' as a machine's name",
        f"cannot use '{'a' * 64}' as a machine's name",
    ):
        assert f"fhv: {fact}" in result.stderr
    assert sorted(lab.engine.docker("ps", "--all", "--format", "{{.Names}}").split()) == ["ubuntu", "workers"]


def test_a_driver_and_an_engine_that_do_not_run_are_told_apart(lab: world.Lab, fhv: Fhv) -> None:
    lab.driver.stop()
    assert "fhv: cannot reach the network driver at" in fhv("start", "docs").stderr
    lab.engine.stop()
    stopped = fhv("start", "docs")
    assert stopped.returncode == 1
    assert "fhv: cannot reach the Docker engine at" in stopped.stderr
    assert "Traceback" not in stopped.stderr
