"""Images made on this machine, from nothing but Debian packages: no registry is asked."""

import io
import pathlib
import shutil
import tarfile

from tests.lab import commands, engine, place, trees

BUSYBOX = "fhlab/busybox"  # starts in milliseconds; has no /sbin/init
BUSYBOX_INIT = "fhlab/busybox-init"  # the same with busybox's own init
SPOILED = "fhlab/spoiled"  # the same with an init that ends at once
SYSTEMD = "fhlab/systemd"
SYSTEMD_TRIXIE = "fhlab/systemd-trixie"
SYSTEMD_FORKY = "fhlab/systemd-forky"
SYSVINIT = "fhlab/sysvinit"
OPENRC = "fhlab/openrc"
BUSYBOX_OPENRC = "fhlab/busybox-openrc"  # busybox's init brings OpenRC up, as Alpine has it
RUNIT = "fhlab/runit"
INITS = (SYSTEMD, SYSTEMD_TRIXIE, SYSTEMD_FORKY, SYSVINIT, OPENRC, BUSYBOX_OPENRC, RUNIT, BUSYBOX_INIT)

_TREES = {
    SYSTEMD: trees.SYSTEMD,
    SYSTEMD_TRIXIE: trees.SYSTEMD_TRIXIE,
    SYSTEMD_FORKY: trees.SYSTEMD_FORKY,
    SYSVINIT: trees.SYSVINIT,
    OPENRC: trees.OPENRC,
    BUSYBOX_OPENRC: trees.OPENRC,
    RUNIT: trees.RUNIT,
}
# Debian's packages leave /sbin/init to who installs the machine.
_LINKS = {OPENRC: {"usr/sbin/init": "openrc-init"}, BUSYBOX_OPENRC: {"usr/sbin/init": "../bin/busybox"}}
# What a machine needs not, and what may not be the same on any two.
_LEFT_OUT = (
    "./dev/*",
    "./etc/default/ssh",
    "./etc/machine-id",
    "./etc/ssh/ssh_host_*",
    "./usr/share/doc/*",
    "./usr/share/locale/*",
    "./usr/share/man/*",
    "./var/cache/*",
    "./var/lib/apt/lists/*",
)
_INITTAB = b"::sysinit:/bin/true\n::respawn:/bin/sleep 3600\n::ctrlaltdel:/bin/true\n"
_ALPINE = b"""\
::sysinit:/sbin/openrc sysinit
::sysinit:/sbin/openrc boot
::wait:/sbin/openrc default
::shutdown:/sbin/openrc shutdown
"""
_SSH_UNIT = b"[Service]\nExecStartPre=\nExecStartPre=/usr/bin/ssh-keygen -A\n"
_FILES = {
    # The host keys are each machine's own, so the ssh server makes them as it comes up for the first time.
    SYSTEMD: {"etc/systemd/system/ssh.service.d/keys.conf": _SSH_UNIT},
    SYSVINIT: {"etc/default/ssh": b"SSHD_OPTS=\nssh-keygen -A >/dev/null\n"},
    BUSYBOX_OPENRC: {"etc/inittab": _ALPINE},
}


def ensure(on: engine.Engine, image: str) -> str:
    """Have `image`, one of those above, on the engine; return its name."""
    if not commands.works([*on.enter, "docker", "image", "inspect", image]):
        command = "/bin/sh" if image == BUSYBOX else "/sbin/init"
        with _archive(image).open("rb") as file:
            on.docker("import", "--change", f'CMD ["{command}"]', "-", image, stdin=file, timeout=300)
    return image


def _archive(image: str) -> pathlib.Path:
    """Return the tar file that `image` is imported from, made now if there is none as this module makes it."""
    name = image.replace("/", "-")
    path = place.cache() / f"{name}.tar"
    with place.locked(name):
        if not path.exists() or path.stat().st_mtime < pathlib.Path(__file__).stat().st_mtime:
            part = path.with_suffix(".part")
            if image in _TREES:
                _pack_tree(image, part)
            else:
                _pack_busybox(part, image)
            part.rename(path)
    return path


def _pack_tree(image: str, part: pathlib.Path) -> None:
    tree = trees.ensure(_TREES[image])
    excluded = [f"--exclude={pattern}" for pattern in _LEFT_OUT]
    commands.run(["tar", "--create", f"--file={part}", f"--directory={tree}", *excluded, "."])
    with tarfile.open(part, "a") as tar:
        for name, target in _LINKS.get(image, {}).items():
            _link(tar, name, target)
        for name, content in _FILES.get(image, {}).items():
            _add(tar, name, content)
        _add(tar, "etc/machine-id", b"")
        if image == BUSYBOX_OPENRC:
            tar.add(_busybox(), "usr/bin/busybox")


def _busybox() -> str:
    binary = shutil.which("busybox")
    if binary is None:
        raise commands.LabError("cannot make a busybox image: there is no busybox; install busybox-static")
    return binary


def _pack_busybox(part: pathlib.Path, image: str) -> None:
    binary = _busybox()
    applets = set(commands.run([binary, "--list"]).split()) - {"busybox"}
    with tarfile.open(part, "w") as tar:
        tar.add(binary, "bin/busybox")
        for applet in sorted(applets):
            _link(tar, f"bin/{applet}", "busybox")
        for folder in ("etc", "proc", "root", "run", "sys", "tmp", "var"):
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(entry)
        if image == BUSYBOX_INIT:
            _link(tar, "sbin/init", "../bin/busybox")
            _add(tar, "etc/inittab", _INITTAB)
        if image == SPOILED:
            _link(tar, "sbin/init", "../lib/systemd/systemd")
            _add(tar, "lib/systemd/systemd", b"#!/bin/sh\necho cannot mount the root\nexit 3\n", mode=0o755)


def _link(tar: tarfile.TarFile, name: str, target: str) -> None:
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname = tarfile.SYMTYPE, target
    tar.addfile(entry)


def _add(tar: tarfile.TarFile, name: str, content: bytes, *, mode: int = 0o644) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(content), mode
    tar.addfile(entry, io.BytesIO(content))
