"""The engine's API, bounded: it does not answer while it boots, and may hang at any time."""

import threading
import time
import typing
from collections.abc import Callable

import docker
import docker.errors
import requests

from netplugin import model

SECONDS = 0.25  # for one answer; measured: 10 to 25 ms while the engine serves a CreateEndpoint
SILENCE_SECONDS = 5.0  # an engine that did not answer is not asked again so soon: at boot, every start would wait
MOVE_SECONDS = 30.0  # a container that is being started is moved when it has started
MACHINE_LABEL = "fullhost.machine"  # on every container that fhv made
NAME_OPTION = "fullhost.name"
_STARTABLE = ("created", "exited", "restarting")

T = typing.TypeVar("T")


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

    def network_name(self, network_id: str) -> str:
        """Return the name of a network, which the engine never tells its driver; a network keeps its name."""
        if network_id not in self._names:
            what = f"learn the name of the network {network_id[:12]}"
            self._names[network_id] = str(self._ask(what, lambda client: client.inspect_network(network_id))["Name"])
        return self._names[network_id]

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

    def move(self, network_id: str, container: str, *, name: str) -> None:
        """Give a running container a new endpoint, with a driver option that names it now and at every later start.

        One that cannot be connected so is connected as it was, rather than left without a network.
        """
        network = self.network_name(network_id)
        client = docker.APIClient(base_url=self._url, version="auto", timeout=int(MOVE_SECONDS))
        try:
            attached = client.inspect_container(container)["NetworkSettings"]["Networks"][network]
            # Up to 24 the engine itself adds the short id, and would add it again.
            aliases = [alias for alias in attached["Aliases"] or [] if alias != container[:12]]
            given = dict(attached["DriverOpts"] or {})
            client.disconnect_container_from_network(container, network_id)
            try:
                named = {**given, NAME_OPTION: name}
                client.connect_container_to_network(container, network_id, aliases=aliases, driver_opt=named)
            except docker.errors.DockerException:
                client.connect_container_to_network(container, network_id, aliases=aliases, driver_opt=given)
                raise
        except (docker.errors.DockerException, requests.RequestException) as error:
            raise _failed(f"move the container {container[:12]} to the address of {name}", error) from error
        finally:
            client.close()

    def _ask(self, what: str, question: Callable[[docker.APIClient], T]) -> T:
        """Ask a question within its time, unless the engine was silent a moment ago."""
        if time.monotonic() < self._silent_until:
            raise _silent(what, "it was silent a moment ago")
        try:
            return question(self._client())
        except docker.errors.APIError as error:
            raise _failed(what, error) from error
        except (docker.errors.DockerException, requests.RequestException) as error:
            self._silent_until = time.monotonic() + SILENCE_SECONDS
            raise _silent(what, f"{type(error).__name__}: {error}") from error

    def _client(self) -> docker.APIClient:
        """Return the client; the first call asks the engine for its API version (29 refuses those below 1.44)."""
        with self._lock:
            if self._connected is None:
                # The stubs know whole seconds only; requests, which gets it, takes parts of them.
                self._connected = docker.APIClient(base_url=self._url, version="auto", timeout=SECONDS)  # type: ignore[arg-type]
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


def _failed(what: str, error: Exception) -> model.Cannot:
    return model.Cannot(
        what,
        why=f"the engine says: {error}",
        hint="see the engine's log",
        reason=model.Reason.UNAVAILABLE,
    )
