"""How a container that does not run is put on networks: once more, as another one is, or on one that was made anew."""

import typing
from collections.abc import Mapping

from launcher import api

_NAME = "fullhost.name"


class Attachment(typing.TypedDict):
    """What the engine has of a container on a network, as far as it is a wish; `GwPriority` comes from 28.0 on."""

    NetworkID: str
    IPAMConfig: dict[str, object] | None
    Links: list[str] | None
    Aliases: list[str] | None
    DriverOpts: dict[str, str] | None
    GwPriority: typing.NotRequired[int]


_WISHES = Attachment.__annotations__.keys() - {"NetworkID"}


def again(client: api.Client, container: str, network: str, wishes: Mapping[str, object] | None = None) -> None:
    """Take a container off a network and put it on the one of that name, with the same wishes, or some others."""
    had = _attachments(client, container)[network]
    client.disconnect_container_from_network(container, network)
    _connect(client, container, network, _wishes(had) | dict(wishes or {}))


def follow(client: api.Client, old: str, new: str, name: str) -> None:
    """Put a container on every network that another one is on as well, by its name where that was given."""
    there = _attachments(client, new)
    for network, had in _attachments(client, old).items():
        if network not in there:
            wishes = _wishes(had)
            wishes["Aliases"] = [alias for alias in had["Aliases"] or () if alias != old[:12]]
            if (options := had["DriverOpts"] or {}).get(_NAME):
                wishes["DriverOpts"] = {**options, _NAME: name}
            _connect(client, new, network, wishes)


def mended(client: api.Client, container: str, name: str) -> str:
    """Put a machine on its own network, from which somebody took it; return which that is, or nothing."""
    found = client.inspect_container(container)
    home = str(found["HostConfig"]["NetworkMode"])
    if home in (found["NetworkSettings"]["Networks"] or {}):
        return ""
    _connect(client, container, home, {"DriverOpts": {_NAME: name}})
    return home


def remade(client: api.Client, container: str) -> tuple[str, ...]:
    """Return the networks of a container that were removed, and made anew under the same names.

    The engine knows networks by their ids, and starts no container of a network that is gone.
    """
    known = {network["Name"]: network["Id"] for network in client.networks()}
    attached = _attachments(client, container)
    return tuple(name for name, had in attached.items() if known.get(name, had["NetworkID"]) != had["NetworkID"])


def _attachments(client: api.Client, container: str) -> dict[str, Attachment]:
    return dict(client.inspect_container(container)["NetworkSettings"]["Networks"] or {})


def _wishes(had: Attachment) -> dict[str, object]:
    return {wish: what for wish, what in had.items() if what and wish in _WISHES}


def _connect(client: api.Client, container: str, network: str, wishes: Mapping[str, object]) -> None:
    """Connect it by the API itself: the SDK knows not every wish."""
    api.post(client, f"/networks/{network}/connect", body={"Container": container, "EndpointConfig": wishes})
