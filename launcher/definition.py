"""What is asked of one machine: by a section of `fhv.toml`, or by the TXT records of `_fhv.NAME` in the zone."""

import dataclasses
import fnmatch
import re
from collections.abc import Mapping

from launcher import model, specification

Texts = tuple[tuple[str, ...], ...]

_SIZE = re.compile(r"(?P<number>[0-9]{1,18})(?P<unit>[bkmg]?)", re.IGNORECASE)
_UNITS = {"": 1, "b": 1, "k": 1024, "m": 1024**2, "g": 1024**3}
_MOST = 2**62  # the engine reckons in 64 bits with a sign
_PAIR = re.compile(r"(?P<key>[a-z]+)=(?P<value>[A-Za-z0-9][A-Za-z0-9._:/@,-]*|-[0-9]+)")


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Definition:
    """What one place asks for, None where it says nothing; memory in octets, cpus in cores, delay in seconds.

    The words are those of Incus: `autostart` or not; `priority`, of which the highest starts first; `delay` before
    the next ones. `after` are the machines that have to be up before this one is started.
    """

    image: str | None = None
    memory: int | None = None
    cpus: float | None = None
    volumes: tuple[str, ...] | None = None
    environment: Mapping[str, str] | None = None
    autostart: bool | None = None
    priority: int | None = None
    delay: float | None = None
    after: tuple[str, ...] | None = None
    resolver: specification.Resolver | None = None

    def over(self, spec: specification.Spec) -> specification.Spec:
        """Lay it over what is asked for so far: volumes and variables are added, all else is replaced."""
        said = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        said = {key: value for key, value in said.items() if value is not None}
        if self.volumes is not None:
            inside = {_inside(volume) for volume in self.volumes}
            said["volumes"] = (*(v for v in spec.volumes if _inside(v) not in inside), *self.volumes)
        if self.environment is not None:
            said["environment"] = {**spec.environment, **self.environment}
        return dataclasses.replace(spec, **said)


KEYS = frozenset(field.name for field in dataclasses.fields(Definition))
TEXT_KEYS = KEYS - {"volumes", "environment"}  # who writes the zone is given no file of this host


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Permission:
    """What TXT records may ask for, by default nothing; `memory` and `cpus` are the most of each, 0 for any.

    `images` are patterns as of file names: `*` ends at a slash.
    """

    allow: frozenset[str] = frozenset()
    images: tuple[str, ...] = ()
    memory: int = 0
    cpus: float = 0.0


def table(body: Mapping[str, object], *, where: str) -> Definition:
    """Read a table of `fhv.toml` that holds the keys of a definition and no other."""
    refuse_unknown(body, KEYS, where=where)
    return Definition(
        image=text(body, "image", where=where),
        memory=memory(body, where=where),
        cpus=cpus(body, where=where),
        volumes=_volumes(body.get("volumes"), where=where),
        environment=_environment(body.get("environment"), where=where),
        autostart=_autostart(body.get("autostart"), where=where),
        priority=_priority(body.get("priority"), where=where),
        delay=_delay(body.get("delay"), where=where),
        after=names(body, "after", where=where),
        resolver=_resolver(body.get("resolver"), where=where),
    )


def texts(records: Texts, permission: Permission, *, name: str) -> Definition:
    """Read the TXT records of `_fhv.NAME`: `key=value` between blanks, in as many strings and records as one likes.

    A string ends a pair, as in RFC 6763, section 6.1; the order of pairs means nothing, since DNS keeps no order of
    records. What is not known, said twice or not allowed is refused, and with it all that is asked for.
    """
    where = f"the TXT record of _fhv.{name}"
    body: dict[str, object] = {}
    for pair in " ".join(string for record in records for string in record).split(" "):
        if not pair:
            continue
        match = _PAIR.fullmatch(pair)
        if match is None:
            raise model.Cannot(f"{where} has {pair!r}, which is no key=value", hint='write it as "memory=2g cpus=1.5"')
        if match["key"] in body:
            raise model.Cannot(f"{where} says {match['key']} twice", hint="leave one of them in the zone")
        body[match["key"]] = match["value"]
    refuse_unknown(body, TEXT_KEYS, where=where)
    for key in sorted(body.keys() - permission.allow):
        raise model.Cannot(
            f"{where} asks for {key}, which fhv.toml does not allow",
            hint=f'write [txt] allow = ["{key}"] into fhv.toml, or take {key} out of the zone',
        )
    asked = table({key: _typed(key, str(value)) for key, value in body.items()}, where=where)
    _refuse_beyond(asked, permission, where=where)
    return asked


def _typed(key: str, value: str) -> object:
    """Give a value of a TXT record as TOML would have it; what it cannot be stays a text, and is refused as one."""
    match key:
        case "autostart":
            return {"true": True, "false": False}.get(value, value)
        case "priority":
            return int(value) if re.fullmatch(r"-?[0-9]{1,9}", value) else value
        case "cpus" | "delay":
            return float(value) if re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", value) else value
        case "after":
            return value.split(",")
        case _:
            return value


def _refuse_beyond(asked: Definition, permission: Permission, *, where: str) -> None:
    if asked.image is not None and not any(_fits(asked.image, pattern) for pattern in permission.images):
        raise model.Cannot(
            f"{where} asks for the image {asked.image}, which fhv.toml does not allow",
            hint=f'write [txt] images = ["{asked.image}"] into fhv.toml, or name one of its images',
        )
    if asked.memory == 0:  # to the engine, 0 is no limit
        raise model.Cannot(f"{where} asks for no limit of memory", hint="write a size, as memory=512m")
    for what, wanted, most in (("memory", asked.memory, permission.memory), ("cpus", asked.cpus, permission.cpus)):
        if wanted and most and wanted > most:
            said = [specification.size(n) if isinstance(n, int) else f"{n:g}" for n in (wanted, most)]
            raise model.Cannot(
                f"{where} asks for {what}={said[0]}, and fhv.toml allows {said[1]}",
                hint=f"ask for less, or raise {what} of [txt] in fhv.toml",
            )


def _fits(image: str, pattern: str) -> bool:
    parts, patterns = image.split("/"), pattern.split("/")
    return len(parts) == len(patterns) and all(map(fnmatch.fnmatchcase, parts, patterns))


def refuse_unknown(body: Mapping[str, object], known: frozenset[str], *, where: str) -> None:
    """Refuse the first key that is not among the `known`."""
    for key in body:
        if key not in known:
            raise model.Cannot(f"{where} has the unknown key {key!r}", hint=f"known are {', '.join(sorted(known))}")


def text(body: Mapping[str, object], key: str, *, where: str) -> str | None:
    """Read a text that is not empty; None where there is none."""
    value = body.get(key)
    if value is not None and (not isinstance(value, str) or not value):
        raise model.Cannot(f"{key} of {where} is {value!r}, which is no text", hint=f'write {key} = "..."')
    return value


def names(body: Mapping[str, object], key: str, *, where: str) -> tuple[str, ...] | None:
    """Read a list of names, each one DNS label in lower case."""
    value = body.get(key)
    if value is None:
        return None
    if not isinstance(value, list) or not all(isinstance(n, str) and model.NAME.fullmatch(n) for n in value):
        raise model.Cannot(f"{key} of {where} is {value!r}, which is no list of names", hint=f'write {key} = ["db"]')
    return tuple(value)


def memory(body: Mapping[str, object], *, where: str) -> int | None:
    """Read a size as docker has it, in octets."""
    value = body.get("memory")
    if value is None:
        return None
    match = _SIZE.fullmatch(value) if isinstance(value, str) else None
    size = int(match["number"]) * _UNITS[match["unit"].lower()] if match else _MOST
    if size >= _MOST:
        raise model.Cannot(f"memory of {where} is {value!r}, which is no size", hint='write it as "512m" or "2g"')
    return size


def cpus(body: Mapping[str, object], *, where: str) -> float | None:
    """Read a number of cores, which may be a part of one."""
    value = body.get("cpus")
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e6:
        raise model.Cannot(f"cpus of {where} is {value!r}, which is no number of cores", hint="write it as 1.5")
    return float(value)


def _autostart(value: object, *, where: str) -> bool | None:
    if value is not None and not isinstance(value, bool):
        raise model.Cannot(f"autostart of {where} is {value!r}, which is neither true nor false", hint="write one")
    return value


def _priority(value: object, *, where: str) -> int | None:
    if value is not None and (isinstance(value, bool) or not isinstance(value, int)):
        raise model.Cannot(f"priority of {where} is {value!r}, which is no whole number", hint="write it as 10")
    return value


def _delay(value: object, *, where: str) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 3600:
        raise model.Cannot(
            f"delay of {where} is {value!r}, which is no number of seconds up to 3600", hint="write it as 5"
        )
    return float(value)


def _resolver(value: object, *, where: str) -> specification.Resolver | None:
    known = list(specification.Resolver)
    if value is not None and value not in known:
        raise model.Cannot(f"resolver of {where} is {value!r}", hint=f"write one of {', '.join(known)}")
    return None if value is None else specification.Resolver(str(value))


def _inside(volume: str) -> str:
    """Give where a volume is inside the machine: SOURCE:TARGET, or SOURCE:TARGET:OPTIONS."""
    return volume.split(":")[1]


def _volumes(value: object, *, where: str) -> tuple[str, ...] | None:
    if value is None:
        return None
    if not isinstance(value, list) or not all(isinstance(item, str) and ":" in item for item in value):
        raise model.Cannot(
            f"volumes of {where} is {value!r}, which is no list of volumes", hint='write ["/srv/web:/srv"]'
        )
    return tuple(value)


def _environment(value: object, *, where: str) -> Mapping[str, str] | None:
    if value is None:
        return None
    if not isinstance(value, dict) or not all(isinstance(item, str) for item in value.values()):
        raise model.Cannot(
            f"environment of {where} is {value!r}, which is no table of texts", hint='write { NAME = "value" }'
        )
    return value
