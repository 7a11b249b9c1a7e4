"""Taking a lab away, whole or in the pieces that a killed run has left."""

import contextlib
import os
import pathlib
import shutil
import signal

from tests.lab import commands, place


def clear(where: place.Place) -> None:
    """End the processes of a lab, then take away its namespaces, control groups and files; all may be missing."""
    for name in _namespaces():
        if f"{name}-".startswith(f"{where.netns}-"):
            clear_namespace(name)
    _unmount(where.root)
    commands.wait(f"the control groups {where.cgroup} to empty", lambda: _ungrouped(where.cgroup), seconds=10)
    shutil.rmtree(where.root, ignore_errors=True)
    with contextlib.suppress(OSError):
        place.ROOT.rmdir()


def clear_namespace(name: str) -> None:
    """End every process in a network namespace and delete it; it may be missing.

    Nothing of a lab runs elsewhere: containers die with the pid namespace, whose first process is in here.
    """
    if name in _namespaces():
        commands.wait(f"the processes of {name} to end", lambda: _killed(name))
        commands.run(["ip", "netns", "delete", name])


def names() -> list[str]:
    """Return the names of all labs of which anything is there."""
    folders = place.ROOT.iterdir() if place.ROOT.is_dir() else ()
    spaces = (name.split("-")[1] for name in _namespaces() if name.startswith(f"{place.PREFIX}-"))
    return sorted({*(folder.name for folder in folders), *spaces})


def clear_abandoned() -> None:
    """Clear each lab that no living run holds and that was not left running on purpose."""
    for name in names():
        where = place.Place(name)
        with contextlib.suppress(place.Held), place.locked(where.lock, wait=False):
            if not where.kept.exists():
                clear(where)


def _namespaces() -> list[str]:
    return [line.split()[0] for line in commands.run(["ip", "netns", "list"]).splitlines() if line]


def _killed(netns: str) -> bool:
    """Kill what runs in `netns`; True when nothing is left there."""
    pids = commands.run(["ip", "netns", "pids", netns]).split()
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(pid), signal.SIGKILL)
    return not pids


def _unmount(folder: pathlib.Path) -> None:
    """Unmount what lies below `folder`, lest its removal reach into something else."""
    mounts = pathlib.Path("/proc/self/mountinfo").read_text().splitlines()
    for target in reversed([line.split()[4] for line in mounts]):
        if pathlib.Path(target).is_relative_to(folder):
            commands.run(["umount", "--lazy", target])


def _ungrouped(cgroup: str) -> bool:
    """Remove the control group, innermost first, in each hierarchy; False while one still has a process."""
    mounts = pathlib.Path("/proc/self/mountinfo").read_text().splitlines()
    roots = [line.split()[4] for line in mounts if line.partition(" - ")[2].startswith("cgroup")]
    try:
        for root in roots:
            for folder, _, _ in os.walk(pathlib.Path(root) / cgroup, topdown=False):
                pathlib.Path(folder).rmdir()
    except OSError:
        return False
    return True
