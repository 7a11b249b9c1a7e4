"""The way to the Docker engine: how it is reached, and how what it refuses comes out as a sentence."""

import contextlib
import os
from collections.abc import Iterator

import docker
import docker.errors
import docker.utils
import requests.exceptions

from launcher import model

Client = docker.APIClient


class Missing(model.Cannot):
    """The engine has nothing of this name."""


@contextlib.contextmanager
def refusing(act: str) -> Iterator[None]:
    """Turn the ways in which a call fails into "cannot ACT: why"; the driver's own sentence stands for itself."""
    try:
        yield
    except docker.errors.APIError as error:
        why = str(error.explanation or error).strip()
        _, remote, said = why.rpartition("remote: ")
        own = said if remote and said.startswith("cannot ") else f"cannot {act}: {why}"
        raise (Missing if error.status_code == requests.codes.not_found else model.Cannot)(own) from error
    except (requests.exceptions.RequestException, OSError) as error:
        raise model.Cannot(f"cannot {act}: the Docker engine does not answer ({error})") from error


def connect() -> Client:
    """Reach the engine that DOCKER_HOST names, the local one by default."""
    address = os.environ.get("DOCKER_HOST") or "unix:///var/run/docker.sock"
    try:
        return Client(version="auto", max_pool_size=32, **docker.utils.kwargs_from_env())
    except (docker.errors.DockerException, requests.exceptions.RequestException) as error:
        why, hint = "it is not running", "systemctl start docker (without systemd: service docker start)"
        if "Permission denied" in str(error):
            why, hint = "permission denied", "use sudo, or join the group docker"
        raise model.Cannot(f"cannot reach the Docker engine at {address}: {why}", hint=hint) from error
