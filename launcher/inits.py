"""The table of init systems: how each is known, booted without privileges, asked whether it is up, and stopped.

A container starts with the signals and the capabilities of an ordinary process, and every init wants something
else of them. What one needs follows from the table, the engine's version and the host's cgroup layout alone.
"""

import dataclasses
import enum
import functools
import types
from collections.abc import Callable, Mapping

from launcher import model

# What tells inits apart, in the image's own file system: where a link leads, "" for a file, no key where nothing is.
PROBED = ("/sbin/init", "/sbin/initctl", "/etc/inittab")

# Docker mounts a tmpfs noexec and world-writable unless told otherwise.
_TMPFS = ("/run:mode=755,exec", "/run/lock:mode=1777", "/tmp:mode=1777,exec")  # noqa: S108 - the machine's own

# Without it halt(8) and reboot(8) end with EPERM, the machine never stops and is killed after the stop timeout.
# In a PID namespace of its own reboot(2) ends that namespace only (kernel/pid_namespace.c, reboot_pid_ns).
_SYS_BOOT = types.MappingProxyType({"SYS_BOOT": "its init ends the machine with reboot(2)"})

# The level is set before its services are started, so it alone does not say that they are: rc must have ended too.
# The pattern does not match the command line that it stands in.
_RUNLEVEL = (
    "/bin/sh",
    "-c",
    'runlevel; cat /proc/[0-9]*/cmdline 2>/dev/null | tr "\\0" " " | grep -oE "/bin/(ba)?sh /etc/(init|rc)[.]d/rc"',
)

# The level is set before its services are started, and this file is there until they are.
_OPENRC = "rc-status -r | grep -qx default && ! test -e /run/openrc/rc.starting"

# On ctrl-alt-del runit runs this program, which warns those who are logged in and gives them 14 seconds. On SIGCONT
# it would end at once, but only where a file allows it that each boot takes away: what the engine alone has started
# could not be stopped.
_RUNIT_AT_ONCE = "sed -i 's/sleep 14$/sleep 0/' /etc/runit/ctrlaltdel"


class Progress(enum.StrEnum):
    """How far an init is; `ASKS` means that it waits to be told which runlevel to enter.

    `HELD` is a machine whose init is not started yet, since the host has booted.
    """

    BOOTING = "booting"
    ASKS = "asks"
    UP = "up"
    DEGRADED = "degraded"
    HELD = "held: it waits for its turn"
    FAILED = "failed"


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Init:
    """One row: `proven` names the releases that were booted and stopped on real engines, "" where none could be.

    `before` is done in the container before its init is started, each time.
    """

    name: str
    ask: tuple[str, ...]
    judge: Callable[[model.Answer], Progress]
    stop_signal: str
    proven: str
    before: str = ""
    go: tuple[str, ...] = ()
    blame: tuple[str, ...] = ()
    environment: Mapping[str, str] = dataclasses.field(default_factory=dict)
    capabilities: Mapping[str, str] = dataclasses.field(default_factory=dict)


def recognise(files: Mapping[str, str], *, image: str) -> Init:
    """Tell from the probed files of an image which init it boots."""
    if "/sbin/init" not in files:
        raise model.Cannot(
            f"cannot boot {image}: it has no /sbin/init, so it is no machine",
            hint="fhv image bootstrap debian --suite bookworm, or add an init such as systemd-sysv to the image",
        )
    target = files["/sbin/init"].rsplit("/", 1)[-1]
    by_target = {"runit-init": "runit", "openrc-init": "openrc"}
    name = by_target.get(target, target)
    if name in INITS:
        return INITS[name]
    if "/sbin/initctl" in files and not target:
        return INITS["upstart"]
    if "/etc/inittab" in files and not target:
        return INITS["sysvinit"]
    what = f"its /sbin/init leads to {target}, which" if target else "its /sbin/init"
    raise model.Cannot(
        f"cannot boot {image}: {what} is no init that fhv knows",
        hint=f"known are {', '.join(INITS)}",
    )


def boot(init: Init, host: model.Host) -> model.Boot:
    """Give what the container of this init needs on this host."""
    plain = model.Boot(
        init=init.name,
        stop_signal=init.stop_signal,
        tmpfs=_TMPFS,
        environment=init.environment,
        capabilities=init.capabilities,
    )
    if init.before:
        plain = dataclasses.replace(plain, command=("/bin/sh", "-c", f"{init.before}; exec /sbin/init"))
    return _systemd(plain, host) if init.name == "systemd" else plain


def _systemd(plain: model.Boot, host: model.Host) -> model.Boot:
    """Let systemd have control groups: it mounts nothing itself and ends where it can make no group."""
    if host.cgroup == 1:
        # Of the hierarchies only systemd's own, which has no controller, has to be writable. The whole tree bound
        # read-only, as older recipes have it, gives the rest away too, and from 25.0 on it is read-only in depth.
        return dataclasses.replace(plain, volumes=("/sys/fs/cgroup/systemd:/sys/fs/cgroup/systemd:rw",))
    if host.engine >= (28, 0):
        # moby #48828; the option takes the mount from read-only to rw within the machine's own namespace.
        return dataclasses.replace(plain, security=("writable-cgroups=true",), private_cgroups=True)
    # moby #42275: before 28.0 the mount is read-only whatever is asked, so the machine takes that away itself,
    # and docker-default of AppArmor denies every mount. Host's groups bound rw would need less, but share them all.
    return dataclasses.replace(
        plain,
        command=("/bin/sh", "-c", "mount -o remount,rw /sys/fs/cgroup && exec /sbin/init"),
        capabilities={"SYS_ADMIN": "engines before 28.0 mount /sys/fs/cgroup read-only, and systemd needs it writable"},
        security=("apparmor=unconfined",) if host.apparmor else (),
        private_cgroups=True,
    )


def _judge_systemd(answer: model.Answer) -> Progress:
    """Read the word of `systemctl is-system-running`; before D-Bus answers there is none."""
    words = answer.output.split()
    match words[-1] if words else "":
        case "running":
            return Progress.UP
        case "degraded":
            return Progress.DEGRADED
        case "maintenance" | "stopping":
            return Progress.FAILED
        case _:
            return Progress.BOOTING


def _runlevel(answer: model.Answer) -> str:
    """Give the runlevel of which all services are started, "" while some are not, "?" where none was entered."""
    lines = [line for line in answer.output.splitlines() if line.strip()]
    if len(lines) != 1:
        return ""
    words = lines[0].split()
    if words == ["unknown"] or words[0].startswith("runlevel:"):  # of Upstart, without a utmp
        return "?"
    return words[1] if len(words) == 2 and words[1] in {"1", "2", "3", "4", "5", "S"} else ""


def _judge_runlevel(answer: model.Answer, *, none: Progress) -> Progress:
    """Wait for the default runlevel first: told earlier, init ends the boot scripts of rcS half-way.

    `none` is what it means that no level was entered.
    """
    match _runlevel(answer):
        case "3" | "4" | "5":
            return Progress.UP
        case "2":
            return Progress.ASKS
        case "1" | "S":
            return Progress.FAILED
        case "?":
            return none
        case _:
            return Progress.BOOTING


def _judge_exit_code(answer: model.Answer) -> Progress:
    return Progress.UP if answer.exit_code == 0 else Progress.BOOTING


INITS = types.MappingProxyType(
    {
        row.name: row
        for row in (
            Init(
                name="systemd",
                # --wait is known from 240 on; older ones answer the second question, and are asked again. Bounded in
                # the machine too: who asked goes away, and what waits for a boot that never ends would stay.
                ask=("/bin/sh", "-c", "timeout 5 systemctl is-system-running --wait || systemctl is-system-running"),
                judge=_judge_systemd,
                blame=("systemctl", "--failed", "--plain", "--no-legend", "--no-pager"),
                stop_signal="SIGRTMIN+3",
                proven="Debian 12, 13 and forky, systemd 252, 257 and 262",
                environment={"container": "docker"},
            ),
            Init(
                name="sysvinit",
                ask=_RUNLEVEL,
                judge=functools.partial(_judge_runlevel, none=Progress.BOOTING),
                go=("telinit", "3"),
                stop_signal="SIGINT",  # ctrlaltdel of /etc/inittab
                capabilities=_SYS_BOOT,
                proven="Debian 12, sysvinit 3.06",
            ),
            Init(
                name="upstart",
                ask=_RUNLEVEL,
                # It waits for devices and interfaces that no container announces, and is told to go on. Where nobody
                # has made utmp(5) in the new /run, it could not note the level that it enters.
                judge=functools.partial(_judge_runlevel, none=Progress.ASKS),
                go=("/bin/sh", "-c", ": >>/var/run/utmp; telinit 3"),
                stop_signal="SIGINT",  # control-alt-delete.conf
                capabilities=_SYS_BOOT,
                proven="Debian 12, Upstart 1.13.2 of its source",
            ),
            Init(
                name="openrc",
                ask=("/bin/sh", "-c", _OPENRC),
                judge=_judge_exit_code,
                stop_signal="SIGINT",
                capabilities=_SYS_BOOT,
                proven="Debian 12, OpenRC 0.45",
            ),
            Init(
                name="runit",
                ask=("/bin/sh", "-c", "pidof runsvdir"),
                before=_RUNIT_AT_ONCE,
                judge=_judge_exit_code,
                stop_signal="SIGINT",
                capabilities=_SYS_BOOT,
                proven="Debian 12, runit 2.1.2",
            ),
            Init(
                name="busybox",
                # It has no word for "up": when it answers at all, sysinit of its inittab is at work or done. What that
                # starts may have one, as OpenRC on Alpine.
                ask=("/bin/busybox", "sh", "-c", f"! command -v rc-status >/dev/null || {{ {_OPENRC}; }}"),
                judge=_judge_exit_code,
                stop_signal="SIGUSR2",
                proven="BusyBox 1.35, by itself and with OpenRC",
            ),
        )
    }
)
