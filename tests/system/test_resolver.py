"""What a machine resolves, and what it is called: in the machine, after boots without `fhv`, on real engines."""

import pathlib

import pytest

from tests.lab import commands, host, images, world

_SETTINGS = """
image = "{image}"
network = "{network}"

[machine.docs]
resolver = "direct"
"""


@pytest.fixture
def settings(lab: world.Lab, network: str, tmp_path: pathlib.Path) -> pathlib.Path:
    """Give settings by which one machine asks the name server itself, and another one the engine's."""
    assert network
    path = tmp_path / "fhv.toml"
    image = images.ensure(lab.engine, images.SYSTEMD)
    path.write_text(_SETTINGS.format(image=image, network=world.NETWORK))
    return path


def _said(lab: world.Lab, machine: str, *command: str) -> str:
    return lab.engine.docker("exec", machine, *command).strip()


def _pinged(lab: world.Lab, machine: str, name: str) -> bool:
    return "1 received" in _said(lab, machine, "sh", "-c", f"ping -c 1 -W 2 {name} || true")


def _check(lab: world.Lab) -> None:
    """Look at both machines, whoever has booted them."""
    for name, address in (("database", "172.31.0.2"), ("docs", "172.31.0.5")):
        lines = [line.split() for line in _said(lab, name, "cat", "/etc/hosts").splitlines()]
        assert [address, f"{name}.local", name] in lines, lines
        assert _said(lab, name, "hostname", "--fqdn") == f"{name}.local"
        assert _said(lab, name, "getent", "hosts", name).split()[0] == address
        assert _pinged(lab, name, name)
        assert _said(lab, name, "cat", "/proc/1/comm") == "systemd"
    direct = _said(lab, "docs", "cat", "/etc/resolv.conf").splitlines()
    assert direct[1:] == ["search local", f"nameserver {host.GATEWAY}"]
    assert "nameserver 127.0.0.11" in _said(lab, "database", "cat", "/etc/resolv.conf").splitlines()
    assert _pinged(lab, "docs", "database")
    assert _pinged(lab, "database", "docs")


def _flush(lab: world.Lab, machine: str) -> None:
    """Do what a machine does that loads a firewall of its own."""
    space = lab.engine.docker("inspect", "-f", "{{.NetworkSettings.SandboxKey}}", machine).strip()
    commands.run([*lab.engine.enter, "nsenter", f"--net={space}", "nft", "flush", "ruleset"])


def test_names_in_a_machine_whoever_boots_it(lab: world.Lab, settings: pathlib.Path) -> None:
    said = lab.run("env", f"FHV_CONFIG={settings}", "fhv", "start", "database", "docs")
    assert said.splitlines() == ["database: created", "docs: created"]
    assert "resolver       direct\n" in lab.run("fhv", "status", "docs")
    _check(lab)
    # The engine's own server answers through rules in the machine's network namespace, and goes with them.
    for machine in ("database", "docs"):
        _flush(lab, machine)
    assert _pinged(lab, "docs", "database.local")
    assert not _pinged(lab, "database", "docs.local")

    lab.engine.restart()  # which boots the machines, without fhv
    _check(lab)

    settings.write_text(settings.read_text().replace("direct", "engine"))
    plan = lab.run("env", f"FHV_CONFIG={settings}", "fhv", "plan", "docs")
    assert "resolver direct -> engine   fhv rebuild docs" in plan
