"""The driver's settings, from the environment, read once."""

import dataclasses
import datetime
import pathlib
from collections.abc import Mapping

from netplugin import model, options

_LEVELS = ("debug", "info", "warning", "error")


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """Where the driver keeps its state and finds the engine, and the defaults of every network option."""

    state: pathlib.Path
    docker: str
    network_defaults: Mapping[str, str]
    keeper_seconds: float
    log_level: str
    update_key_file: pathlib.Path | None = None


def read(environment: Mapping[str, str]) -> Settings:
    """Return the settings; a malformed one is refused by its name, at the start and not at the first network."""
    key_file = environment.get("FULLHOST_UPDATE_KEY_FILE")
    registers = {"unlisted": model.Unlisted.REGISTER.value} if key_file else {}
    defaults = registers | {key: text for key in options.KEYS if (text := environment.get(f"FULLHOST_{key.upper()}"))}
    options.network("0" * 64, {}, defaults=defaults, created=datetime.datetime.now(datetime.UTC))
    level = environment.get("FULLHOST_LOG", "info").lower()
    if level not in _LEVELS:
        raise _refused("FULLHOST_LOG", level, f"it is one of {', '.join(_LEVELS)}")
    return Settings(
        state=pathlib.Path(environment.get("FULLHOST_STATE") or "/var/lib/fullhost/driver.db"),
        docker=environment.get("FULLHOST_DOCKER") or "unix:///var/run/docker.sock",
        network_defaults=defaults,
        keeper_seconds=_seconds(environment.get("FULLHOST_KEEPER_SECONDS") or "5"),
        log_level=level,
        update_key_file=pathlib.Path(key_file) if key_file else None,
    )


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1
    if not (seconds == 0 or 0.1 <= seconds <= 86400):
        raise _refused("FULLHOST_KEEPER_SECONDS", text, "it is 0, or 0.1 to 86400 seconds")
    return seconds


def _refused(name: str, text: str, why: str) -> model.Cannot:
    return model.Cannot(f"start with {name}={text[:80]}", why=why, hint="mend it in the driver's environment")
