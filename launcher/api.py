"""The way to the Docker engine: how it is reached, and how what it refuses comes out as a sentence."""

import contextlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence

import docker
import docker.errors
import docker.utils
import requests.exceptions

from launcher import model, rivalry

Client = docker.APIClient

_GREETING_SECONDS = 10  # of an engine that serves, milliseconds
_SECONDS = 60


class Missing(model.Cannot):
    """The engine has nothing of this name."""


_KINDS = {int(requests.codes.not_found): Missing, int(requests.codes.conflict): rivalry.Taken}


@contextlib.contextmanager
def refusing(act: str) -> Iterator[None]:
    """Turn the ways in which a call fails into "cannot ACT: why"; the driver's own sentence stands for itself."""
    try:
        yield
    except docker.errors.APIError as error:
        why = str(error.explanation or error).strip()
        _, remote, said = why.rpartition("remote: ")
        own = said if remote and said.startswith("cannot ") else f"cannot {act}: {why}"
        raise _KINDS.get(error.status_code or 0, model.Cannot)(own) from error
    except requests.exceptions.HTTPError as error:  # of an answer without a body
        answer = error.response
        raise model.Cannot(f"cannot {act}: the engine answers {answer.status_code} {answer.reason}") from error
    except (requests.exceptions.RequestException, OSError) as error:
        why, hint = _unreached(str(error), seconds=_SECONDS)
        raise model.Cannot(f"cannot {act}: the Docker engine is no longer reached: {why}", hint=hint) from error


def get(client: Client, path: str) -> requests.Response:
    """Ask for what the SDK's types do not tell of."""
    return _checked(client.get(f"{client.base_url}/v{client.api_version}{path}", timeout=_SECONDS))


def post(
    client: Client,
    path: str,
    *,
    params: Mapping[str, str | Sequence[str]] | None = None,
    body: object = None,
    stream: Iterable[bytes] | None = None,
    seconds: float | None = _SECONDS,
) -> requests.Response:
    """Make a call that the SDK has not, or not with a deadline of its own (None: none)."""
    url = f"{client.base_url}/v{client.api_version}{path}"
    return _checked(client.post(url, params=params, json=body, data=stream, timeout=seconds))


def _checked(answer: requests.Response) -> requests.Response:
    try:
        answer.raise_for_status()
    except requests.exceptions.HTTPError as error:
        docker.errors.create_api_error_from_http_exception(error)
    return answer


def connect() -> Client:
    """Reach the engine that DOCKER_HOST names, the local one by default."""
    address = os.environ.get("DOCKER_HOST") or "unix:///var/run/docker.sock"
    try:
        words = docker.utils.kwargs_from_env()
        client = Client(version="auto", max_pool_size=32, timeout=_GREETING_SECONDS, **words)
    except (docker.errors.DockerException, requests.exceptions.RequestException, ValueError) as error:
        why, hint = _unreached(str(error), seconds=_GREETING_SECONDS)
        raise model.Cannot(f"cannot reach the Docker engine at {address}: {why}", hint=hint) from error
    client.timeout = _SECONDS
    return client


def _unreached(said: str, *, seconds: int) -> tuple[str, str]:
    """Tell why an engine could not be reached from what the SDK says, and what to do about it."""
    begin = "systemctl start docker (without systemd: service docker start)"
    elsewhere = "DOCKER_HOST names one: unix:///PATH, tcp://HOST:PORT"
    known = {
        "Permission denied": ("permission denied", "use sudo, or join the group docker"),
        "timed out": (
            f"it did not answer within {seconds} seconds",
            "it runs and hangs, or something between drops what is sent: see its log, journalctl -u docker",
        ),
        "No such file or directory": ("it is not running", begin),
        "Connection refused": ("it is not running", begin),
        "Connection aborted": ("it has ended", begin),
        "bind address": ("that is no address of an engine", elsewhere),
        "Failed to resolve": ("no host of this name is known", elsewhere),
        "certificate": ("the certificates for it are not there", "DOCKER_CERT_PATH names the folder that has them"),
        "paramiko": ("fhv speaks no ssh with engines", elsewhere),
    }
    for sign, words in known.items():
        if sign in said:
            return words
    last = said.rpartition(": ")[2].strip("'\")( ")
    return last or said, elsewhere
