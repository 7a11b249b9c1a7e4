"""Images made on this machine, from nothing but Debian packages: no registry is asked."""

import io
import pathlib
import shutil
import tarfile

from tests.lab import commands, engine, place, trees

BUSYBOX = "fhlab/busybox"  # starts in milliseconds; has no /sbin/init
BUSYBOX_INIT = "fhlab/busybox-init"  # the same with busybox's own init
SYSTEMD = "fhlab/systemd"
SYSVINIT = "fhlab/sysvinit"

_TREES = {SYSTEMD: trees.SYSTEMD, SYSVINIT: trees.SYSVINIT}
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
# The host keys are each machine's own, so the ssh server makes them as it comes up for the first time.
_HOST_KEYS = {
    SYSTEMD: (
        "etc/systemd/system/ssh.service.d/keys.conf",
        b"[Service]\nExecStartPre=\nExecStartPre=/usr/bin/ssh-keygen -A\n",
    ),
    SYSVINIT: ("etc/default/ssh", b"SSHD_OPTS=\nssh-keygen -A >/dev/null\n"),
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
                _pack_busybox(part, init=image == BUSYBOX_INIT)
            part.rename(path)
    return path


def _pack_tree(image: str, part: pathlib.Path) -> None:
    tree = trees.ensure(_TREES[image])
    excluded = [f"--exclude={pattern}" for pattern in _LEFT_OUT]
    commands.run(["tar", "--create", f"--file={part}", f"--directory={tree}", *excluded, "."])
    with tarfile.open(part, "a") as tar:
        _add(tar, *_HOST_KEYS[image])
        _add(tar, "etc/machine-id", b"")


def _pack_busybox(part: pathlib.Path, *, init: bool) -> None:
    binary = shutil.which("busybox")
    if binary is None:
        raise commands.LabError("cannot make a busybox image: there is no busybox; install busybox-static")
    applets = set(commands.run([binary, "--list"]).split()) - {"busybox"}
    with tarfile.open(part, "w") as tar:
        tar.add(binary, "bin/busybox")
        for applet in sorted(applets):
            _link(tar, f"bin/{applet}", "busybox")
        for folder in ("etc", "proc", "root", "run", "sys", "tmp", "var"):
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(entry)
        if init:
            _link(tar, "sbin/init", "../bin/busybox")
            _add(tar, "etc/inittab", _INITTAB)


def _link(tar: tarfile.TarFile, name: str, target: str) -> None:
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname = tarfile.SYMTYPE, target
    tar.addfile(entry)


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(content), 0o644
    tar.addfile(entry, io.BytesIO(content))
