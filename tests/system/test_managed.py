"""The driver as a managed plugin of the engine: built, created, set, enabled, used, and taken away."""

import pathlib
import shutil
import sys
from collections.abc import Iterator

import pytest

from tests.lab import commands, host, images, lessor, place, trees, world

BUILD = place.CHECKOUT / "plugin-config" / "managed" / "build.sh"
NAME = "fullhost:latest"  # what the driver of a managed plugin is called: with its tag


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """Build what `docker plugin create` takes."""
    made = tmp_path_factory.mktemp("managed") / "plugin"
    said = commands.run(
        [str(BUILD), "--tree", str(trees.ensure(trees.PLUGIN)), str(made)],
        environment={"PYTHON": sys.executable},
        timeout=250,
    )
    assert "docker plugin create fullhost" in said
    return made


@pytest.fixture
def plugin(lab: world.Lab, folder: pathlib.Path) -> Iterator[str]:
    """Have the engine run the plugin in place of the driver that the lab runs as a service."""
    lab.driver.stop()
    lab.driver.socket.unlink(missing_ok=True)
    lab.engine.restart()  # it remembers where it found a driver of the same name
    there = lab.where.root / "data" / "plugin-source"
    commands.run(["cp", "-a", str(folder), str(there)])
    commands.run([*lab.engine.enter, "mkdir", "-p", "/var/lib/fullhost"])
    docker = lab.engine.docker
    try:
        docker("plugin", "create", "fullhost", "/var/lib/docker/plugin-source")
        docker("plugin", "set", "fullhost", "FULLHOST_DOMAIN=local", "FULLHOST_LOG=debug")
        docker("plugin", "enable", "fullhost")
        yield NAME
    finally:
        lab.engine.clean()
        docker("plugin", "rm", "--force", "fullhost")
        shutil.rmtree(there)
        lab.driver.start()


def test_the_driver_as_a_managed_plugin(lab: world.Lab, plugin: str) -> None:
    docker = lab.engine.docker
    image = images.ensure(lab.engine, images.BUSYBOX)
    docker("network", "create", "-d", plugin, "--ipam-driver", "null", world.NETWORK)
    assert docker("network", "inspect", "-f", "{{.Driver}}", world.NETWORK).strip() == plugin
    run = ("run", "--detach", "--restart=always", "--stop-signal=SIGKILL", "--network")
    docker(*run, f"name={world.NETWORK},driver-opt=fullhost.name=database", "--name", "database", image, "sleep", "600")
    assert "1 packets received" in docker(
        "run", "--rm", "--network", world.NETWORK, "--name", "docs", image, "ping", "-c1", "-W2", "database.local"
    )
    assert "198.51.100.2" in docker("exec", "database", "nc", "198.51.100.1", "7000")
    # fhv finds its socket by itself, and the network by its driver's tagged name.
    assert "database" in lab.run("fhv", "status")
    assert '"verdict": "broken"' not in lab.run("sh", "-c", "fhv doctor --json || true")

    with pytest.raises(commands.LabError, match="in use"):
        docker("plugin", "disable", "fullhost")
    lab.engine.restart()  # the engine has the plugin run before its containers, which get their addresses again
    inspected = ("inspect", "-f", "{{.State.Running}} {{.NetworkSettings.Networks.fullhost.IPAddress}}", "database")
    assert docker(*inspected).split() == ["true", "172.31.0.2"]
    docker("rm", "--force", "database")
    docker("plugin", "disable", "--force", "fullhost")
    docker("plugin", "set", "fullhost", "FULLHOST_LOG=info")
    docker("plugin", "enable", "fullhost")
    docker(
        *run, world.NETWORK, "--publish", "80:80", "--name", "webserver", image, "sleep", "600"
    )  # what is known outlives it, in the state's folder
    assert docker("exec", "webserver", "hostname", "-i").strip() == "172.31.0.3"


def test_a_managed_plugin_asks_a_dhcp_server(lab: world.Lab, plugin: str) -> None:
    docker = lab.engine.docker
    image = images.ensure(lab.engine, images.BUSYBOX)
    folder = lab.where.root / "dhcp"
    leases = lessor.Lessor(folder=folder, interface=host.BRIDGE, first="172.31.0.100", last="172.31.0.120")
    (folder / "leases").unlink(missing_ok=True)
    docker("network", "create", "-d", plugin, "--ipam-driver", "null", "-o", "fullhost.unlisted=dhcp", world.NETWORK)
    with lessor.serving(lab.where, lab.host, leases.dnsmasq("--no-ping")):
        stays = ("--detach", "--stop-signal=SIGKILL", "--network", world.NETWORK, "--name", "scratch")
        docker("run", *stays, image, "sleep", "600")
    given = docker("inspect", "-f", f"{{{{.NetworkSettings.Networks.{world.NETWORK}.IPAddress}}}}", "scratch").strip()
    assert list(leases.leases) == [given]
