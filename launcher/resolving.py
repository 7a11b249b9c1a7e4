"""The names of machines on this host itself: told to whoever writes its resolv.conf, and taken back."""

import contextlib
import dataclasses
import os
import pathlib
import signal
import subprocess
import typing
from collections.abc import Sequence

from launcher import host, images, model, nameservice

_NONE_HINT = "install systemd-resolved, NetworkManager with dnsmasq-base, or resolvconf, and try again"


class Commands(typing.Protocol):
    """Runs one command of this host; `Cannot` where it is not well."""

    def run(self, command: Sequence[str]) -> str: ...
    def hang_up(self, process: int) -> None: ...


class Shell:
    """The commands of this host."""

    def run(self, command: Sequence[str]) -> str:
        """Run it, and give what it says."""
        try:
            return "\n".join(images.Shell().lines(command))
        except OSError as error:
            raise model.Cannot(f"cannot run {command[0]}: {error.strerror}", hint=f"install {command[0]}") from error
        except subprocess.CalledProcessError as error:
            what = f"cannot do `{' '.join(command)}`: it ended with {error.returncode}"
            raise model.Cannot(what, hint="run it by itself to see why, and try again") from error

    def hang_up(self, process: int) -> None:
        """Have a service read its configuration again, unless it is gone."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGHUP)


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Resolver:
    """This host's resolver; `root` is where its files are, `commands` what its managers heed."""

    commands: Commands
    root: pathlib.Path = pathlib.Path("/")

    def manager(self) -> nameservice.Manager | None:
        """Tell who writes /etc/resolv.conf now."""
        path = self._at("/etc/resolv.conf")
        with contextlib.suppress(OSError):
            target = "/" + str(path.resolve().relative_to(self.root.resolve()))
            text = path.read_text(encoding="utf-8", errors="replace")
            openresolv = self._at("/etc/resolvconf.conf").exists()
            return nameservice.manager(target, text, openresolv=openresolv)
        return None

    def told(self) -> tuple[nameservice.Manager, ...]:
        """Name those that have been told, now or on an earlier day."""
        return tuple(by for by in nameservice.Manager if any(map(self._has, nameservice.own(by))))

    def turn_on(self, network: model.Network) -> nameservice.Manager:
        """Have the manager ask the network's name server for its names, and give who that is."""
        by = self.manager()
        if by is None:
            raise model.Cannot("cannot set up names on this host: nobody writes its /etc/resolv.conf", hint=_NONE_HINT)
        loopback = host.loopback_port(self._at(host.DIRECTORY)) == 53
        self._check(by, loopback=loopback)
        for other in self.told():
            if other is not by:
                self._untell(other)
        with contextlib.ExitStack() as undo:
            for text in nameservice.texts(by, nameservice.wish(network, loopback=loopback)):
                self._put(text, undo)
            undo.callback(self._try, nameservice.leave(by))
            for command in nameservice.told(by):
                self.commands.run(command)
            undo.pop_all()
        self._reload_named()
        return by

    def turn_off(self) -> tuple[nameservice.Manager, ...]:
        """Take back whatever was told to whomever, and give to whom."""
        had = self.told()
        for by in had:
            self._untell(by)
        if had and self._at(nameservice.FORWARDERS).exists():
            forward = host.forwarders(self._at("/etc/resolv.conf"), self._at(host.DIRECTORY))
            self._at(nameservice.FORWARDERS).write_text(forward, encoding="utf-8")
            self._reload_named()
        return had

    def _check(self, by: nameservice.Manager, *, loopback: bool) -> None:
        """Refuse what NetworkManager's dnsmasq would not start with; it gives no way to have it elsewhere."""
        if by is not nameservice.Manager.NETWORK_MANAGER:
            return
        if not any(self._at(f"{folder}/dnsmasq").exists() for folder in ("/usr/sbin", "/usr/local/sbin")):
            raise model.Cannot(
                "cannot have NetworkManager ask two name servers: it needs dnsmasq for that",
                hint="apt install dnsmasq-base",
            )
        if loopback:
            raise model.Cannot(
                "cannot have NetworkManager's dnsmasq on 127.0.0.1 port 53: the machines' name server is there",
                hint=f"write `listen-on port 1053 {{ 127.0.0.1; }};` into {host.DIRECTORY}/{host.NAMED_CONF}, "
                "systemctl reload fullhost-named, and try again",
            )

    def _untell(self, by: nameservice.Manager) -> None:
        bridge = ""
        if by is nameservice.Manager.RESOLVED:
            bridge = nameservice.of_unit(self._at(nameservice.UNIT).read_text(encoding="utf-8"))
        self._try(nameservice.leave(by))
        for text in nameservice.own(by):
            self._take(text)
        self._try(nameservice.untold(by, bridge))

    def _try(self, commands: tuple[tuple[str, ...], ...]) -> None:
        for command in commands:
            with contextlib.suppress(model.Cannot):  # a manager or a bridge that is gone has forgotten it as well
                self.commands.run(command)

    def _has(self, text: nameservice.Text) -> bool:
        path = self._at(text.path)
        if not text.shared:
            return path.exists()
        return path.exists() and nameservice.BEGIN in path.read_text(encoding="utf-8")

    def _put(self, text: nameservice.Text, undo: contextlib.ExitStack) -> None:
        path = self._at(text.path)
        before = path.read_text(encoding="utf-8") if path.exists() else None
        undo.callback(_restore, path, before)
        content = text.text
        if text.shared:
            content = nameservice.merged(before or "", content, first=path.name == "head")
        _write(path, content, text.mode if before is None else path.stat().st_mode & 0o777)

    def _take(self, text: nameservice.Text) -> None:
        path = self._at(text.path)
        if not self._has(text):
            return
        if text.shared:
            _restore(path, nameservice.without(path.read_text(encoding="utf-8")))
        else:
            path.unlink()

    def _reload_named(self) -> None:
        pid = self._at("/run/fullhost/named/named.pid")
        if pid.exists():
            self.commands.hang_up(int(pid.read_text(encoding="ascii")))

    def _at(self, path: str | pathlib.Path) -> pathlib.Path:
        return self.root / str(path).lstrip("/")


def _restore(path: pathlib.Path, before: str | None) -> None:
    if before is None:
        path.unlink(missing_ok=True)
    else:
        _write(path, before, path.stat().st_mode & 0o777)


def _write(path: pathlib.Path, content: str, mode: int) -> None:
    """Write a file as a whole: its reader may look at any time."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{path.name}.part")
        part.write_text(content, encoding="utf-8")
        part.chmod(mode)
        part.replace(path)
    except OSError as error:
        raise model.Cannot(f"cannot write {path}: {error.strerror}", hint="run this as root") from error
