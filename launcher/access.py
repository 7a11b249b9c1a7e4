"""The way into machines by ssh: the user's key is put in, and the host keys are learned through the engine."""

import io
import tarfile
import threading
import time
import typing
from collections.abc import Iterable, Sequence

from launcher import keys, model


class Files(typing.Protocol):
    """What of the files of machines is needed."""

    def read(self, container: str, path: str) -> str: ...
    def is_folder(self, container: str, path: str) -> bool: ...
    def store(self, container: str, path: str, archive: Iterable[bytes]) -> None: ...


class Ring(typing.Protocol):
    """What of the user's own ssh is needed."""

    def public_key(self) -> str: ...
    def learn(self, guest: keys.Guest) -> bool: ...
    def include(self) -> bool: ...
    def ssh(self, *words: str, quiet: bool = False) -> int: ...


class Access:
    """The use cases; `extra` are public keys that may log in besides the user's own."""

    def __init__(self, files: Files, ring: Ring, *, extra: tuple[str, ...] = ()) -> None:
        self._files, self._ring, self._extra = files, ring, extra
        self._told = threading.Event()

    def welcome(self, machine: model.Machine) -> str:
        """Open a machine that is up to ssh; nothing fails by it, and what it lacks is told once, not of each."""
        try:
            guest = self._guest(machine)
            if guest is not None:
                self._introduce(machine, guest, "root")
            elif self._extra:
                self._admit(machine, "root", self._extra)
        except model.Cannot as error:
            told = self._told.is_set()
            self._told.set()
            hint = f" ({error.hint})" if error.hint else ""
            return "" if told else f"ssh does not know it: {error}{hint}"
        return ""

    def prepare(self, machine: model.Machine, user: str) -> bool:
        """Have ssh log in to a machine without a question; tell whether the user's ssh_config was extended now."""
        guest = self._guest(machine)
        if guest is None:
            raise model.Cannot(
                f"cannot reach {machine.name} by ssh: it has no ssh server, or one without host keys in /etc/ssh",
                hint=f"fhv shell {machine.name} does without; or install openssh-server in it",
            )
        self._introduce(machine, guest, user)
        return self._ring.include()

    def log_in(self, machine: model.Machine, user: str, words: Sequence[str]) -> int:
        """Run ssh, and give its exit code."""
        return self._ring.ssh("-l", user, f"{machine.name}.{machine.domain}", *words)

    def _guest(self, machine: model.Machine) -> keys.Guest | None:
        return keys.guest(machine, [self._files.read(machine.container, path) for path in keys.HOST_KEYS])

    def _introduce(self, machine: model.Machine, guest: keys.Guest, user: str) -> None:
        """Make machine and user known to each other; a connection to who had the name before leads nowhere."""
        self._admit(machine, user, (self._ring.public_key(), *self._extra))
        if self._ring.learn(guest):
            self._ring.ssh("-O", "exit", guest.names[0], quiet=True)

    def _admit(self, machine: model.Machine, user: str, public: tuple[str, ...]) -> None:
        """Let keys log in as a user; what else is in the user's folder stays as it is."""
        container = machine.container
        account = keys.account(self._files.read(container, "/etc/passwd"), user, machine=machine.name)
        folder = f"{account.home.rstrip('/')}/.ssh"
        text = keys.authorized(self._files.read(container, f"{folder}/authorized_keys"), public)
        if text is not None:
            made = () if self._files.is_folder(container, folder) else (".ssh",)
            self._files.store(container, account.home, [_archive(text, account, folders=made)])


def _archive(text: str, account: keys.Account, *, folders: Iterable[str]) -> bytes:
    """Pack the file of those who may log in, and the folder where it is not there yet; sshd wants both closed."""
    packed, content = io.BytesIO(), text.encode()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name in folders:
            tar.addfile(_entry(name, account, mode=0o700, kind=tarfile.DIRTYPE))
        entry = _entry(".ssh/authorized_keys", account, mode=0o600)
        entry.size = len(content)
        tar.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


def _entry(name: str, account: keys.Account, *, mode: int, kind: bytes = tarfile.REGTYPE) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.type, entry.mode, entry.uid, entry.gid = kind, mode, account.uid, account.gid
    entry.mtime = int(time.time())
    return entry
