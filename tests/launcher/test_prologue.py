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
DUAL = dataclasses.replace(NETWORK, address=NETWORK.gateway, subnet6="fd00:31::/64", gateway6="fd00:31::1")
MEMBER = model.Member(name="web", address=ipaddress.IPv4Address("172.31.0.2"))
ALONE = model.Member(name="six", address=None, address6=ipaddress.IPv6Address("fd00:31::6"))
LISTED = (
    "fd000031000000000000000000000006 02 40 00 80     eth0\n"
    "fe80000000000000040000fffe000001 02 40 20 80     eth0\n"
    "00000000000000000000000000000001 01 80 10 80       lo\n"
)
BOOT = model.Boot(init="systemd", stop_signal="SIGRTMIN+3", command=("echo", "a b", "$PATH"))


def booted(
    resolver: specification.Resolver,
    etc: pathlib.Path,
    shell: str,
    *,
    network: model.Network = NETWORK,
    member: model.Member = MEMBER,
) -> str:
    """Run what a machine begins with on files in `etc`, as the kernel's too, and give what its init says."""
    command = prologue.before(BOOT, network, resolver, member).command
    assert command[:2] == ("/bin/sh", "-c")
    script = command[2].replace("/etc/", f"{etc}/").replace("/proc/net/", f"{etc}/")
    script = script.replace("/proc/sys/kernel/", f"{etc}/")
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


@pytest.mark.parametrize("shell", ["sh", "bash", "busybox sh"])
@pytest.mark.parametrize(
    ("hosts", "added"),
    [
        ("::1\tlocalhost\n", True),
        ("172.31.0.6\tsix.lab.example six\n", True),
        ("172.31.0.6\tsix.lab.example six\nfd00:31::6\tsix.lab.example six\n", False),
        ("fd00:31::6\tsix\n", False),
        ("fd00:31::7\tsixty\n", True),
    ],
)
def test_the_own_name_has_an_ipv6_address_where_the_engine_wrote_none(
    tmp_path: pathlib.Path, shell: str, hosts: str, *, added: bool
) -> None:
    for name, text in {"hosts": hosts, "hostname": "six\n", "if_inet6": LISTED}.items():
        (tmp_path / name).write_text(text)
    booted(specification.Resolver.ENGINE, tmp_path, shell, network=DUAL, member=ALONE)
    line = "fd00:0031:0000:0000:0000:0000:0000:0006\tsix.lab.example six\n"
    assert (tmp_path / "hosts").read_text() == hosts + (line if added else "")


@pytest.mark.parametrize("shell", ["sh", "bash", "busybox sh"])
def test_a_machine_without_ipv6_boots_all_the_same(tmp_path: pathlib.Path, shell: str) -> None:
    for name, text in {"hosts": "", "hostname": "six\n"}.items():
        (tmp_path / name).write_text(text)
    assert booted(specification.Resolver.ENGINE, tmp_path, shell, network=DUAL) == "a b $PATH\n"
    assert (tmp_path / "hosts").read_text() == ""


@pytest.mark.parametrize(
    ("network", "member", "server"),
    [
        (NETWORK, MEMBER, "172.31.0.1"),
        (DUAL, MEMBER, "172.31.0.1"),
        (DUAL, ALONE, "fd00:31::1"),
        (dataclasses.replace(DUAL, dns=ipaddress.ip_address("192.0.2.53")), ALONE, "192.0.2.53"),
        (dataclasses.replace(DUAL, dns=ipaddress.ip_address("fd00:31::53")), ALONE, "fd00:31::53"),
    ],
)
def test_the_name_server_is_one_that_can_be_asked(network: model.Network, member: model.Member, server: str) -> None:
    assert str(prologue.server(network, member)) == server
    assert f"nameserver {server}\n" in prologue.resolv_conf(network, member)


def test_the_name_server_of_the_zone_is_asked_directly(tmp_path: pathlib.Path) -> None:
    (tmp_path / "hosts").write_text("")
    booted(specification.Resolver.DIRECT, tmp_path, "sh")
    lines = (tmp_path / "resolv.conf").read_text().splitlines()
    assert lines[1:] == ["search lab.example", "nameserver 172.31.0.1"]


def test_a_name_server_on_another_port_cannot_be_asked_directly() -> None:
    network = dataclasses.replace(NETWORK, dns_port=1053)
    assert prologue.before(BOOT, network, specification.Resolver.ENGINE, MEMBER)
    with pytest.raises(model.Cannot, match="it listens on port 1053") as caught:
        prologue.before(BOOT, network, specification.Resolver.DIRECT, MEMBER)
    assert 'resolver = "engine"' in caught.value.hint
