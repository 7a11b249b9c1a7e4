"""The engine's API, bounded: it does not answer while it boots, and may hang at any time."""

import contextlib
import dataclasses
import threading
import time
import typing
from collections.abc import Callable, Iterator

import docker
import docker.errors
import requests

from netplugin import deadline, model, protocol, registration

SECONDS = 0.25  # for one answer; measured: 10 to 25 ms while the engine serves a CreateEndpoint
SILENCE_SECONDS = 5.0  # an engine that did not answer is not asked again so soon: at boot, every start would wait
LIST_SECONDS = 5  # for the keeper, of however many containers
PATIENT_SECONDS = 30  # for one that may have to wait until a container has started
MACHINE_LABEL = "fullhost.machine"  # on every container that fhv made
_STARTABLE = ("created", "exited", "restarting")

T = typing.TypeVar("T")


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class _Attached:
    """How a container is attached to a network."""

    endpoint_id: str
    aliases: tuple[str, ...]
    options: dict[str, str]


class Engine:
    """The engine on the other side of a URL such as unix:///var/run/docker.sock."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._lock = threading.Lock()
        self._connected: docker.APIClient | None = None
        self._names: dict[str, str] = {}
        self._silent_until = 0.0

    def candidates(self, network_id: str) -> tuple[str, ...]:
        """Return the names of the containers that are set to join the network, do not run, and have no endpoint.

        Only the list of containers can be asked: an inspection waits for the container that is being started. Machines
        of fhv are left out by their label, since they come with their name in a driver option.
        """
        network = self.network_name(network_id)
        containers = self._ask(
            "list the containers", lambda client: client.containers(all=True, filters={"status": list(_STARTABLE)})
        )
        return tuple(
            str(container["Names"][0]).removeprefix("/")
            for container in containers
            if MACHINE_LABEL not in container["Labels"] and _waits(container["NetworkSettings"], network, network_id)
        )

    def containers(self) -> tuple[registration.Container, ...]:
        """Return all containers there are, running or not; not asked in a hurry, nor of an engine that was silent."""
        what = "list all containers"
        if time.monotonic() < self._silent_until:
            raise _silent(what, "it was silent a moment ago")
        with self._patient(what, seconds=LIST_SECONDS) as client:
            return tuple(
                registration.Container(
                    id=str(found["Id"]),
                    name=str((found["Names"] or ["/"])[0]).removeprefix("/"),
                    endpoints=frozenset(str(a["EndpointID"]) for a in found["NetworkSettings"]["Networks"].values()),
                )
                for found in client.containers(all=True)
            )

    def network_name(self, network_id: str) -> str:
        """Return the name of a network, which the engine never tells its driver; a network keeps its name."""
        if network_id not in self._names:
            what = f"learn the name of the network {network_id[:12]}"
            self._names[network_id] = str(self._ask(what, lambda client: client.inspect_network(network_id))["Name"])
        return self._names[network_id]

    def version(self) -> str:
        """Return the engine's version, such as 28.5.2+dfsg4; nothing where it does not say it."""
        try:
            return str(self._ask("learn the engine's version", lambda client: client.version())["Version"])
        except model.Cannot:
            return ""

    def pools(self) -> tuple[tuple[str, int], ...]:
        """Return the pools of the engine's settings, as subnet and prefix of the parts; none if it is silent."""
        try:
            found = self._ask("learn the engine's pools", lambda client: client.info()).get("DefaultAddressPools")
        except model.Cannot:
            return ()
        return tuple((str(pool["Base"]), int(pool["Size"])) for pool in found or ())

    def network_ids(self) -> frozenset[str]:
        """Return the ids of all networks that the engine has."""
        networks = self._ask("list the networks", lambda client: client.networks())
        return frozenset(str(network["Id"]) for network in networks)

    def attachments(self, network_id: str) -> dict[str, model.Attachment]:
        """Return the containers on a network by endpoint id: from Join on, their names are known for sure.

        Until the container runs, the engine lists it as `ep-` and the endpoint's id (daemon/network.go).
        """
        what = f"list the containers of the network {network_id[:12]}"
        network = self._ask(what, lambda client: client.inspect_network(network_id))
        return {
            str(entry["EndpointID"]): model.Attachment(
                container=None if key.startswith("ep-") else key, name=str(entry["Name"])
            )
            for key, entry in network["Containers"].items()
        }

    def prepare(self, endpoint: model.Endpoint, container: str, *, name: str) -> model.Move:
        """Return the move of a container to the address of a name, with all that its attachment has now."""
        attached = self._attached(endpoint.network_id, container)
        return model.Move(
            container=container,
            network_id=endpoint.network_id,
            endpoint_id=endpoint.id,
            name=name,
            # Up to 24 the engine itself adds the short id to the aliases, and would add it again.
            aliases=tuple(alias for alias in attached.aliases if alias != container[:12]) if attached else (),
            options={**(attached.options if attached else {}), protocol.NAME_OPTION: name},
        )

    def complete(self, move: model.Move) -> None:
        """Disconnect the container, unless that is done, and connect it with its name in a driver option.

        It may be done again at any time: a power cut between the two steps leaves a container without the network.
        """
        attached = self._attached(move.network_id, move.container)
        if (
            attached
            and attached.endpoint_id != move.endpoint_id
            and attached.options.get(protocol.NAME_OPTION) == move.name
        ):
            return
        with self._patient(f"move {move.name}") as client:
            if attached:
                client.disconnect_container_from_network(move.container, move.network_id)
            client.connect_container_to_network(
                move.container,
                move.network_id,
                ipv4_address=str(move.address) if move.address else None,
                aliases=list(move.aliases),
                driver_opt=dict(move.options),
            )

    def _attached(self, network_id: str, container: str) -> "_Attached | None":
        """Return how a container is attached to the network, None where it is not."""
        network = self.network_name(network_id)
        with self._patient(f"look at the container {container[:12]}") as client:
            found = client.inspect_container(container)["NetworkSettings"]["Networks"].get(network)
        if found is None:
            return None
        return _Attached(
            endpoint_id=str(found["EndpointID"]),
            aliases=tuple(found["Aliases"] or ()),
            options=dict(found["DriverOpts"] or {}),
        )

    @contextlib.contextmanager
    def _patient(self, what: str, *, seconds: int = PATIENT_SECONDS) -> Iterator[docker.APIClient]:
        """Give a client that waits for a container that is being started; no handler may use it."""
        try:
            with contextlib.closing(docker.APIClient(base_url=self._url, version="auto", timeout=seconds)) as client:
                yield client
        except docker.errors.NotFound as error:
            raise _failed(what, error, reason=model.Reason.MISSING) from error
        except (docker.errors.DockerException, requests.RequestException) as error:
            raise _failed(what, error) from error

    def _ask(self, what: str, question: Callable[[docker.APIClient], T]) -> T:
        """Ask a question within its time, unless the engine was silent a moment ago."""
        deadline.left(what, at_most=SECONDS)
        if time.monotonic() < self._silent_until:
            raise _silent(what, "it was silent a moment ago")
        try:
            return question(self._client())
        except docker.errors.APIError as error:
            self._connected = None  # the next question asks for the version again: the engine may have been upgraded
            raise _failed(what, error) from error
        except (docker.errors.DockerException, requests.RequestException) as error:
            self._silent_until = time.monotonic() + SILENCE_SECONDS
            raise _silent(what, f"{type(error).__name__}: {error}") from error

    def _client(self) -> docker.APIClient:
        """Return the client; the first call asks the engine for its API version (29 refuses those below 1.44)."""
        with self._lock:
            if time.monotonic() < self._silent_until:
                raise requests.ConnectionError("it was silent for somebody else")
            if self._connected is None:
                try:
                    # The stubs know whole seconds only; requests, which gets it, takes parts of them.
                    self._connected = docker.APIClient(base_url=self._url, version="auto", timeout=SECONDS)  # type: ignore[arg-type]
                except docker.errors.DockerException:
                    self._silent_until = time.monotonic() + SILENCE_SECONDS  # for those who wait for the lock, too
                    raise
            return self._connected


def _waits(settings: dict[str, dict[str, dict[str, str]]], network: str, network_id: str) -> bool:
    """Tell whether a container is set to join the network, by name or by id, and has no endpoint on it."""
    attached = settings["Networks"]
    return any(
        not attachment["EndpointID"] and (name == network or attachment["NetworkID"] == network_id)
        for name, attachment in attached.items()
    )


def _silent(what: str, why: str) -> model.Cannot:
    return model.Cannot(
        what,
        why=f"the engine did not answer within {SECONDS:g} s ({why})",
        hint="see that docker ps answers; at boot it does so only after the containers are started",
        reason=model.Reason.UNAVAILABLE,
    )


def _failed(what: str, error: Exception, *, reason: model.Reason = model.Reason.UNAVAILABLE) -> model.Cannot:
    return model.Cannot(what, why=f"the engine says: {error}", hint="see the engine's log", reason=reason)
