"""What is to be done with one machine, and what the engine is told to make it."""

import contextlib
import enum
import re
import types

from launcher import model, prologue, specification


class Action(enum.StrEnum):
    """The step that takes a machine from its present state to running."""

    CREATE = "create"
    START = "start"
    UNPAUSE = "unpause"
    NOTHING = "nothing"


DONE = types.MappingProxyType(
    {
        Action.CREATE: "created",
        Action.START: "continued",
        Action.UNPAUSE: "continued",
        Action.NOTHING: "up already",
    }
)

KILLED = 137  # 128 + SIGKILL, the exit code of what the engine killed
HAD_TO_BE_KILLED = "killed: its init did not end it in time"


def action(machine: model.Machine | None, *, name: str) -> Action:
    """Decide how `name` is created or continued; a container that is not ours is left alone."""
    if machine is None:
        return Action.CREATE
    if not machine.ours:
        raise model.Cannot(
            f"cannot start {name}: a container of this name is there, and fhv did not make it",
            hint=f"docker rename {name} NEWNAME, then fhv start {name}",
        )
    match machine.state:
        case model.State.CREATED | model.State.EXITED:
            return Action.START
        case model.State.PAUSED:
            return Action.UNPAUSE
        case model.State.RUNNING | model.State.RESTARTING:
            return Action.NOTHING
        case model.State.REMOVING | model.State.DEAD:
            raise model.Cannot(
                f"cannot start {name}: the engine is removing it (state {machine.state})",
                hint=f"fhv rm --force {name}, then fhv start {name}",
            )


def drift(machine: model.Machine, member: model.Member) -> str:
    """Say where a machine that is there is no longer what the zone says."""
    if any(machine.addresses) and any(member.addresses) and machine.addresses != member.addresses:
        return f"it has {machine.addresses}, and DNS gives it {member.addresses} now: fhv restart {machine.name}"
    if set(machine.aliases) != set(member.aliases):
        old, new = (", ".join(sorted(names)) or "none" for names in (machine.aliases, member.aliases))
        return f"its aliases are {old}, and in DNS {new} now: fhv apply {machine.name}"
    return ""


def creation(
    member: model.Member, spec: specification.Spec, network: model.Network, boot: model.Boot, *, origin: str
) -> model.Creation:
    """Put together everything that makes the machine; the name server is ours where it listens on port 53.

    `origin` is the image that the one of the specification came from: itself, unless that is a snapshot.
    """
    labels = {
        model.MACHINE_LABEL: member.name,
        model.INIT_LABEL: boot.init,
        model.DOMAIN_LABEL: network.domain,
        model.IMAGE_LABEL: origin,
        model.RESOLVER_LABEL: spec.resolver,
    }
    return model.Creation(
        name=member.name,
        domain=network.domain,
        image=spec.image,
        network=network.name,
        aliases=member.aliases,
        labels=labels,
        boot=prologue.before(boot, network, spec.resolver, member),
        volumes=(*boot.volumes, *spec.volumes),
        environment={**boot.environment, **spec.environment},
        memory=spec.memory,
        cpus=spec.cpus,
        dns=(str(prologue.server(network, member)),) if network.dns_port == 53 else (),
        dns_search=(network.domain,),
        autostart=spec.autostart,
        address=member.address,
    )


def removable(names: tuple[str, ...], machines: tuple[model.Machine, ...], *, force: bool) -> tuple[str, ...]:
    """Give those of the machines that a person names that are removed: those that run by force only."""
    found: dict[str, None] = {}
    for name in names:
        with contextlib.suppress(model.Cannot):
            machine = find(machines, name, verb="rm")
            found |= {machine.name: None} if force or not machine.runs else {}
    return tuple(found)


def removed(machine: model.Machine) -> str:
    """Say what was removed, and what was not."""
    return f"removed; its volumes stay: {', '.join(machine.volumes)}" if machine.volumes else "removed"


_ACTS = types.MappingProxyType(
    {
        "rm": "remove",
        "shell": "open a shell on",
        "logs": "show the console of",
        "console": "sit down at the console of",
        "exec": "run a command on",
        "ssh": "log in to",
        "top": "look at",
        "status": "examine",
        "set": "set the limits of",
        "snapshot": "take a snapshot of",
    }
)


def act(verb: str) -> str:
    """Say in words what a command does to a machine, as "cannot ACT NAME" has it."""
    return _ACTS.get(verb, verb)


def shown(text: str) -> str:
    """Give what a person typed as it can stand in a sentence."""
    return text if re.fullmatch(r"[\w.@-]+", text) else repr(text)


def find(machines: tuple[model.Machine, ...], text: str, *, verb: str) -> model.Machine:
    """Give the machine that a person means by `text`, among those that the engine has."""
    wanted = text.lower().removesuffix(".")
    for machine in machines:
        if wanted in (machine.name, f"{machine.name}.{machine.domain}"):
            return machine
    for machine in machines:
        if wanted.removesuffix(f".{machine.domain}") in machine.aliases:
            raise model.Cannot(
                f"cannot {act(verb)} {text}: it is an alias of the machine {machine.name}",
                hint=f"fhv {verb} {machine.name}",
            )
    raise model.Cannot(
        f"cannot {act(verb)} {shown(text)}: there is no machine of this name",
        hint="fhv list shows the machines there are",
    )


# Escape sequences of ECMA-48 and lone carriage returns: what a console draws with, and a sentence cannot.
_DRAWING = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b[()][0-9A-Za-z]|\x1b[@-Z\\-_=>78]|\r")


def last_words(console: str, *, lines: int = 8) -> str:
    """Give the last lines of a console as plain text, to be shown with the reason of a failure."""
    plain = [line.rstrip() for line in _DRAWING.sub("", console).splitlines()]
    return "\n".join([line for line in plain if line][-lines:])


def distinct(names: tuple[str, ...], machines: tuple[model.Machine, ...]) -> tuple[str, ...]:
    """Leave out what names a machine a second time, in other letters or with the domain."""
    seen: dict[str, str] = {}
    for name in names:
        try:
            machine = find(machines, name, verb="find").container
        except model.Cannot:
            machine = name
        seen.setdefault(machine, name)
    return tuple(seen.values())
