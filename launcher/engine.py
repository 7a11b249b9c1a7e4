"""The Docker engine's containers, as few verbs."""

import concurrent.futures
import contextlib
import dataclasses
import threading
from collections.abc import Iterator

from launcher import api, conversation, joining, model, pairs, rivalry, specification, terminal

_LOOKS_AT_ONCE = 8  # a hundred machines are listed three to five times as quickly as one by one
STOP_SECONDS = 60  # longer than distributions' services take; the engine kills after this


class Engine:
    """The verbs; `container` is the engine's id of one. Several threads may use them at once.

    What is said with a machine is a `terminal`'s matter, and handed on to it.
    """

    def __init__(self, client: api.Client) -> None:
        self._client, self._terminal = client, terminal.Terminal(client)

    def host(self) -> model.Host:
        """Ask for what decides how an init is booted."""
        with api.refusing("ask the engine about its host"):
            info = self._client.info()
        security = info.get("SecurityOptions") or ()
        return dataclasses.replace(
            model.Host.of(info["ServerVersion"], cgroup=info.get("CgroupVersion") or "1", security=security),
            version=info["ServerVersion"],
            firewall=(info.get("FirewallBackend") or {}).get("Driver") or "iptables",
            live_restore=info["LiveRestoreEnabled"],
            rootless=any("name=rootless" in option for option in security),
        )

    def able(self) -> frozenset[str]:
        """Tell what of memory and cpus the engine can limit here; the kernel may lack the one or the other."""
        with api.refusing("ask the engine what it can limit"):
            info = self._client.info()
        return frozenset(what for what, key in (("memory", "MemoryLimit"), ("cpus", "CpuCfsQuota")) if info.get(key))

    def network_id(self, name: str) -> str:
        """Find the network `name`, which has to be one of the driver."""
        make = f"docker network create -d fullhost --ipam-driver null {name}"
        try:
            with api.refusing(f"look at the network {name}"):
                found = self._client.inspect_network(name)
        except api.Missing as error:
            raise model.Cannot(f"cannot use the network {name}: the engine has none of this name", hint=make) from error
        if found["Driver"].rpartition("/")[2].partition(":")[0] != "fullhost":  # a managed plugin's name has a tag
            raise model.Cannot(
                f"cannot use the network {name}: its driver is {found['Driver']}, not fullhost",
                hint=f"name another one in fhv.toml, or remove this one and: {make}",
            )
        return str(found["Id"])

    def find(self, name: str) -> model.Machine | None:
        """Give the container called `name`, whoever made it."""
        try:
            with api.refusing(f"look at the container {name}"):
                found = self._client.inspect_container(name)
        except api.Missing:
            return None
        if found["Name"] != f"/{name}":  # the engine takes the beginning of an id for a name as well
            return None
        state, labels = model.State(found["State"]["Status"]), found["Config"]["Labels"] or {}
        home = found["HostConfig"]["NetworkMode"]  # it may have been connected to others since
        attachment = (found["NetworkSettings"]["Networks"] or {}).get(home) or {}
        given = pairs.pair(attachment.get("IPAddress"), attachment.get("GlobalIPv6Address"))
        ends = {model.State.CREATED: found["Created"], model.State.EXITED: found["State"]["FinishedAt"]}
        return model.Machine(
            name=name,
            container=found["Id"],
            state=state,
            image=labels.get(model.IMAGE_LABEL) or found["Config"]["Image"],
            since=ends.get(state, found["State"]["StartedAt"]),
            ours=labels.get(model.MACHINE_LABEL) == name,
            init=labels.get(model.INIT_LABEL, ""),
            domain=labels.get(model.DOMAIN_LABEL, ""),
            resolver=labels.get(model.RESOLVER_LABEL, "engine"),
            network=home,
            endpoint=attachment.get("EndpointID", ""),
            address=given.four,
            address6=given.six,
            mac=attachment.get("MacAddress", ""),
            # Before 25.0 the engine adds the short id to the aliases; the name is nobody's alias either.
            aliases=tuple(a for a in attachment.get("Aliases") or () if a not in (name, found["Id"][:12])),
            capabilities=tuple(c.removeprefix("CAP_") for c in found["HostConfig"]["CapAdd"] or ()),
            exit_code=found["State"]["ExitCode"],
            error=found["State"]["Error"],
            restarts=found["RestartCount"],
            memory=found["HostConfig"]["Memory"] or 0,
            cpus=(found["HostConfig"]["NanoCpus"] or 0) / 1e9,
            # What an init is given of the host's control groups is not the machine's.
            volumes=tuple(v for v in found["HostConfig"]["Binds"] or () if not v.startswith("/sys/fs/cgroup")),
            autostart=found["HostConfig"]["RestartPolicy"]["Name"] not in ("", "no"),
        )

    def machines(self) -> tuple[model.Machine, ...]:
        """List the machines, by name."""
        with api.refusing("list the machines"):
            listed = self._client.containers(all=True, filters={"label": model.MACHINE_LABEL})
        names = sorted(entry["Names"][0].removeprefix("/") for entry in listed if entry["Names"])
        with concurrent.futures.ThreadPoolExecutor(_LOOKS_AT_ONCE) as pool:
            found = tuple(pool.map(self.find, names))
        return tuple(machine for machine in found if machine is not None and machine.ours)

    def create(self, creation: model.Creation, *, called: str = "") -> tuple[str, str]:
        """Make the container and give its id, and what the engine warns of (a limit that it cannot set).

        It may be `called` otherwise than the machine, until it takes the place of another one.
        """
        client, boot = self._client, creation.boot
        attachment = client.create_endpoint_config(
            ipv4_address=self._wish(creation),
            aliases=list(creation.aliases),
            driver_opt={"fullhost.name": creation.name},
        )
        host = client.create_host_config(
            binds=list(creation.volumes),
            tmpfs=dict(entry.split(":", 1) for entry in boot.tmpfs),
            cap_add=sorted(boot.capabilities),
            security_opt=list(boot.security),
            cgroupns="private" if boot.private_cgroups else None,
            restart_policy=_restart_policy(autostart=creation.autostart),
            dns=list(creation.dns),
            dns_search=list(creation.dns_search),
            mem_limit=creation.memory or None,
            nano_cpus=round(creation.cpus * 1e9) or None,
            network_mode=creation.network,
        )
        with api.refusing(f"create {creation.name}"):
            made = client.create_container(
                creation.image,
                name=called or creation.name,
                hostname=creation.name,
                domainname=creation.domain,
                entrypoint=list(boot.command),
                tty=True,  # without one there is no /dev/console, and nothing in the console log
                stdin_open=True,  # who attaches to the console may type, and the engine heeds the keys that leave it
                environment=dict(creation.environment),
                labels=dict(creation.labels),
                stop_signal=boot.stop_signal,
                stop_timeout=STOP_SECONDS,
                host_config=host,
                networking_config={"EndpointsConfig": {creation.network: attachment}},
            )
        return str(made["Id"]), "; ".join(made["Warnings"] or ())

    def _wish(self, creation: model.Creation) -> str | None:
        """Give the address to ask for: where the network has a pool, whoever gives it out has to be told."""
        with api.refusing(f"look at the network {creation.network}"):
            given_out = self._client.inspect_network(creation.network)["IPAM"]["Driver"] != "null"
        return str(creation.address) if given_out and creation.address else None

    def start(self, name: str, container: str) -> str:
        """Start a container that is not running, and give what there is to tell: what had become of its network."""
        with api.refusing(f"start {name}"):
            told = joining.mended(self._client, container, name)
        try:
            with api.refusing(f"start {name}"):
                self._client.start(container)
        except api.Missing:
            with api.refusing(f"start {name}"):
                if not (anew := joining.remade(self._client, container)):
                    raise
                for network in anew:
                    joining.again(self._client, container, network)
                self._client.start(container)
            return f"the network {' and '.join(anew)} was made anew, and it has joined that one"
        return told and f"it had been taken off the network {told}, and has joined that again"

    def follow(self, name: str, old: str, new: str) -> None:
        """Put a container that is to take the place of another one on all the networks that this is on."""
        with api.refusing(f"put {name} on its networks"):
            joining.follow(self._client, old, new, name)

    def unpause(self, name: str, container: str) -> None:
        """Let a paused container go on."""
        with api.refusing(f"continue {name}"):
            self._client.unpause(container)

    def stop(self, name: str, container: str) -> None:
        """Have the init end the machine; the engine kills it after `STOP_SECONDS`."""
        with api.refusing(f"stop {name}"):
            # Answered when it has ended: that, and what the engine waits for a driver that is down (three calls).
            api.post(self._client, f"/containers/{container}/stop", seconds=STOP_SECONDS + 60)

    def rename(self, name: str, container: str, new: str) -> None:
        """Call a container otherwise."""
        with api.refusing(f"rename {name}"):
            self._client.rename(container, new)

    def limit(self, name: str, container: str, limits: specification.Limits) -> str:
        """Set limits of a container, running or not, and give what the engine warns of."""
        body: dict[str, int | dict[str, str]] = {}
        if 0 in (limits.memory, limits.cpus):
            raise model.Cannot(
                f"cannot take a limit from {name}: the engine can only set another one",
                hint="set one as large as the host, or take the machine away and start it anew",
            )
        if limits.memory is not None:
            # As docker run: as much swap again. The two have to be told at once, or one forbids the other.
            body |= {"Memory": limits.memory, "MemorySwap": 2 * limits.memory}
        if limits.cpus is not None:
            body["NanoCpus"] = round(limits.cpus * 1e9)
        if limits.autostart is not None:
            body["RestartPolicy"] = _restart_policy(autostart=limits.autostart)
        with api.refusing(f"set the limits of {name}"):
            answer = api.post(self._client, f"/containers/{container}/update", body=body)
            return "; ".join(answer.json()["Warnings"] or ())

    def rejoin(self, machine: model.Machine, aliases: tuple[str, ...]) -> None:
        """Give a machine that does not run other aliases, from its next start."""
        with api.refusing(f"give {machine.name} the aliases that DNS gives it"):
            joining.again(self._client, machine.container, machine.network, {"Aliases": list(aliases)})

    def remove(self, name: str, container: str, *, force: bool) -> None:
        """Remove a container, a running one only by force; one that is gone already, or goes, is as good."""
        try:
            with contextlib.suppress(api.Missing), api.refusing(f"remove {name}"):
                self._client.remove_container(container, force=force)
        except rivalry.Taken as error:
            if "already in progress" not in str(error):
                raise

    def converse(
        self, container: str, command: tuple[str, ...], *, tty: bool = False, term: str = ""
    ) -> conversation.Conversation:
        """Begin a command in a machine, on a terminal of the kind `term` if `tty`."""
        return self._terminal.converse(container, command, tty=tty, term=term)

    def run(
        self, container: str, command: tuple[str, ...], *, seconds: float, interrupted: threading.Event
    ) -> model.Answer:
        """Run a command in a machine and give what it said: nothing, where it takes longer or is interrupted."""
        return self._terminal.run(container, command, seconds=seconds, interrupted=interrupted)

    def console(self, container: str, *, lines: int | None = None, follow: bool = False) -> Iterator[bytes]:
        """Give the last `lines` of the console log, all of it by default, and what comes after them if `follow`."""
        return self._terminal.console(container, lines=lines, follow=follow)


def _restart_policy(*, autostart: bool) -> dict[str, str]:
    """Give what the engine does with a machine at boot; one that was stopped stays so."""
    return {"Name": "unless-stopped" if autostart else "no"}
