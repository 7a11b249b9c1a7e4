"""The way to an engine that is not there, or goes in the middle of a command."""

import pathlib
import socket
import threading

import docker.errors
import pytest
import requests

from launcher import api, model, rivalry

_VERSION = b'{"ApiVersion": "1.41"}'
_ANSWER = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%b" % (len(_VERSION), _VERSION)


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("tcp://127.0.0.1:1", "it is not running"),
        ("tcp://nowhere.invalid:1", "no host of this name is known"),
        ("nonsense", "that is no address of an engine"),
        ("ssh://nowhere", "fhv speaks no ssh with engines"),
    ],
)
def test_an_engine_that_is_not_reached_is_told_by_its_address(
    address: str, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", address)
    with pytest.raises(model.Cannot) as refused:
        api.connect()
    assert str(refused.value) == f"cannot reach the Docker engine at {address}: {why}"
    assert refused.value.hint


def test_an_engine_that_ends_meanwhile_is_told(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/s")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(f"{tmp_path}/s")
        listening.listen()

        def serve() -> None:
            for answer in (_ANSWER, b""):
                there, _ = listening.accept()
                with there:
                    there.recv(65536)
                    there.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        client = api.connect()
        with pytest.raises(model.Cannot) as refused, api.refusing("list the machines"):
            client.containers()
        thread.join()
        client.close()
    assert str(refused.value) == "cannot list the machines: the Docker engine is no longer reached: it has ended"


def _answer(status: int, reason: str) -> requests.Response:
    answer = requests.Response()
    answer.status_code, answer.reason = status, reason
    return answer


@pytest.mark.parametrize(
    ("status", "kind"), [(404, api.Missing), (409, rivalry.Taken), (500, model.Cannot), (400, model.Cannot)]
)
def test_what_the_engine_refuses_is_of_a_kind(status: int, kind: type[model.Cannot]) -> None:
    for error in (
        docker.errors.APIError("so", response=_answer(status, "so"), explanation="it says so"),
        docker.errors.APIError("so", response=_answer(status, "so"), explanation="remote: cannot do it: no address"),
    ):
        with pytest.raises(model.Cannot) as refused, api.refusing("do it"):
            raise error
        assert type(refused.value) is kind
        assert str(refused.value) in ("cannot do it: it says so", "cannot do it: no address")


def test_an_answer_without_a_body_is_told_by_its_status() -> None:
    error = requests.HTTPError("500 Server Error for url: http://x", response=_answer(500, "Internal Server Error"))
    with pytest.raises(model.Cannot) as refused, api.refusing("look at /x"):
        raise error
    assert str(refused.value) == "cannot look at /x: the engine answers 500 Internal Server Error"
