"""Being on a machine: ssh that asks nothing and trusts nobody blindly, files, the console, what is used."""

import json
import os
import pathlib
import shutil
import subprocess
from collections.abc import Iterator

import pytest

from tests.lab import images, keyboard, world


class Here:
    """The administrator of the lab's host, with an ~/.ssh of the test's own."""

    def __init__(self, lab: world.Lab, folder: pathlib.Path) -> None:
        self._lab, self.folder, self.config = lab, folder, folder / "config"
        self.environment = {**lab.environment, "FHV_SSH_DIR": str(folder)}

    def run(self, *words: str, typed: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        """Run a command, without a terminal to ask anything on."""
        return subprocess.run(
            [*self._lab.enter, "setsid", "--wait", *words],
            env=self.environment,
            input=typed,
            capture_output=True,
            timeout=240,
            check=False,
        )

    def ssh(self, *words: str) -> subprocess.CompletedProcess[bytes]:
        """Run plain ssh, as it runs with this ~/.ssh."""
        return self.run("ssh", "-F", str(self.config), *words)

    def sit_down(self, *words: str) -> keyboard.Terminal:
        """Run a command on a terminal."""
        return keyboard.Terminal([*self._lab.enter, *words], self.environment)

    def part(self, host: str) -> None:
        """End the shared connection, so that the next one begins anew."""
        self.ssh("-O", "exit", host)


@pytest.fixture
def here(lab: world.Lab, network: str) -> Iterator[Here]:
    """Give the administrator, and end the connections that are shared."""
    assert network
    images.ensure(lab.engine, images.SYSTEMD)
    folder = lab.where.root / "ssh"
    shutil.rmtree(folder, ignore_errors=True)
    person = Here(lab, folder)
    yield person
    if person.config.exists():
        person.part("webserver.local")


def test_ssh_asks_nothing_and_believes_no_stranger(lab: world.Lab, here: Here) -> None:
    """A machine made anew has other keys and is known by them; one that has only its address is refused."""
    assert here.run("fhv", "start", "webserver").returncode == 0
    assert not here.config.exists()
    first = here.run("fhv", "ssh", "webserver.local", "hostname; exit 7")
    assert (first.returncode, first.stdout) == (7, b"webserver\n"), first.stderr
    assert b"ssh webserver.local works from now on as well" in first.stderr
    assert here.ssh("webserver.local", "id", "-un").stdout == b"root\n"
    assert here.config.read_text().count("Include") == 1
    assert here.run("fhv", "ssh", "webserver", "true").stderr == b""
    keys = (here.folder / "fhv_known_hosts").read_text()

    lab.engine.docker("rm", "--force", "webserver")
    assert here.run("fhv", "start", "webserver").returncode == 0
    assert (here.folder / "fhv_known_hosts").read_text() != keys
    assert here.ssh("webserver.local", "hostname").stdout == b"webserver\n"
    here.part("webserver.local")

    change = "rm /etc/ssh/ssh_host_*; ssh-keygen -qA; systemctl restart ssh"
    assert here.run("fhv", "exec", "webserver", "sh", "-c", change).returncode == 0
    stranger = here.ssh("webserver.local", "hostname")
    assert (stranger.returncode, stranger.stdout) == (255, b"")
    assert b"REMOTE HOST IDENTIFICATION HAS CHANGED" in stranger.stderr
    assert here.run("fhv", "ssh", "webserver", "hostname").stdout == b"webserver\n"
    here.part("webserver.local")


def test_a_machine_that_forbids_root_says_so_and_lets_others_in(here: Here) -> None:
    assert here.run("fhv", "start", "webserver").returncode == 0
    lock = "echo PermitRootLogin no >/etc/ssh/sshd_config.d/no.conf; systemctl restart ssh"
    assert here.run("fhv", "exec", "webserver", "sh", "-c", lock).returncode == 0
    forbidden = here.run("fhv", "ssh", "webserver", "hostname")
    assert forbidden.returncode == 255
    assert b"hint: sshd of webserver forbids root" in forbidden.stderr
    assert here.run("fhv", "exec", "webserver", "useradd", "--create-home", "bob").returncode == 0
    assert here.run("fhv", "ssh", "bob@webserver", "id", "-un").stdout == b"bob\n"


def test_what_ssh_cannot_have_fails_no_start(lab: world.Lab, here: Here) -> None:
    images.ensure(lab.engine, images.BUSYBOX_INIT)
    settings = here.folder.parent / "ssh-test.toml"
    settings.write_text(f'image = "{images.BUSYBOX_INIT}"\nnetwork = "{world.NETWORK}"\n')
    here.environment["FHV_CONFIG"] = str(settings)
    assert here.run("fhv", "start", "docs").stderr.count(b"warning") == 0
    refused = here.run("fhv", "ssh", "docs")
    assert (refused.returncode, refused.stderr.splitlines()[0]) == (
        1,
        b"fhv: cannot reach docs by ssh: it has no ssh server, or one without host keys in /etc/ssh",
    )
    assert not here.folder.exists()
    assert here.run("fhv", "exec", "docs", "mkdir", "-p", "/etc/ssh").returncode == 0
    assert here.run("fhv", "push", "-", "docs:/etc/passwd", typed=b"root:x:0:0::/root:/bin/sh\n").returncode == 0
    key = b"ssh-ed25519 " + b"A" * 68
    assert here.run("fhv", "push", "-", "docs:/etc/ssh/ssh_host_ed25519_key.pub", typed=key).returncode == 0
    here.folder.write_text("no folder")
    started = here.run("fhv", "start", "docs")
    assert (started.returncode, started.stdout) == (0, b"docs: up already\n")
    assert b"warning: docs: ssh does not know it: cannot use" in started.stderr
    here.folder.unlink()


def test_files_go_in_and_out_of_machines_that_run_and_that_do_not(
    lab: world.Lab, here: Here, tmp_path: pathlib.Path
) -> None:
    lab.engine.docker("create", "--name", "other", images.ensure(lab.engine, images.BUSYBOX))
    settings = tmp_path / "fhv.toml"
    settings.write_text(f'image = "{images.ensure(lab.engine, images.BUSYBOX_INIT)}"\nnetwork = "{world.NETWORK}"\n')
    here.environment["FHV_CONFIG"] = str(settings)
    assert here.run("fhv", "start", "docs").returncode == 0
    tree = tmp_path / "tree"
    (tree / "below").mkdir(parents=True)
    (tree / "below" / "file").write_bytes(bytes(range(256)) * 4097)
    (tree / "below" / "file").chmod(0o640)
    (tree / "link").symlink_to("/nowhere")
    os.mkfifo(tmp_path / "pipe")
    for running in (True, False):
        if not running:
            assert here.run("fhv", "stop", "docs").returncode == 0
        target, back = f"docs:/root/{running}", tmp_path / f"back-{running}"
        assert here.run("fhv", "push", "-r", str(tree), target).returncode == 0
        assert here.run("fhv", "pull", "-a", target, str(back)).returncode == 0
        assert (back / "below" / "file").read_bytes() == (tree / "below" / "file").read_bytes()
        assert (back / "below" / "file").stat().st_mode & 0o777 == 0o640
        assert (back / "link").readlink() == pathlib.Path("/nowhere")
        for said in (b"said", b"said again"):
            assert here.run("fhv", "push", "-p", "-", f"{target}/new/folder/note", typed=said).returncode == 0
            assert here.run("fhv", "pull", f"{target}/new/folder/note", "-").stdout == said
    for words, refusal in (
        (["push", str(tree), "docs:/root"], "it is a folder"),
        (["push", str(tree / "none"), "docs:/root"], "there is no such file"),
        (["push", "-r", str(tree), "docs:/no/such/"], "there is no folder /no/such in it"),
        (["pull", "docs:/root/none", "."], "there is no such file"),
        (["pull", "docs:/root", "."], "it is a folder"),
        (["pull", "docs:/root/True/new/folder/note", str(tmp_path / "pipe")], "it is no file"),
        (["push", str(tree), "other:/root"], "there is no machine of this name"),
        (["push", str(tree), "/root"], "for a place in a machine"),
    ):
        refused = here.run("fhv", *words)
        assert (refused.returncode, refused.stdout) == (1, b"")
        assert refusal in refused.stderr.decode()


def test_the_console_is_left_by_its_keys_and_the_machine_goes_on(lab: world.Lab, here: Here) -> None:
    assert here.run("fhv", "start", "webserver").returncode == 0
    console = here.sit_down("fhv", "console", "webserver")
    assert b"Reached target" in console.until(b"multi-user.target")
    assert here.run("fhv", "exec", "webserver", "sh", "-c", "echo spoken >/dev/console").returncode == 0
    console.until(b"spoken")
    console.type(b"\x03\x10x\x10\x11")
    console.until(b"webserver goes on")
    assert console.ended() == 0
    shell = here.sit_down("fhv", "shell", "--user", "nobody", "webserver")
    shell.type(b"id -un; tty; exit 3\n")
    assert b"nobody" in shell.until(b"/dev/pts/")  # both may come at once
    assert shell.ended() == 3
    assert here.run("fhv", "exec", "webserver", "systemctl", "is-system-running").stdout == b"running\n"
    (used,) = json.loads(here.run("fhv", "top", "--json").stdout)
    assert used["name"] == "webserver"
    assert used["received"] > 0
    if lab.version == "20.10":  # the lab's cgroup v2 has no controllers
        assert used["memory"] > 1e6
        assert used["processes"] > 1
    assert here.run("fhv", "top").stdout.split()[:2] == [b"NAME", b"CPU"]
    ended = here.sit_down("fhv", "console", "webserver", "--detach-keys", "ctrl-x")
    ended.until(b"ctrl-x leaves it")
    assert here.run("fhv", "stop", "webserver").returncode == 0
    ended.until(b"webserver has ended with 0")
    assert ended.ended() == 0
