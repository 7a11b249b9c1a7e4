"""`fhv.toml`: what machines are made of, on which network, and what the zone's TXT records may ask for."""

import dataclasses
import pathlib
import tomllib
from collections.abc import Mapping

from launcher import definition, model, specification

IMAGE = "fullhost/debian:bookworm"
NETWORK = "fullhost"
PATH = pathlib.Path("/etc/fullhost/fhv.toml")

_TOP = frozenset({"image", "network", "defaults", "profile", "machine", "txt"})
_PERMISSION = frozenset({"allow", "images", "memory", "cpus"})
_MACHINE = definition.KEYS | {"profiles"}


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """The whole file; `machines` holds what the sections ask for, the profiles of each before its own words."""

    common: specification.Spec
    machines: Mapping[str, tuple[definition.Definition, ...]]
    permission: definition.Permission

    @property
    def ordered(self) -> bool:
        """Tell whether a machine may have to wait for others: by the file, or by what it lets the zone ask for."""
        own = any(asked.after or asked.priority for definitions in self.machines.values() for asked in definitions)
        return own or bool(self.common.after) or bool(self.permission.allow & {"after", "priority"})

    def spec(self, name: str, texts: definition.Texts = ()) -> specification.Spec:
        """Give what is asked of the machine `name`, whose TXT records are `texts`.

        [defaults] is said of any machine, so the zone overrules it; what is said of this one overrules the zone.
        """
        try:
            by_zone = definition.texts(texts, self.permission, name=name)
        except model.Cannot as error:
            raise model.Cannot(f"cannot make {name}: {error}", hint=error.hint) from error
        spec = self.common
        for asked in (by_zone, *self.machines.get(name, ())):
            spec = asked.over(spec)
        # [defaults] may have all come after one of them, which is not to wait for itself.
        return dataclasses.replace(spec, after=tuple(other for other in spec.after if other != name))


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
    except OSError as error:
        raise model.Cannot(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise model.Cannot(f"cannot read {path}: it is no text in UTF-8") from error
    try:
        return parse(text)
    except model.Cannot as error:
        raise model.Cannot(f"cannot use {path}: {error}", hint=error.hint) from error


def parse(text: str) -> Config:
    """Turn the text of the file into definitions; a key that is not known is refused by name."""
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise model.Cannot(f"it is not TOML: {error}") from error
    definition.refuse_unknown(table, _TOP, where="the file")
    base = specification.Spec(
        image=definition.text(table, "image", where="the file") or IMAGE,
        network=definition.text(table, "network", where="the file") or NETWORK,
    )
    defaults = _table(table, "defaults", written="[defaults]")
    if "image" in defaults and "image" in table:
        raise model.Cannot("image is said twice: for the file and in [defaults]", hint="leave one of them")
    profiles = {
        name: definition.table(body, where=f"[profile.{name}]") for name, body in _sections(table, "profile").items()
    }
    return Config(
        common=definition.table(defaults, where="[defaults]").over(base),
        machines={name: _machine(name, body, profiles) for name, body in _sections(table, "machine").items()},
        permission=_permission(_table(table, "txt", written="[txt]")),
    )


def _machine(
    name: str, body: Mapping[str, object], profiles: Mapping[str, definition.Definition]
) -> tuple[definition.Definition, ...]:
    where = f"[machine.{name}]"
    definition.refuse_unknown(body, _MACHINE, where=where)
    wanted = definition.names(body, "profiles", where=where) or ()
    for profile in wanted:
        if profile not in profiles:
            raise model.Cannot(
                f"{where} has the profile {profile}, which is not there", hint=f"write [profile.{profile}]"
            )
    own = definition.table({key: value for key, value in body.items() if key != "profiles"}, where=where)
    if name in (own.after or ()):
        raise model.Cannot(f"{where} comes after itself", hint=f"take {name} out of its after")
    return (*(profiles[profile] for profile in wanted), own)


def _permission(body: Mapping[str, object]) -> definition.Permission:
    definition.refuse_unknown(body, _PERMISSION, where="[txt]")
    allow = frozenset(_texts(body, "allow"))
    for key in sorted(allow - definition.TEXT_KEYS):
        raise model.Cannot(
            f"allow of [txt] has {key!r}, which no TXT record can ask for",
            hint=f"known are {', '.join(sorted(definition.TEXT_KEYS))}",
        )
    return definition.Permission(
        allow=allow,
        images=_texts(body, "images"),
        memory=definition.memory(body, where="[txt]") or 0,
        cpus=definition.cpus(body, where="[txt]") or 0.0,
    )


def _texts(body: Mapping[str, object], key: str) -> tuple[str, ...]:
    value = body.get(key, [])
    if not isinstance(value, list) or not all(isinstance(item, str) and item for item in value):
        raise model.Cannot(f"{key} of [txt] is {value!r}, which is no list of texts", hint=f'write {key} = ["..."]')
    return tuple(value)


def _table(table: Mapping[str, object], key: str, *, written: str) -> Mapping[str, object]:
    body = table.get(key, {})
    if not isinstance(body, dict):
        raise model.Cannot(f"{written.strip('[]').removesuffix('.NAME')} is no table", hint=f"write {written}")
    return body


def _sections(table: Mapping[str, object], kind: str) -> Mapping[str, Mapping[str, object]]:
    """Read the tables [KIND.NAME] by name."""
    sections = _table(table, kind, written=f"[{kind}.NAME]")
    for name in sections:
        if not model.NAME.fullmatch(name):
            raise model.Cannot(
                f"[{kind}.{name}] is of no {kind}: a name is one DNS label in lower case", hint="name it as fhv does"
            )
    return {name: _table(sections, name, written=f"[{kind}.{name}]") for name in sections}
