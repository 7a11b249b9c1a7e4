"""The images that the Docker engine has, and what is taken of a machine as one."""

import base64
import contextlib
import json
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence

import requests

from launcher import api, model, rivalry, stock

_REPOSITORY = "fullhost/snapshot"
_KEPT = "fullhost/kept"  # what a machine is made of, and nobody has a name for
_LOOK_SECONDS = 60
_RENEW_SECONDS = 600
_EXPORT_SECONDS = 86400
_CLAIM_SECONDS = 600  # what an fhv that was killed has claimed is free again then


class Depot:
    """The verbs; several threads may use them at once."""

    def __init__(self, client: api.Client) -> None:
        self._client = client

    def known(self, image: str) -> str:
        """Give the name of the init that an image is known to boot: by a label, or by a machine made of just it."""
        with _using(image):
            found = api.get(self._client, f"/images/{image}/json").json()
            if named := (found["Config"]["Labels"] or {}).get(model.INIT_LABEL):
                return str(named)
            filters = {"ancestor": found["Id"], "label": model.INIT_LABEL}
            machines = self._client.containers(all=True, filters=filters)
        return next((str(m["Labels"][model.INIT_LABEL]) for m in machines if m["ImageID"] == found["Id"]), "")

    def files(self, image: str, paths: tuple[str, ...]) -> Mapping[str, str]:
        """Say which of the paths an image has and where those that are links lead; nothing of it is run or pulled."""
        with api.refusing(f"look into the image {image}"), self._passing(image, seconds=_LOOK_SECONDS) as container:
            return {path: target for path in paths if (target := self._link(container, path)) is not None}

    def commit(self, machine: model.Machine, *, tag: str = "") -> str:
        """Keep the file system of a machine as an image and give its id; a running one is paused meanwhile."""
        labels = {
            model.MACHINE_LABEL: "",  # a container that somebody makes of it is no machine
            model.SNAPSHOT_LABEL: machine.name,
            model.IMAGE_LABEL: machine.image,
            model.INIT_LABEL: machine.init,
        }
        params = {"container": machine.container, "pause": "true"}
        if tag:
            params |= {"repo": f"{_REPOSITORY}/{machine.name}", "tag": tag}
        with api.refusing(f"take a snapshot of {machine.name}"):
            made = api.post(self._client, "/commit", params=params, body={"Labels": labels}, seconds=None)
            return str(made.json()["Id"])

    def snapshots(self, name: str = "") -> tuple[stock.Snapshot, ...]:
        """List the snapshots of one machine, or of all, the oldest first."""
        begin = f"{_REPOSITORY}/{name}:" if name else f"{_REPOSITORY}/"  # the label keeps the name it was taken under
        with api.refusing("list the snapshots"):
            listed = self._client.images(filters={"label": model.SNAPSHOT_LABEL})
            names = [reference for entry in listed for reference in entry["RepoTags"] or ()]
            found = [self._snapshot(reference) for reference in names if reference.startswith(begin)]
        return tuple(sorted(found, key=lambda snapshot: snapshot.created))

    def _snapshot(self, reference: str) -> stock.Snapshot:
        found = api.get(self._client, f"/images/{reference}/json").json()
        repository, _, tag = reference.rpartition(":")
        return stock.Snapshot(
            machine=repository.removeprefix(f"{_REPOSITORY}/"),
            tag=tag,
            created=found["Created"],
            size=api.get(self._client, f"/images/{found['Id']}/history").json()[0]["Size"],
            image=found["Config"]["Labels"][model.IMAGE_LABEL],
            reference=reference,
        )

    def call(self, image: str, name: str, tag: str) -> None:
        """Give an image the name of a snapshot."""
        with api.refusing(f"name a snapshot of {name}"):
            self._client.tag(image, f"{_REPOSITORY}/{name}", tag=tag)

    def forget(self, reference: str) -> None:
        """Take a name from an image, and remove it when that was the last one and no container is made of it.

        Never by force: that removes an image also when a container that does not run is made of it, which then starts
        and can be kept no more. What such a one needs has a name of ours from now on, until nobody needs it.
        """
        with contextlib.suppress(api.Missing):
            try:
                self._remove(reference)
            except rivalry.Taken:
                with api.refusing(f"keep {reference}"):
                    image = str(api.get(self._client, f"/images/{reference}/json").json()["Id"])
                    self._client.tag(image, _KEPT, tag=image.removeprefix("sha256:"))
                if reference != image:
                    self._remove(reference)

    def _remove(self, reference: str) -> None:
        with api.refusing(f"remove {reference}"):
            self._client.remove_image(reference)

    def sweep(self) -> None:
        """Remove what was taken of machines, has no name but ours, and no container is made of any more."""
        filters = {"dangling": ["true"], "label": [model.SNAPSHOT_LABEL], "until": ["10m"]}  # younger: in use yet
        with contextlib.suppress(model.Cannot), api.refusing("remove images"):
            api.post(self._client, "/images/prune", params={"filters": json.dumps(filters)})
            for image in self._client.images(name=_KEPT):
                for name in image["RepoTags"] or ():
                    with contextlib.suppress(model.Cannot):
                        self._remove(name)

    def renew(self, image: str, script: str) -> str:
        """Run a script in what was taken of a machine, without any network, and give the image that it leaves."""
        with api.refusing("make the identity anew"), self._passing(image, script, seconds=_RENEW_SECONDS) as container:
            self._client.start(container)
            ended = self._client.wait(container, timeout=_RENEW_SECONDS)
            if ended["StatusCode"]:
                said = self._client.logs(container, tail=5).decode("utf-8", "replace").strip()
                raise model.Cannot(f"cannot make the identity anew: exit code {ended['StatusCode']}: {said}")
            labels = api.get(self._client, f"/images/{image}/json").json()["Config"]["Labels"]
            params = {"container": container}
            made = api.post(self._client, "/commit", params=params, body={"Labels": labels}, seconds=None)
            return str(made.json()["Id"])

    def export(self, image: str) -> Iterator[bytes]:
        """Give the whole file system of an image as a tar archive, piece by piece."""
        with api.refusing("export it"), self._passing(image, seconds=_EXPORT_SECONDS) as container:
            yield from self._client.export(container)

    def bring_in(self, tree: Iterable[bytes], labels: Mapping[str, str]) -> str:
        """Make an image of a file system's tar archive and give its id."""
        changes = [f"LABEL {json.dumps(key)}={json.dumps(value)}" for key, value in labels.items()]
        params: dict[str, str | Sequence[str]] = {"fromSrc": "-", "changes": changes}
        with api.refusing("import it"):
            answer = api.post(self._client, "/images/create", params=params, stream=tree, seconds=None)
            for line in answer.text.splitlines():
                said = json.loads(line)
                if "error" in said:
                    raise model.Cannot(f"cannot import it: {said['error']}")
        return str(said["status"])

    @contextlib.contextmanager
    def claim(self, machine: model.Machine) -> Iterator[None]:
        """Keep another fhv from a machine for a while: a container has the name that each of them would need."""
        called = rivalry.fresh(machine.name)
        with contextlib.ExitStack() as stack:
            try:
                with api.refusing(f"claim {machine.name}"):
                    image = self._client.inspect_container(machine.container)["Image"]
                    stack.enter_context(self._passing(image, seconds=_CLAIM_SECONDS, called=called))
            except rivalry.Taken as error:
                raise rivalry.refused(machine.name, called, f"docker rm {called}") from error
            yield

    @contextlib.contextmanager
    def _passing(self, image: str, script: str = "", *, seconds: int, called: str | None = None) -> Iterator[str]:
        """Give a container of an image for a while; what an fhv that was killed left of the kind is removed."""
        client = self._client
        self._clear()
        with _using(image):
            made = client.create_container(
                image,
                name=called,
                entrypoint=["/bin/sh", "-c", script] if script else ["/sbin/init"],
                labels={model.PASSING_LABEL: str(seconds), model.MACHINE_LABEL: ""},
                host_config=client.create_host_config(network_mode="none"),
            )
        try:
            yield made["Id"]
        finally:
            with contextlib.suppress(api.Missing), api.refusing("remove what was needed for a while"):
                client.remove_container(made["Id"], v=True, force=True)

    def _clear(self) -> None:
        """Remove passing containers whose time is over by far; the label says how long one is needed at most."""
        for entry in self._client.containers(all=True, filters={"label": model.PASSING_LABEL}):
            seconds = entry["Labels"][model.PASSING_LABEL]
            if seconds.isdecimal() and entry["Created"] + int(seconds) < time.time():
                with contextlib.suppress(model.Cannot), api.refusing("remove what was left"):
                    self._client.remove_container(entry["Id"], v=True, force=True)

    def _link(self, container: str, path: str) -> str | None:
        """Ask for a path's stat only; the SDK would fetch the file."""
        url = f"{self._client.base_url}/v{self._client.api_version}/containers/{container}/archive"
        answer = self._client.head(url, params={"path": path}, timeout=30)
        if answer.status_code == requests.codes.not_found:
            return None
        answer.raise_for_status()
        return str(json.loads(base64.b64decode(answer.headers["X-Docker-Container-Path-Stat"]))["linkTarget"])


@contextlib.contextmanager
def _using(image: str) -> Iterator[None]:
    """Say of an image that is not there where it can be had."""
    try:
        with api.refusing(f"use the image {image}"):
            yield
    except api.Missing as error:
        raise model.Cannot(
            f"cannot use the image {image}: the engine does not have it",
            hint=f"docker pull {image}, or fhv image bootstrap debian --suite bookworm --tag {image}",
        ) from error
