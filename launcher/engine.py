"""The Docker engine, as few verbs; whatever it refuses comes out as a sentence."""

import base64
import contextlib
import ipaddress
import json
import os
import select
import socket
import threading
import time
import typing
from collections.abc import Iterator, Mapping

import docker
import docker.errors
import docker.utils
import requests.exceptions

from launcher import conversation, model

STOP_SECONDS = 60  # longer than distributions' services take; the engine kills after this


class _Missing(model.Cannot):
    """The engine has nothing of this name."""


@contextlib.contextmanager
def _refusing(act: str) -> Iterator[None]:
    """Turn the ways in which a call fails into "cannot ACT: why"; the driver's own sentence stands for itself."""
    try:
        yield
    except docker.errors.APIError as error:
        why = str(error.explanation or error).strip()
        _, remote, said = why.rpartition("remote: ")
        own = said if remote and said.startswith("cannot ") else f"cannot {act}: {why}"
        raise (_Missing if error.status_code == requests.codes.not_found else model.Cannot)(own) from error
    except (requests.exceptions.RequestException, OSError) as error:
        raise model.Cannot(f"cannot {act}: the Docker engine does not answer ({error})") from error


class Engine:
    """The verbs; `container` is the engine's id of one. Several threads may use them at once."""

    def __init__(self, api: docker.APIClient) -> None:
        self._api = api

    def host(self) -> model.Host:
        """Ask for what decides how an init is booted."""
        with _refusing("ask the engine about its host"):
            info = self._api.info()
        security = info.get("SecurityOptions") or ()
        return model.Host.of(info["ServerVersion"], cgroup=info.get("CgroupVersion") or "1", security=security)

    def network_id(self, name: str) -> str:
        """Find the network `name`, which has to be one of the driver."""
        make = f"docker network create -d fullhost --ipam-driver null {name}"
        try:
            with _refusing(f"look at the network {name}"):
                found = self._api.inspect_network(name)
        except _Missing as error:
            raise model.Cannot(f"cannot use the network {name}: the engine has none of this name", hint=make) from error
        if found["Driver"] != "fullhost":
            raise model.Cannot(
                f"cannot use the network {name}: its driver is {found['Driver']}, not fullhost",
                hint=f"name another one in fhv.toml, or remove this one and: {make}",
            )
        return str(found["Id"])

    def find(self, name: str) -> model.Machine | None:
        """Give the container called `name`, whoever made it."""
        try:
            with _refusing(f"look at the container {name}"):
                found = self._api.inspect_container(name)
        except _Missing:
            return None
        if found["Name"] != f"/{name}":  # the engine takes the beginning of an id for a name as well
            return None
        state, labels = model.State(found["State"]["Status"]), found["Config"]["Labels"] or {}
        home = found["HostConfig"]["NetworkMode"]  # it may have been connected to others since
        attachment = (found["NetworkSettings"]["Networks"] or {}).get(home) or {}
        ends = {model.State.CREATED: found["Created"], model.State.EXITED: found["State"]["FinishedAt"]}
        return model.Machine(
            name=name,
            container=found["Id"],
            state=state,
            image=found["Config"]["Image"],
            since=ends.get(state, found["State"]["StartedAt"]),
            ours=labels.get(model.MACHINE_LABEL) == name,
            init=labels.get(model.INIT_LABEL, ""),
            domain=labels.get(model.DOMAIN_LABEL, ""),
            network=home,
            endpoint=attachment.get("EndpointID", ""),
            address=ipaddress.IPv4Address(given) if (given := attachment.get("IPAddress")) else None,
            mac=attachment.get("MacAddress", ""),
            # Before 25.0 the engine adds the short id to the aliases; the name is nobody's alias either.
            aliases=tuple(a for a in attachment.get("Aliases") or () if a not in (name, found["Id"][:12])),
            capabilities=tuple(c.removeprefix("CAP_") for c in found["HostConfig"]["CapAdd"] or ()),
            exit_code=found["State"]["ExitCode"],
            restarts=found["RestartCount"],
        )

    def machines(self) -> tuple[model.Machine, ...]:
        """List the machines, by name."""
        with _refusing("list the machines"):
            listed = self._api.containers(all=True, filters={"label": model.MACHINE_LABEL})
        found = map(self.find, sorted(entry["Names"][0].removeprefix("/") for entry in listed if entry["Names"]))
        return tuple(machine for machine in found if machine is not None and machine.ours)

    def files(self, image: str, paths: tuple[str, ...]) -> Mapping[str, str]:
        """Say which of the paths an image has and where those that are links lead; nothing of it is run or pulled."""
        api, config = self._api, self._api.create_host_config(network_mode="none")
        try:
            with _refusing(f"use the image {image}"):
                made = api.create_container(image, ["/sbin/init"], host_config=config)
        except _Missing as error:
            raise model.Cannot(
                f"cannot use the image {image}: the engine does not have it",
                hint=f"docker pull {image}, or fhv image bootstrap debian --suite bookworm --tag {image}",
            ) from error
        with _refusing(f"look into the image {image}"), contextlib.ExitStack() as undo:
            undo.callback(api.remove_container, made["Id"], v=True)
            return {path: target for path in paths if (target := self._link(made["Id"], path)) is not None}

    def _link(self, container: str, path: str) -> str | None:
        """Ask for a path's stat only; the SDK would fetch the file."""
        url = f"{self._api.base_url}/v{self._api.api_version}/containers/{container}/archive"
        answer = self._api.head(url, params={"path": path}, timeout=30)
        if answer.status_code == requests.codes.not_found:
            return None
        answer.raise_for_status()
        return str(json.loads(base64.b64decode(answer.headers["X-Docker-Container-Path-Stat"]))["linkTarget"])

    def create(self, creation: model.Creation) -> tuple[str, str]:
        """Make the container and give its id, and what the engine warns of (a limit that it cannot set)."""
        api, boot = self._api, creation.boot
        attachment = api.create_endpoint_config(
            aliases=list(creation.aliases), driver_opt={"fullhost.name": creation.name}
        )
        host = api.create_host_config(
            binds=list(creation.volumes),
            tmpfs=dict(entry.split(":", 1) for entry in boot.tmpfs),
            cap_add=sorted(boot.capabilities),
            security_opt=list(boot.security),
            cgroupns="private" if boot.private_cgroups else None,
            restart_policy={"Name": "unless-stopped"},
            dns=list(creation.dns),
            dns_search=list(creation.dns_search),
            mem_limit=creation.memory or None,
            nano_cpus=round(creation.cpus * 1e9) or None,
            network_mode=creation.network,
        )
        with _refusing(f"create {creation.name}"):
            made = api.create_container(
                creation.image,
                name=creation.name,
                hostname=creation.name,
                domainname=creation.domain,
                entrypoint=list(boot.command),
                tty=True,  # without one there is no /dev/console, and nothing in the console log
                environment=dict(creation.environment),
                labels=dict(creation.labels),
                stop_signal=boot.stop_signal,
                stop_timeout=STOP_SECONDS,
                host_config=host,
                networking_config={"EndpointsConfig": {creation.network: attachment}},
            )
        return str(made["Id"]), "; ".join(made["Warnings"] or ())

    def start(self, name: str, container: str) -> None:
        """Start a container that is not running."""
        with _refusing(f"start {name}"):
            self._api.start(container)

    def unpause(self, name: str, container: str) -> None:
        """Let a paused container go on."""
        with _refusing(f"continue {name}"):
            self._api.unpause(container)

    def stop(self, name: str, container: str) -> None:
        """Have the init end the machine; the engine kills it after `STOP_SECONDS`."""
        with _refusing(f"stop {name}"):
            self._api.stop(container)

    def remove(self, name: str, container: str, *, force: bool) -> None:
        """Remove a container, a running one only by force; one that is gone already is as good."""
        with contextlib.suppress(_Missing), _refusing(f"remove {name}"):
            self._api.remove_container(container, force=force)

    def converse(
        self, container: str, command: tuple[str, ...], *, tty: bool = False, term: str = ""
    ) -> conversation.Conversation:
        """Begin a command in a machine, on a terminal of the kind `term` if `tty`."""
        with _refusing(f"run {command[0]}"):
            made = self._api.exec_create(
                container, list(command), tty=tty, stdin=True, environment={"TERM": term} if term else {}
            )
            raw = typing.cast("socket.SocketIO", self._api.exec_start(made["Id"], tty=tty, socket=True))
            # The response is closed first: one that is collected later complains of a closed stream (Python 3.13).
            with contextlib.closing(raw), contextlib.closing(vars(raw)["_response"]):
                stream = socket.socket(fileno=os.dup(raw.fileno()))  # that one ends with the response
        stream.settimeout(None)  # the SDK's own descriptor has a deadline
        return conversation.Conversation(self, made["Id"], stream, tty=tty)

    def resize(self, execution: str, *, rows: int, columns: int) -> None:
        """Tell the terminal of a command how large the one outside is."""
        with _refusing("resize the terminal"):
            self._api.exec_resize(execution, height=rows, width=columns)

    def exit_code(self, execution: str) -> int:
        """Give the exit code of a command that has ended."""
        with _refusing("read the exit code"):
            return int(self._api.exec_inspect(execution)["ExitCode"] or 0)

    def run(
        self, container: str, command: tuple[str, ...], *, seconds: float, interrupted: threading.Event
    ) -> model.Answer:
        """Run a command in a machine and give what it said: nothing, where it takes longer or is interrupted."""
        said, until = bytearray(), time.monotonic() + seconds
        with contextlib.closing(self.converse(container, command)) as talk:
            while time.monotonic() < until and not interrupted.is_set():
                if not select.select([talk], [], [], 0.5)[0]:
                    continue
                _, piece = talk.receive()
                if not piece:
                    return model.Answer(exit_code=talk.exit_code(), output=said.decode("utf-8", "replace"))
                said += piece
        return model.Answer(exit_code=-1, output="")

    def console(self, container: str, *, lines: int | None = None, follow: bool = False) -> Iterator[bytes]:
        """Give the last `lines` of the console log, all of it by default, and what comes after them if `follow`."""
        with _refusing("read the console log"):
            tail: typing.Literal["all"] | int = "all" if lines is None else lines
            if follow:
                yield from self._api.logs(container, stream=True, follow=True, tail=tail)
            else:  # in one piece: of a terminal the SDK streams octet by octet
                yield self._api.logs(container, tail=tail)


def connect() -> Engine:
    """Reach the engine that DOCKER_HOST names, the local one by default."""
    address = os.environ.get("DOCKER_HOST") or "unix:///var/run/docker.sock"
    try:
        return Engine(docker.APIClient(version="auto", max_pool_size=32, **docker.utils.kwargs_from_env()))
    except (docker.errors.DockerException, requests.exceptions.RequestException) as error:
        why, hint = "it is not running", "systemctl start docker (without systemd: service docker start)"
        if "Permission denied" in str(error):
            why, hint = "permission denied", "use sudo, or join the group docker"
        raise model.Cannot(f"cannot reach the Docker engine at {address}: {why}", hint=hint) from error
