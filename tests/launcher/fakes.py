"""An engine, a driver and a clock that do what a test says, and refuse what no test expects of them."""

import contextlib
import dataclasses
import ipaddress
import threading
from collections.abc import Iterable, Iterator, Mapping

from launcher import (
    booting,
    config,
    ending,
    exchange,
    inventory,
    machines,
    making,
    model,
    openings,
    pairs,
    recognition,
    specification,
    stock,
)

SUBNET = ipaddress.IPv4Network("172.31.0.0/24")
GATEWAY = ipaddress.IPv4Address("172.31.0.1")
NETWORK = "f" * 64
SYSTEMD = {"/sbin/init": "/lib/systemd/systemd"}
SETTINGS = config.parse("")


def network(name: str = "", number: str = NETWORK) -> model.Network:
    """Give the network of the tests; the driver may not know its name."""
    return model.Network(
        id=number,
        name=name,
        bridge="br0",
        subnet=SUBNET,
        gateway=GATEWAY,
        domain="local",
        dns=GATEWAY,
        dns_port=53,
        snat=True,
        mtu=1500,
        address=GATEWAY,
    )


class Clock:
    """Time passes only when somebody sleeps."""

    def __init__(self) -> None:
        self._now = 0.0

    def now(self) -> float:
        return self._now

    def sleep(self, seconds: float) -> None:
        self._now += seconds


def exposed(name: str, port: int) -> openings.Exposure:
    """Give an exposure of the tests: a port by its own number."""
    what = {"name": name, "host": "", "transport": "tcp", "address": "172.31.0.2"}
    return openings.Exposure(network=NETWORK, host_port=port, port=port, lasting=True, **what)


class Driver:
    """A zone of names with one address each, and the pointers of those that share one."""

    def __init__(self, names: Mapping[str, int], pointers: Mapping[int, str] | None = None) -> None:
        self.names = names
        self.pointers = pointers or {}
        self.texts: dict[str, tuple[tuple[str, ...], ...]] = {}
        self.networks: tuple[model.Network, ...] = (network(),)
        self.endpoints: tuple[model.Endpoint, ...] = ()
        self.exposed: list[openings.Exposure] = []
        self.down: model.Cannot | None = None
        self.warnings: tuple[str, ...] = ("IP forwarding is off",)

    def exposures(self) -> tuple[openings.Exposure, ...]:
        self._up()
        return tuple(self.exposed)

    def expose(self, network: str, name: str, ports: tuple[str, ...]) -> tuple[str, ...]:
        self._up()
        assert network == NETWORK
        made = [exposed(name, int(port)) for port in ports]
        self.exposed += made
        return tuple(map(str, made))

    def unexpose(self, network: str, name: str, ports: tuple[str, ...]) -> tuple[str, ...]:
        self._up()
        assert network == NETWORK
        gone = [e for e in self.exposed if e.name == name and (not ports or str(e.host_port) in ports)]
        self.exposed = [e for e in self.exposed if e not in gone]
        return tuple(map(str, gone))

    def _up(self) -> None:
        if self.down is not None:
            raise self.down

    def status(self) -> model.DriverStatus:
        self._up()
        return model.DriverStatus(
            version="0.1.0",
            pid=1,
            started="2026-11-24T10:00:00+00:00",
            networks=self.networks,
            endpoints=self.endpoints,
            counters={"rung.option": 1},
            warnings=self.warnings,
        )

    def zone(self, network: str) -> inventory.Zone:
        self._up()
        assert network == NETWORK
        return inventory.Zone(
            domain="local",
            gateway=GATEWAY,
            subnet=SUBNET,
            records=tuple(inventory.Record(name=name, addresses=(SUBNET[last],)) for name, last in self.names.items()),
            pointers={SUBNET[last]: name for last, name in self.pointers.items()},
            texts=self.texts,
        )

    def record(self, network: str, name: str) -> pairs.Pair:
        self._up()
        assert network == NETWORK
        return pairs.Pair(four=SUBNET[self.names[name]])


class Acting:
    """What is told in `calls`; `failing` names the verbs that fail, `fails` counts the acts until the one that does."""

    def __init__(self) -> None:
        self.failing: dict[str, BaseException] = {}
        self.fails = 0
        self.failure: BaseException = model.Cannot("cannot do what it was told")
        self.calls: list[str] = []
        self._lock = threading.Lock()

    def _call(self, verb: str, name: str) -> None:
        with self._lock:
            self.calls.append(f"{verb} {name}")
        if verb in self.failing:
            raise self.failing[verb]

    def _act(self, verb: str, name: str) -> None:
        self._call(verb, name)
        self.fails -= 1
        if self.fails == 0:
            raise self.failure


class Engine(Acting):
    """Containers in memory, by name; each says what it was made of in `made`. `answers` are what inits say."""

    def __init__(self, *there: model.Machine) -> None:
        super().__init__()
        self.containers = {machine.name: machine for machine in there}
        self.started_as = model.State.RUNNING
        self.answers: dict[str, list[str]] = {}
        self.made: list[model.Creation] = []
        self.warns = self.tells = ""

    def _set(self, container: str, state: model.State, exit_code: int = 0) -> None:
        name = self._name(container)
        self.containers[name] = dataclasses.replace(self.containers[name], state=state, exit_code=exit_code)

    def _name(self, container: str) -> str:
        return next(name for name, there in self.containers.items() if there.container == container)

    def host(self) -> model.Host:
        return model.Host(engine=(28, 5), cgroup=2, apparmor=False)

    def network_id(self, name: str) -> str:
        self._call("network", name)
        return NETWORK

    def find(self, name: str) -> model.Machine | None:
        there = self.containers.get(name)
        return there and dataclasses.replace(there, name=name, ours=there.ours and there.name == name)

    def machines(self) -> tuple[model.Machine, ...]:
        return tuple(machine for name in self.containers if (machine := self.find(name)) and machine.ours)

    def create(self, creation: model.Creation, *, called: str = "") -> tuple[str, str]:
        name = called or creation.name
        self._act("create", name)
        if name in self.containers:
            raise model.Cannot(f"cannot create {creation.name}: the name {name} is in use")
        self.made.append(creation)
        made = machine(creation.name, state=model.State.CREATED)
        number = f"{made.container}-{len(self.made)}"
        self.containers[name] = dataclasses.replace(
            made,
            container=number,
            image=creation.labels[model.IMAGE_LABEL],
            init=creation.labels[model.INIT_LABEL],
            memory=creation.memory,
            cpus=creation.cpus,
            autostart=creation.autostart,
            aliases=creation.aliases,
            volumes=creation.volumes,
        )
        return number, self.warns

    def start(self, name: str, container: str) -> str:
        self._act("start", self._name(container))
        self._set(container, self.started_as, exit_code=3 if self.started_as == model.State.EXITED else 0)
        return self.tells

    def follow(self, name: str, old: str, new: str) -> None:
        self._call("follow", name)

    def unpause(self, name: str, container: str) -> None:
        self._act("unpause", self._name(container))
        self._set(container, model.State.RUNNING)

    def stop(self, name: str, container: str) -> None:
        self._act("stop", self._name(container))
        self._set(container, model.State.EXITED, exit_code=137 if "killed" in self.answers else 0)

    def rename(self, name: str, container: str, new: str) -> None:
        self._act("rename", self._name(container))
        assert new not in self.containers
        self.containers[new] = self.containers.pop(self._name(container))

    def able(self) -> frozenset[str]:
        return frozenset({"memory", "cpus"})

    def rejoin(self, machine: model.Machine, aliases: tuple[str, ...]) -> None:
        self._act("rejoin", machine.name)
        assert not machine.runs
        self.containers[machine.name] = dataclasses.replace(self.containers[machine.name], aliases=aliases)

    def limit(self, name: str, container: str, limits: specification.Limits) -> str:
        self._act("limit", self._name(container))
        there = self.containers[name]
        self.containers[name] = dataclasses.replace(
            there,
            memory=there.memory if limits.memory is None else limits.memory,
            cpus=there.cpus if limits.cpus is None else limits.cpus,
            autostart=there.autostart if limits.autostart is None else limits.autostart,
        )
        return self.warns

    def remove(self, name: str, container: str, *, force: bool) -> None:
        called = next((n for n, there in self.containers.items() if there.container == container), None)
        if called is None:
            return
        self._act("remove --force" if force else "remove", called)
        assert force or not self.containers[called].runs
        del self.containers[called]

    def run(
        self, container: str, command: tuple[str, ...], *, seconds: float, interrupted: threading.Event
    ) -> model.Answer:
        assert seconds > 0
        assert not interrupted.is_set()
        self._call("run", " ".join(command)[:40])
        said = self.answers.get(self._name(container), [])
        return model.Answer(exit_code=0, output=said.pop(0) if len(said) > 1 else (said or ["running\n"])[0])

    def console(self, container: str, *, lines: int | None = None, follow: bool = False) -> Iterable[bytes]:
        self._call("console", self._name(container))
        assert lines is None or not follow
        return [b"Welcome\r\n", b"\x1b[31mPanic\x1b[0m: no disk\r\n"]


class Depot(Acting):
    """Images in memory, each with the files that `fhv` probes, and snapshots."""

    def __init__(self) -> None:
        super().__init__()
        self.images: dict[str, Mapping[str, str]] = {SETTINGS.common.image: SYSTEMD}
        self.kept: dict[str, str] = {}
        self.brought = b""

    def known(self, image: str) -> str:
        return ""

    def files(self, image: str, paths: tuple[str, ...]) -> Mapping[str, str]:
        self._call("files", image)
        return {path: target for path, target in self.images[image].items() if path in paths}

    @contextlib.contextmanager
    def claim(self, machine: model.Machine) -> Iterator[None]:
        self._call("claim", machine.name)
        yield

    def commit(self, machine: model.Machine, *, tag: str = "") -> str:
        self._act("commit", machine.name)
        image = f"fullhost/snapshot/{machine.name}:{tag}" if tag else f"sha256:{machine.name}"
        self.images[image] = SYSTEMD
        if tag:
            self.kept[image] = machine.image
        return image

    def snapshots(self, name: str = "") -> tuple[stock.Snapshot, ...]:
        return tuple(
            stock.Snapshot(
                machine=reference.split("/")[-1].split(":")[0],
                tag=reference.split(":")[1],
                created="2026-11-24T10:00:00Z",
                size=1,
                image=image,
                reference=reference,
            )
            for reference, image in self.kept.items()
            if reference.startswith(f"fullhost/snapshot/{name}:" if name else "fullhost/snapshot/")
        )

    def call(self, image: str, name: str, tag: str) -> None:
        self._call("call", image)
        self.kept[f"fullhost/snapshot/{name}:{tag}"] = self.kept[image]

    def forget(self, reference: str) -> None:
        self._call("forget", reference)
        self.kept.pop(reference, None)
        del self.images[reference]

    def sweep(self) -> None:
        self._call("sweep", "")

    def renew(self, image: str, script: str) -> str:
        self._act("renew", image)
        assert "machine-id" in script
        self.images["sha256:renewed"] = SYSTEMD
        return "sha256:renewed"

    def export(self, image: str) -> Iterator[bytes]:
        self._act("export", image)
        yield b"the files of "
        yield image.encode()

    def bring_in(self, tree: Iterable[bytes], labels: Mapping[str, str]) -> str:
        self._act("bring_in", labels[model.IMAGE_LABEL])
        self.brought = b"".join(tree)
        self.images["sha256:brought"] = SYSTEMD
        return "sha256:brought"


def machine(
    name: str,
    *,
    state: model.State = model.State.RUNNING,
    ours: bool = True,
    aliases: tuple[str, ...] = (),
    init: str = "systemd",
) -> model.Machine:
    """Give a machine of the tests."""
    return model.Machine(
        name=name,
        container=f"id-of-{name}",
        state=state,
        image=SETTINGS.common.image,
        since="2026-11-24T10:00:00.123456789Z",
        ours=ours,
        init=init,
        domain="local",
        network="fullhost",
        endpoint="e" * 64,
        address=SUBNET[2],
        mac="02:66:ac:1f:00:02",
        aliases=aliases,
        capabilities=("SYS_ADMIN",),
    )


def _held(name: str, *, alone: bool = False) -> contextlib.AbstractContextManager[None]:
    return contextlib.nullcontext()


def operator(
    engine: Engine,
    driver: Driver,
    *,
    depot: Depot | None = None,
    heard: list[str] | None = None,
    settings: config.Config = SETTINGS,
) -> machines.Operator:
    """Give the use cases this world; `heard` is told of each step."""
    steps = heard if heard is not None else []

    def report(name: str, step: str) -> None:
        steps.append(f"{name} {step}")

    watch = booting.Watch(engine=engine, clock=Clock(), patience=10)
    images, ends = recognition.Recognition(depot or Depot()), ending.Ending(engine=engine, driver=driver, report=report)
    return machines.Operator(
        engine=engine,
        maker=making.Maker(engine=engine, driver=driver, settings=settings, images=images),
        exchange=exchange.Exchange(engine=engine, ending=ends, watch=watch, report=report, hold=_held),
        watch=watch,
        report=report,
    )
