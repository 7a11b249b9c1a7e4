"""The images that the Docker engine has."""

import base64
import contextlib
import json
from collections.abc import Mapping

import requests

from launcher import api, model


class Depot:
    """The verbs; several threads may use them at once."""

    def __init__(self, client: api.Client) -> None:
        self._client = client

    def files(self, image: str, paths: tuple[str, ...]) -> Mapping[str, str]:
        """Say which of the paths an image has and where those that are links lead; nothing of it is run or pulled."""
        client, config = self._client, self._client.create_host_config(network_mode="none")
        try:
            with api.refusing(f"use the image {image}"):
                made = client.create_container(image, ["/sbin/init"], host_config=config)
        except api.Missing as error:
            raise model.Cannot(
                f"cannot use the image {image}: the engine does not have it",
                hint=f"docker pull {image}, or fhv image bootstrap debian --suite bookworm --tag {image}",
            ) from error
        with api.refusing(f"look into the image {image}"), contextlib.ExitStack() as undo:
            undo.callback(client.remove_container, made["Id"], v=True)
            return {path: target for path in paths if (target := self._link(made["Id"], path)) is not None}

    def _link(self, container: str, path: str) -> str | None:
        """Ask for a path's stat only; the SDK would fetch the file."""
        url = f"{self._client.base_url}/v{self._client.api_version}/containers/{container}/archive"
        answer = self._client.head(url, params={"path": path}, timeout=30)
        if answer.status_code == requests.codes.not_found:
            return None
        answer.raise_for_status()
        return str(json.loads(base64.b64decode(answer.headers["X-Docker-Container-Path-Stat"]))["linkTarget"])
