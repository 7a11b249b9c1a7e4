"""`fhv.toml`: what image a machine is made from, on which network, and what one machine has that others have not."""

import dataclasses
import pathlib
import re
import tomllib
from collections.abc import Mapping

from launcher import model

IMAGE = "fullhost/debian:bookworm"
NETWORK = "fullhost"
PATH = pathlib.Path("/etc/fullhost/fhv.toml")

_SIZE = re.compile(r"(?P<number>[0-9]+)(?P<unit>[bkmg]?)", re.IGNORECASE)
_UNITS = {"": 1, "b": 1, "k": 1024, "m": 1024**2, "g": 1024**3}


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """The whole file; `machines` holds the specifications of those that have a section of their own."""

    common: model.Spec
    machines: Mapping[str, model.Spec]

    def spec(self, name: str) -> model.Spec:
        """Give what the file asks of the machine `name`."""
        return self.machines.get(name, self.common)


def load(path: pathlib.Path = PATH, *, required: bool = False) -> Config:
    """Read the file at `path`; one that is not there stands for the defaults, unless it was asked for by name."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        if required:
            raise model.Cannot(
                f"cannot read {path}: there is no such file", hint="FHV_CONFIG names it; unset it for the default"
            ) from error
        text = ""
    except (OSError, UnicodeDecodeError) as error:
        raise model.Cannot(f"cannot read {path}: {error}") from error
    try:
        return parse(text)
    except model.Cannot as error:
        raise model.Cannot(f"cannot use {path}: {error}", hint=error.hint) from error


def parse(text: str) -> Config:
    """Turn the text of the file into specifications; a key that is not known is refused by name."""
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise model.Cannot(f"it is not TOML: {error}") from error
    sections = table.pop("machine", {})
    _refuse_unknown(table, {"image", "network", "machine"}, where="the file")
    common = model.Spec(
        image=_text(table, "image", IMAGE, where="the file"),
        network=_text(table, "network", NETWORK, where="the file"),
    )
    if not isinstance(sections, dict):
        raise model.Cannot("machine is no table", hint="write [machine.NAME]")
    return Config(common=common, machines={name: _section(name, body, common) for name, body in sections.items()})


def _section(name: str, body: object, common: model.Spec) -> model.Spec:
    where = f"[machine.{name}]"
    if not model.NAME.fullmatch(name):
        raise model.Cannot(
            f"{where} is of no machine: a name is one DNS label in lower case", hint="name it as fhv does"
        )
    if not isinstance(body, dict):
        raise model.Cannot(f"machine.{name} is no table", hint=f"write {where}")
    _refuse_unknown(body, {"image", "memory", "cpus", "volumes", "environment"}, where=where)
    return dataclasses.replace(
        common,
        image=_text(body, "image", common.image, where=where),
        memory=_memory(body.get("memory"), where=where),
        cpus=_cpus(body.get("cpus"), where=where),
        volumes=_volumes(body.get("volumes", []), where=where),
        environment=_environment(body.get("environment", {}), where=where),
    )


def _refuse_unknown(table: Mapping[str, object], known: set[str], *, where: str) -> None:
    for key in table:
        if key not in known:
            raise model.Cannot(f"{where} has the unknown key {key!r}", hint=f"known are {', '.join(sorted(known))}")


def _text(table: Mapping[str, object], key: str, default: str, *, where: str) -> str:
    value = table.get(key, default)
    if not isinstance(value, str) or not value:
        raise model.Cannot(f"{key} of {where} is {value!r}, which is no text", hint=f'write {key} = "..."')
    return value


def _memory(value: object, *, where: str) -> int:
    if value is None:
        return 0
    match = _SIZE.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise model.Cannot(f"memory of {where} is {value!r}, which is no size", hint='write it as "512m" or "2g"')
    return int(match["number"]) * _UNITS[match["unit"].lower()]


def _cpus(value: object, *, where: str) -> float:
    if value is None:
        return 0.0
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e6:
        raise model.Cannot(f"cpus of {where} is {value!r}, which is no number of cores", hint="write it as 1.5")
    return float(value)


def _volumes(value: object, *, where: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(item, str) and ":" in item for item in value):
        raise model.Cannot(
            f"volumes of {where} is {value!r}, which is no list of volumes", hint='write ["/srv/web:/srv"]'
        )
    return tuple(value)


def _environment(value: object, *, where: str) -> Mapping[str, str]:
    if not isinstance(value, dict) or not all(isinstance(item, str) for item in value.values()):
        raise model.Cannot(
            f"environment of {where} is {value!r}, which is no table of texts", hint='write { NAME = "value" }'
        )
    return value
