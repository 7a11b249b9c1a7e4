"""What comes before the init: the shell's own words, as a real shell takes them."""

import dataclasses
import ipaddress
import pathlib
import signal
import subprocess

import pytest

from launcher import inits, model, prologue, specification

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


SHELLS = pytest.mark.parametrize("shell", ["sh", "bash", "busybox sh"])


class Host:
    """What a machine sees of its host in /proc, and the machine's own mark, in a folder."""

    def __init__(self, folder: pathlib.Path, *, mark: str | None, uptime: str = "30.25 1.00") -> None:
        self._folder = folder
        folder.joinpath("hosts").write_text("")
        folder.joinpath("cmdline").write_bytes(b"/sbin/init\0")
        folder.joinpath("boot_id").write_text("this-boot\n")
        folder.joinpath("uptime").write_text(f"{uptime}\n")
        self.mark = folder / "turn"
        if mark is not None:
            self.mark.write_text(mark)

    def command(self, words: tuple[str, ...], shell: str) -> list[str]:
        """Have words of the shell work here."""
        places = {
            "/etc/hosts": "hosts",
            "/proc/sys/kernel/random/boot_id": "boot_id",
            "/proc/uptime": "uptime",
            "/.fullhost-turn": "turn",
            "/proc/1/cmdline": "cmdline",
        }
        assert words[:2] == ("/bin/sh", "-c")
        script = words[2]
        for place, name in places.items():
            script = script.replace(place, str(self._folder / name))
        return [*shell.split(), "-c", script, *words[3:]]

    def boot(self, shell: str) -> subprocess.Popen[str]:
        command = prologue.before(BOOT, NETWORK, specification.Resolver.ENGINE, MEMBER).command
        return subprocess.Popen(self.command(command, shell), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def said(self, words: tuple[str, ...], shell: str) -> tuple[int, str]:
        done = subprocess.run(self.command(words, shell), capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr


def told(booting: subprocess.Popen[str]) -> str:
    """Give the first line that it says."""
    assert booting.stdout is not None
    return booting.stdout.readline()


@SHELLS
@pytest.mark.parametrize(
    ("mark", "uptime"),
    [(None, "30.25 1.00"), ("this-boot\n", "30.25 1.00"), ("other-boot\n", "600.00 1.00"), ("", "30.25 1.00")],
)
def test_who_need_not_wait_boots_at_once(tmp_path: pathlib.Path, shell: str, mark: str | None, uptime: str) -> None:
    host = Host(tmp_path, mark=mark, uptime=uptime)
    assert host.boot(shell).communicate(timeout=60) == ("a b $PATH\n", "")
    assert host.said(prologue.HELD, shell) == (1, "")


@SHELLS
def test_after_a_boot_of_the_host_a_marked_one_waits_until_it_is_let_go(tmp_path: pathlib.Path, shell: str) -> None:
    host = Host(tmp_path, mark="other-boot\n")
    with host.boot(shell) as booting:
        assert "waits for its turn" in told(booting)
        assert (booting.poll(), host.said(prologue.HELD, shell)[0]) == (None, 0)
        assert host.said(prologue.let_go(("echo", "a b"), ordered=True), shell) == (0, "a b\n")
        said, errors = booting.communicate(timeout=60)
    assert said.splitlines() == ["a b $PATH"]
    assert (errors, host.mark.read_text()) == ("", "this-boot\n")


@SHELLS
def test_one_that_nobody_lets_go_boots_in_the_end_and_one_that_waits_can_be_stopped(
    tmp_path: pathlib.Path, shell: str
) -> None:
    host = Host(tmp_path, mark="other-boot\n")
    with host.boot(shell) as booting:
        assert told(booting)
        (tmp_path / "uptime").write_text(f"{prologue.PATIENCE_SECONDS}.02 7.00\n")
        assert booting.communicate(timeout=60)[0].endswith("a b $PATH\n")
    (tmp_path / "uptime").write_text("9.02 7.00\n")
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR2, signal.SIGRTMIN + 3):
        with host.boot(shell) as booting:
            assert told(booting)
            booting.send_signal(number)
            assert "a b" not in booting.communicate(timeout=60)[0]
            assert booting.returncode == 0


@SHELLS
def test_where_there_is_no_order_any_more_the_mark_goes(tmp_path: pathlib.Path, shell: str) -> None:
    host = Host(tmp_path, mark="other-boot\n")
    for _ in range(2):
        assert host.said(prologue.let_go(("echo", "up"), ordered=False), shell) == (0, "up\n")
        assert not host.mark.exists()
    assert host.said(prologue.let_go(("false",), ordered=True), shell) == (1, "")
    assert host.mark.read_text() == "this-boot\n"


@SHELLS
def test_an_init_says_nothing_until_it_has_taken_the_place_of_the_shell(tmp_path: pathlib.Path, shell: str) -> None:
    host = Host(tmp_path, mark=None)
    first = prologue.before(BOOT, NETWORK, specification.Resolver.ENGINE, MEMBER).command
    question = ("echo", "up")
    (tmp_path / "cmdline").write_text(" ".join(host.command(first, shell)) + "\0")
    for words in (prologue.past(question), prologue.let_go(question, ordered=True)):
        assert host.said(words, shell) == (75, "")
    (tmp_path / "cmdline").write_bytes(b"/sbin/init\0")
    assert host.said(prologue.past(question), shell) == (0, "up\n")
    for init in inits.INITS.values():
        assert init.judge(model.Answer(exit_code=75, output="")) is inits.Progress.BOOTING
