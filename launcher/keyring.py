"""The folder ~/.ssh of the person who uses `fhv`: a key pair made once, and what ssh is told of machines."""

import contextlib
import dataclasses
import fcntl
import os
import pathlib
import pwd
import subprocess
import threading
from collections.abc import Iterator, Mapping

from launcher import keys, model

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Person:
    """Whose folder it is; `uid` and `gid` are None where that is who runs `fhv`."""

    folder: pathlib.Path
    name: str = ""
    uid: int | None = None
    gid: int | None = None


def person(environment: Mapping[str, str], *, root: bool) -> Person:
    """Decide whose ssh it is: who called sudo, else who runs this; FHV_SSH_DIR names another folder."""
    if named := environment.get("FHV_SSH_DIR"):
        return Person(folder=pathlib.Path(named).absolute())
    caller = environment.get("SUDO_USER", "")
    if root and caller not in ("", "root"):
        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(caller)
            return Person(folder=pathlib.Path(entry.pw_dir) / ".ssh", name=caller, uid=entry.pw_uid, gid=entry.pw_gid)
    return Person(folder=pathlib.Path(pwd.getpwuid(os.getuid()).pw_dir) / ".ssh")  # where ssh looks, whatever HOME says


class Keyring:
    """The files; each change is whole or not at all, and two `fhv` at once do not lose each other's.

    Under sudo the folder is another person's, who must not make root follow a link that lies in it.
    """

    def __init__(self, whose: Person) -> None:
        self.person = whose
        self._lock = threading.Lock()

    @property
    def folder(self) -> pathlib.Path:
        """Where the files lie."""
        return self.person.folder

    def public_key(self) -> str:
        """Give the public key of the pair, which is made if there is none."""
        path = self.folder / keys.IDENTITY
        with self._held() as folder:
            if not self._is_there(folder, keys.IDENTITY):
                self._keygen("-q", "-t", "ed25519", "-N", "", "-C", "fhv", "-f", str(path))
            text = self._read(folder, f"{keys.IDENTITY}.pub") or self._keygen("-y", "-f", str(path))
        key = keys.public_key(text)
        if not key:
            raise model.Cannot(f"cannot use {path}.pub: it is no public key", hint=f"rm {path} {path}.pub")
        return key

    def learn(self, guest: keys.Guest) -> bool:
        """Have ssh know a machine by its keys and its address; tell whether it had other keys before."""
        with self._held() as folder:
            before = keys.known(self._read(folder, keys.KNOWN_HOSTS))
            old = [one for one in before if one.names[0] == guest.names[0]]
            after = keys.learned(before, guest)
            for name, text in (
                (keys.KNOWN_HOSTS, keys.known_hosts(after)),
                (keys.CONFIG, keys.config(after, folder=str(self.folder))),
            ):
                if self._read(folder, name) != text:
                    self._write(folder, name, text)
        return any(one.keys != guest.keys for one in old)

    def include(self) -> bool:
        """Have ssh read what it is told of machines, every time; tell whether it did not before."""
        with self._held() as folder:
            path = self.folder / "config"
            if path.is_symlink():
                raise model.Cannot(
                    f"cannot write {path}: it is a link",
                    hint=f'put this line first: Include "{self.folder}/{keys.CONFIG}"',
                )
            text = keys.including(self._read(folder, "config"), folder=str(self.folder))
            if text is not None:
                mode = path.stat().st_mode & 0o777 if path.exists() else 0o600
                self._write(folder, "config", text, mode=mode)
        return text is not None

    def ssh(self, *words: str, quiet: bool = False) -> int:
        """Run ssh as the person whose keys it takes, and give its exit code; control-C is the other end's."""
        output = subprocess.DEVNULL if quiet else None
        try:
            with subprocess.Popen(
                ["ssh", "-F", str(self._config()), *words],
                stdout=output,
                stderr=output,
                user=self.person.uid,
                group=self.person.gid,
                extra_groups=self._groups,
            ) as process:
                while True:
                    with contextlib.suppress(KeyboardInterrupt):
                        code = process.wait()
                        return code if code >= 0 else 128 - code
        except FileNotFoundError as error:
            raise model.Cannot("cannot run ssh: it is not installed", hint="apt install openssh-client") from error

    def _config(self) -> pathlib.Path:
        """Choose the person's own ssh_config where it has what fhv wrote, for there may be more in it."""
        own = self.folder / "config"
        with contextlib.suppress(OSError, UnicodeDecodeError):
            if keys.includes(own.read_text()):
                return own
        return self.folder / keys.CONFIG

    @contextlib.contextmanager
    def _held(self) -> Iterator[int]:
        """Give the folder, made if it is not there, to one `fhv` at a time; one that stays empty goes again."""
        follow = 0 if self.person.uid is None else os.O_NOFOLLOW
        try:
            with self._lock, contextlib.ExitStack() as stack:
                if not self.folder.exists():
                    self.folder.mkdir(mode=0o700)
                    stack.callback(_remove_empty, self.folder)
                    self._hand_over(self.folder)
                folder = os.open(self.folder, _FOLDER | follow)
                stack.callback(os.close, folder)
                fcntl.flock(folder, fcntl.LOCK_EX)
                yield folder
        except OSError as error:
            raise model.Cannot(
                f"cannot use {self.folder} for ssh: {error.strerror}",
                hint="see that you may write there, or name another folder in FHV_SSH_DIR",
            ) from error

    def _hand_over(self, path: pathlib.Path) -> None:
        if self.person.uid is not None:
            os.chown(path, self.person.uid, self.person.gid or 0, follow_symlinks=False)

    def _is_there(self, folder: int, name: str) -> bool:
        with contextlib.suppress(FileNotFoundError):
            os.stat(name, dir_fd=folder, follow_symlinks=False)
            return True
        return False

    def _read(self, folder: int, name: str) -> str:
        try:
            with os.fdopen(os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder), "r") as file:
                return file.read()
        except FileNotFoundError:
            return ""
        except UnicodeDecodeError as error:
            raise model.Cannot(f"cannot read {self.folder / name}: it is no text") from error

    def _write(self, folder: int, name: str, text: str, *, mode: int = 0o600) -> None:
        part = f".{name}.{os.getpid()}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with contextlib.suppress(FileNotFoundError):
            os.unlink(part, dir_fd=folder)
        with os.fdopen(os.open(part, flags, mode, dir_fd=folder), "w") as file:
            file.write(text)
            if self.person.uid is not None:
                os.fchown(file.fileno(), self.person.uid, self.person.gid or 0)
        os.rename(part, name, src_dir_fd=folder, dst_dir_fd=folder)

    def _keygen(self, *words: str) -> str:
        """Run ssh-keygen as the person whose key it is."""
        try:
            return subprocess.run(
                ["ssh-keygen", *words],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=True,
                user=self.person.uid,
                group=self.person.gid,
                extra_groups=self._groups,
            ).stdout
        except FileNotFoundError as error:
            raise model.Cannot(
                "cannot make a key pair: ssh-keygen is not installed", hint="apt install openssh-client"
            ) from error
        except subprocess.CalledProcessError as error:
            raise model.Cannot(
                f"cannot make or read the key pair {self.folder / keys.IDENTITY}: {error.stderr.strip()}"
            ) from error

    @property
    def _groups(self) -> list[str | int] | None:
        return None if self.person.uid is None else []


def _remove_empty(folder: pathlib.Path) -> None:
    with contextlib.suppress(OSError):  # it has something in it, as it should
        folder.rmdir()
