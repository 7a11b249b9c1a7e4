"""The engine's API, read only and bounded: it does not answer while it boots, and may hang at any time."""

import threading

import docker
import docker.errors
import requests

from netplugin import model

SECONDS = 0.5  # for one answer; measured: 10 to 25 ms while the engine serves a CreateEndpoint
MACHINE_LABEL = "fullhost.machine"  # on every container that fhv made
_STARTABLE = ("created", "exited", "restarting")


class Engine:
    """The engine on the other side of a URL such as unix:///var/run/docker.sock."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._lock = threading.Lock()
        self._connected: docker.APIClient | None = None
        self._names: dict[str, str] = {}

    def candidates(self, network_id: str) -> tuple[str, ...]:
        """Return the names of the containers that are set to join the network, do not run, and have no endpoint.

        Only the list of containers can be asked: an inspection waits for the container that is being started. Machines
        of fhv are left out by their label, since they come with their name in a driver option.
        """
        network = self.network_name(network_id)
        try:
            containers = self._client().containers(all=True, filters={"status": list(_STARTABLE)})
        except (docker.errors.DockerException, requests.RequestException) as error:
            raise _silent("list the containers", error) from error
        return tuple(
            str(container["Names"][0]).removeprefix("/")
            for container in containers
            if MACHINE_LABEL not in container["Labels"] and _waits(container["NetworkSettings"], network, network_id)
        )

    def network_name(self, network_id: str) -> str:
        """Return the name of a network, which the engine never tells its driver; a network keeps its name."""
        if network_id not in self._names:
            try:
                self._names[network_id] = str(self._client().inspect_network(network_id)["Name"])
            except (docker.errors.DockerException, requests.RequestException) as error:
                raise _silent(f"learn the name of the network {network_id[:12]}", error) from error
        return self._names[network_id]

    def network_ids(self) -> frozenset[str]:
        """Return the ids of all networks that the engine has."""
        try:
            return frozenset(str(network["Id"]) for network in self._client().networks())
        except (docker.errors.DockerException, requests.RequestException) as error:
            raise _silent("list the networks", error) from error

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


def _silent(what: str, error: Exception) -> model.Cannot:
    return model.Cannot(
        what,
        why=f"the engine did not answer within {SECONDS:g} s ({type(error).__name__}: {error})",
        hint="see that docker ps answers; at boot it does so only after the containers are started",
        reason=model.Reason.UNAVAILABLE,
    )
