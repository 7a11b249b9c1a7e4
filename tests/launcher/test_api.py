"""The way to an engine that is not there, or goes in the middle of a command."""

import pathlib
import socket
import threading

import pytest

from launcher import api, model

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
