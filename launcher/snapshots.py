"""Snapshots, and what each act upon a machine takes from it: decisions, and the words for them."""

import re

from launcher import definition, model, specification, stock

_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")  # a tag of an image
_OWN = re.compile(r"snap([0-9]+)")

# The identity of a machine is in a few files; the script is run in a copy, before anything of it has started.
# Inits make a machine-id at their first boot; keys are made here, since not every image makes them then.
RENEW = (
    "set -e; if [ -e /etc/machine-id ]; then : >/etc/machine-id; fi; "
    "if [ ! -L /var/lib/dbus/machine-id ]; then rm -f /var/lib/dbus/machine-id; fi; "
    "rm -f /var/lib/systemd/random-seed /var/lib/systemd/credential.secret; "
    "if [ -e /etc/ssh ]; then rm -f /etc/ssh/ssh_host_*; "
    "if command -v ssh-keygen >/dev/null; then ssh-keygen -A >/dev/null; fi; fi"
)


def tag(machine: model.Machine, there: tuple[stock.Snapshot, ...], wanted: str) -> str:
    """Give the tag of the next snapshot: the one that is wanted, if it is free, or snap0, snap1 ... as Incus counts."""
    taken = {snapshot.tag for snapshot in there}
    if not wanted:
        last = max((int(match[1]) for name in taken if (match := _OWN.fullmatch(name))), default=-1)
        return f"snap{last + 1}"
    if not _TAG.fullmatch(wanted):
        raise model.Cannot(
            f"cannot call a snapshot {wanted!r}: that is no tag of an image",
            hint="a tag has up to 128 letters, digits, '_', '.' and '-', and does not begin with '.' or '-'",
        )
    if wanted in taken:
        raise model.Cannot(
            f"cannot take the snapshot {wanted} of {machine.name}: there is one of this tag",
            hint=f"give it another, or: fhv snapshot rm {machine.name} {wanted}",
        )
    return wanted


def choose(name: str, there: tuple[stock.Snapshot, ...], wanted: str) -> stock.Snapshot:
    """Give the snapshot of a machine that has the tag, or the newest."""
    found = [snapshot for snapshot in there if wanted in ("", snapshot.tag)]
    if found:
        return found[-1]
    listed = ", ".join(snapshot.tag for snapshot in there)
    if not listed:
        raise model.Cannot(f"cannot find a snapshot of {name}: there is none", hint=f"fhv snapshot {name}")
    raise model.Cannot(f"cannot find the snapshot {wanted} of {name}", hint=f"there are {listed}")


def not_held(machine: model.Machine) -> str:
    """Say what a copy of the machine does not have."""
    memory = " It is frozen meanwhile, as by a power cut: what programs have not written is missing."
    volumes = f"its volumes ({_inside(machine)}), " if machine.volumes else "volumes, "
    return (
        f"a copy of {machine.name} holds its files, without {volumes}memory, /run and /tmp."
        f"{memory if machine.runs else ''}"
    )


def lost(machine: model.Machine, since: str) -> str:
    """Say what a machine loses whose files become others."""
    stay = f" Its volumes stay as they are ({_inside(machine)})." if machine.volumes else ""
    stops = " It is stopped and started." if machine.runs else ""
    return f"the files of {machine.name} {since} are lost.{stay}{stops}"


def limits(words: tuple[str, ...]) -> specification.Limits:
    """Read `memory=2g` and `cpus=1.5`; what a machine cannot be given is refused."""
    body: dict[str, object] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if key not in ("memory", "cpus") or not equals:
            raise model.Cannot(f"cannot set {word!r}", hint="say memory=2g or cpus=1.5, or both")
        if key in body:
            raise model.Cannot(f"cannot set {key} twice", hint="leave one of them")
        body[key] = _number(value) if key == "cpus" else value
    try:
        found = specification.Limits(
            memory=definition.memory(body, where="the command"), cpus=definition.cpus(body, where="the command")
        )
    except model.Cannot as error:
        raise model.Cannot(f"cannot set it: {error}", hint=error.hint) from error
    return found


def limited(machine: model.Machine) -> str:
    """Say which limits a machine has."""
    memory = f"{machine.memory / 1024**2:g} MiB of memory" if machine.memory else "all memory"
    cpus = f"{machine.cpus:g} cpus" if machine.cpus else "all cpus"
    return f"{memory}, {cpus}"


def _number(text: str) -> object:
    return float(text) if re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", text) else text


def _inside(machine: model.Machine) -> str:
    return ", ".join(volume.split(":")[1] for volume in machine.volumes)
