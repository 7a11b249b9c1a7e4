"""What ssh is told of machines, and what comes out of them."""

import ipaddress
import pathlib
import tarfile
from collections.abc import Iterable, Iterator

import pytest

from launcher import access, conversation, keyring, keys, model, packing, transfer, usage
from tests.launcher import fakes

_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDaHEs4F"


def _guest(last: int, *names: str, key: str = _KEY) -> keys.Guest:
    return keys.Guest(names=names, address=ipaddress.IPv4Address(f"172.31.0.{last}"), keys=(key,))


@pytest.mark.parametrize(
    ("line", "key"),
    [
        (f"{_KEY} root@web\n", _KEY),
        (f"{_KEY}\n* ssh-rsa AAAA", ""),
        ("@cert-authority * ssh-rsa AAAA", ""),
        ("* ssh-rsa AAAA", ""),
        ("", ""),
    ],
)
def test_a_machine_speaks_for_itself_alone(line: str, key: str) -> None:
    assert keys.public_key(line) == key


def test_whoever_takes_a_name_or_an_address_is_known_by_it_alone() -> None:
    before = (_guest(2, "db.local"), _guest(3, "web.local", "www.local"), _guest(4, "old.local"))
    after = keys.learned(before, _guest(4, "mail.local", "www.local"))
    assert [one.names for one in after] == [("db.local",), ("mail.local", "www.local"), ("web.local",)]
    assert keys.known(keys.known_hosts(after)) == after
    assert keys.known("nonsense\na b c d\n") == ()


def test_a_pattern_holds_for_a_whole_domain_but_not_for_that_of_mdns() -> None:
    assert "\nHost web.local\n    User root" in keys.config([_guest(2, "web.local")], folder="/f")
    assert "\nHost *.lab.example\n    User root" in keys.config([_guest(2, "web.lab.example")], folder="/f")


def test_what_may_log_in_already_stays_and_nothing_is_added_twice() -> None:
    text = keys.authorized("ssh-rsa OTHER me", [_KEY, _KEY])
    assert text == f"ssh-rsa OTHER me\n{_KEY} fhv\n"
    assert keys.authorized(text, [_KEY]) is None


def test_a_private_key_is_refused_as_a_public_one() -> None:
    for text in ("-----BEGIN OPENSSH PRIVATE KEY-----", "nonsense", ""):
        with pytest.raises(model.Cannot, match="cannot use id as a public key"):
            keys.given(text, file="id")
    assert keys.given(f"# mine\n{_KEY} me\n", file="id.pub") == (_KEY,)


def test_the_include_comes_first_once_and_a_person_may_take_it_out(tmp_path: pathlib.Path) -> None:
    ring = keyring.Keyring(keyring.Person(folder=tmp_path))
    config = tmp_path / "config"
    config.write_text("Host *\n    User me\n")
    config.chmod(0o644)
    assert ring.include()
    assert config.read_text().splitlines()[1] == f'Include "{tmp_path}/fhv_config"'
    assert config.read_text().endswith("Host *\n    User me\n")
    assert config.stat().st_mode & 0o777 == 0o644
    assert not ring.include()
    config.write_text("# Include fhv_config\n")
    assert not ring.include()
    config.unlink()
    config.symlink_to("elsewhere")
    with pytest.raises(model.Cannot, match="it is a link"):
        ring.include()


def test_a_key_pair_is_made_once_and_a_changed_machine_is_told(tmp_path: pathlib.Path) -> None:
    ring = keyring.Keyring(keyring.Person(folder=tmp_path / "ssh"))
    key = ring.public_key()
    (tmp_path / "ssh" / "id_fhv.pub").unlink()
    assert ring.public_key() == key
    assert (tmp_path / "ssh").stat().st_mode & 0o777 == 0o700
    assert not ring.learn(_guest(2, "web.local"))
    assert not ring.learn(_guest(2, "web.local"))
    assert ring.learn(_guest(2, "web.local", key="ssh-ed25519 OTHER"))


def test_a_folder_that_was_made_for_nothing_goes_again(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))  # no ssh-keygen there
    with pytest.raises(model.Cannot, match="ssh-keygen is not installed"):
        keyring.Keyring(keyring.Person(folder=tmp_path / "ssh")).public_key()
    assert not (tmp_path / "ssh").exists()


def test_under_sudo_it_is_the_callers_folder_and_no_link_is_followed(tmp_path: pathlib.Path) -> None:
    assert keyring.person({"FHV_SSH_DIR": "/x"}, root=True).folder == pathlib.Path("/x")
    assert keyring.person({"SUDO_USER": "nobody"}, root=True).name == "nobody"
    assert keyring.person({"SUDO_USER": "nobody"}, root=False).uid is None
    (tmp_path / "real").mkdir()
    (tmp_path / "ssh").symlink_to("real")
    with pytest.raises(model.Cannot, match="for ssh"):
        keyring.Keyring(keyring.Person(folder=tmp_path / "ssh", name="x", uid=65534, gid=65534)).include()


class Ring:
    """An ~/.ssh that knows nobody, and cannot be written when told so."""

    def __init__(self, refused: model.Cannot | None = None) -> None:
        self._refused = refused

    def public_key(self) -> str:
        if self._refused:
            raise self._refused
        return _KEY

    def learn(self, guest: keys.Guest) -> bool:
        assert guest.names == ("web.local",)
        return False

    def include(self) -> bool:
        return True

    def ssh(self, *words: str, quiet: bool = False) -> int:
        raise AssertionError(words, quiet)


class Files:
    """The files of one machine."""

    def __init__(self, **there: str) -> None:
        self.there = {"/etc/passwd": "root:x:0:0::/root:/bin/sh\n", **there}
        self.stored: list[tuple[str, bytes]] = []

    def read(self, container: str, path: str) -> str:
        assert container == "id-of-web"
        return self.there.get(path, "")

    def is_folder(self, container: str, path: str) -> bool:
        assert (container, path) == ("id-of-web", "/root/.ssh")
        return False

    def store(self, container: str, path: str, archive: Iterable[bytes]) -> None:
        self.stored.append((path, b"".join(archive)))


def test_a_machine_without_ssh_is_left_alone_and_no_start_fails_by_it() -> None:
    without, having = Files(), Files(**{keys.HOST_KEYS[0]: _KEY})
    machine = fakes.machine("web")
    assert access.Access(without, Ring()).welcome(machine) == ""
    assert without.stored == []
    assert access.Access(having, Ring()).welcome(machine) == ""
    assert [path for path, _ in having.stored] == ["/root"]
    door = access.Access(having, Ring(model.Cannot("cannot write", hint="do")))
    assert door.welcome(machine) == "ssh does not know it: cannot write (do)"
    assert door.welcome(machine) == ""  # told once
    with pytest.raises(model.Cannot, match="it has no such user"):
        access.Access(having, Ring()).prepare(machine, "bob")


@pytest.mark.parametrize(
    ("text", "path"), [("web:etc", "/etc"), ("web:/", "/"), ("web:", "/"), ("web:/a/../b/", "/b/"), ("web:/a/.", "/a/")]
)
def test_places_are_read_as_docker_cp_reads_them(text: str, path: str) -> None:
    assert transfer.place(text) == transfer.Place(name="web", path=path)


@pytest.mark.parametrize("text", ["web", "/etc/a:b", ":x", "./a:b"])
def test_what_is_no_place_is_refused(text: str) -> None:
    with pytest.raises(model.Cannot, match="for a place in a machine"):
        transfer.place(text)


def _archive(tmp_path: pathlib.Path, *entries: tuple[str, bytes, str]) -> Iterator[bytes]:
    with tarfile.open(tmp_path / "tar", "w") as tar:
        for name, kind, link in entries:
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname, entry.mode = kind, link, 0o4755
            tar.addfile(entry)
    return iter([(tmp_path / "tar").read_bytes()])


@pytest.mark.parametrize(
    "hostile",
    [
        [("d", tarfile.DIRTYPE, ""), ("d/../../x", tarfile.REGTYPE, "")],
        [("d", tarfile.DIRTYPE, ""), ("/etc/x", tarfile.REGTYPE, "")],
        [("d", tarfile.DIRTYPE, ""), ("d/l", tarfile.SYMTYPE, ".."), ("d/l/x", tarfile.REGTYPE, "")],
        [("d", tarfile.SYMTYPE, ".."), ("d/x", tarfile.REGTYPE, "")],
        [("d", tarfile.DIRTYPE, ""), ("d/h", tarfile.LNKTYPE, "/etc/passwd")],
    ],
)
def test_nothing_of_a_hostile_archive_gets_outside(
    tmp_path: pathlib.Path, hostile: list[tuple[str, bytes, str]]
) -> None:
    (tmp_path / "here").mkdir()
    with pytest.raises(model.Cannot, match="it would be written outside"):
        packing.unpack(_archive(tmp_path, *hostile), tmp_path / "here" / "target", owners=False)
    assert {path.name for path in tmp_path.iterdir()} == {"here", "tar"}
    assert {path.name for path in (tmp_path / "here").iterdir()} == {"target"}


def test_devices_are_left_out_and_the_right_to_become_the_owner_is_not_kept(tmp_path: pathlib.Path) -> None:
    entries = [("d", tarfile.DIRTYPE, ""), ("d/dev", tarfile.CHRTYPE, ""), ("d/f", tarfile.REGTYPE, "")]
    assert packing.unpack(_archive(tmp_path, *entries), tmp_path / "t", owners=False) == ("d/dev",)
    assert (tmp_path / "t" / "f").stat().st_mode & 0o7777 == 0o755


@pytest.mark.parametrize(
    ("typed", "passed", "left"),
    [
        ([b"ab"], b"ab", False),
        ([b"a\x10", b"\x11b"], b"a", True),
        ([b"\x10", b"x"], b"\x10x", False),
        ([b"\x10\x10\x11"], b"\x10", True),
    ],
)
def test_the_keys_that_leave_are_found_however_they_come(typed: list[bytes], passed: bytes, left: bool) -> None:
    leaving = conversation.Detaching(conversation.detach_keys("ctrl-p,ctrl-q"))
    assert (b"".join(map(leaving.sift, typed)), leaving.done) == (passed, left)


@pytest.mark.parametrize("text", ["", "ctrl-", "ctrl-1", "ab", "a,,b"])
def test_keys_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(model.Cannot, match="cannot detach with the keys"):
        conversation.detach_keys(text)


def test_what_a_machine_uses_lies_between_two_readings() -> None:
    def read(second: int, spent: int) -> usage.Reading:
        found = usage.reading(
            f'{{"read": "2026-11-24T10:00:0{second}.5Z", "cpu_stats": {{"cpu_usage": {{"total_usage": {spent}}}}},'
            '"memory_stats": {"usage": 3145728, "limit": 4194304, "stats": {"inactive_file": 1048576}},'
            '"networks": {"eth0": {"rx_bytes": 1500, "tx_bytes": 2}}, "pids_stats": {"current": 7}}'
        )
        assert found is not None
        return found

    found = usage.between("web", read(1, 1_000_000_000), read(3, 2_000_000_000))
    assert usage.rows([found]) == [("web", "50.00%", "2MiB / 4MiB", "50.00%", "1.5kB / 2B", "7")]
    assert usage.reading('{"read": "0001-01-01T00:00:00Z"}') is None
