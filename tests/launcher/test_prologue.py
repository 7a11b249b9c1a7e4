"""What comes before the init: the shell's own words, as a real shell takes them."""

import dataclasses
import ipaddress
import pathlib
import subprocess

import pytest

from launcher import model, prologue, specification

NETWORK = model.Network(
    id="f" * 64,
    name="fullhost",
    bridge="br0",
    subnet=ipaddress.IPv4Network("172.31.0.0/24"),
    gateway=ipaddress.IPv4Address("172.31.0.1"),
    domain="lab.example",
    dns=ipaddress.IPv4Address("172.31.0.1"),
    dns_port=53,
    snat=True,
    mtu=1500,
)
BOOT = model.Boot(init="systemd", stop_signal="SIGRTMIN+3", command=("echo", "a b", "$PATH"))


def booted(resolver: specification.Resolver, etc: pathlib.Path, shell: str) -> str:
    """Run what a machine begins with on files in `etc`, and give what its init says."""
    command = prologue.before(BOOT, NETWORK, resolver).command
    assert command[:2] == ("/bin/sh", "-c")
    script = command[2].replace("/etc/", f"{etc}/")
    done = subprocess.run([*shell.split(), "-c", script, *command[3:]], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return done.stdout


@pytest.mark.parametrize("shell", ["sh", "bash", "busybox sh"])
@pytest.mark.parametrize(
    ("hosts", "right"),
    [
        ("::1\tlocalhost\n::ffff:172.31.0.2\tweb.local web\n", "::1\tlocalhost\n172.31.0.2\tweb.local web\n"),
        ("172.31.0.2\tweb.local  web\n# a \\n b\n", "172.31.0.2\tweb.local  web\n# a \\n b\n"),
        ("::ffff:172.31.0.2\tweb", "172.31.0.2\tweb\n"),
        ("::ffff:ac1f:2\tweb", "::ffff:ac1f:2\tweb"),
        ("", ""),
    ],
)
def test_the_own_name_has_an_address_of_its_kind(tmp_path: pathlib.Path, shell: str, hosts: str, right: str) -> None:
    (tmp_path / "hosts").write_text(hosts)
    (tmp_path / "resolv.conf").write_text("nameserver 127.0.0.11\n")
    inode = (tmp_path / "hosts").stat().st_ino
    assert booted(specification.Resolver.ENGINE, tmp_path, shell) == "a b $PATH\n"
    assert (tmp_path / "hosts").read_text() == right
    assert (tmp_path / "hosts").stat().st_ino == inode, "a bind mount cannot be replaced"
    assert (tmp_path / "resolv.conf").read_text() == "nameserver 127.0.0.11\n"


def test_the_name_server_of_the_zone_is_asked_directly(tmp_path: pathlib.Path) -> None:
    (tmp_path / "hosts").write_text("")
    booted(specification.Resolver.DIRECT, tmp_path, "sh")
    lines = (tmp_path / "resolv.conf").read_text().splitlines()
    assert lines[1:] == ["search lab.example", "nameserver 172.31.0.1"]


def test_a_name_server_on_another_port_cannot_be_asked_directly() -> None:
    network = dataclasses.replace(NETWORK, dns_port=1053)
    assert prologue.before(BOOT, network, specification.Resolver.ENGINE)
    with pytest.raises(model.Cannot, match="it listens on port 1053") as caught:
        prologue.before(BOOT, network, specification.Resolver.DIRECT)
    assert 'resolver = "engine"' in caught.value.hint
