"""Many at once: two dozen containers started and stopped together, with and without their names."""

import concurrent.futures
import re
from collections.abc import Callable, Iterable, Iterator

import docker as sdk
import pytest

from tests.lab import commands, images, world, zones
from tests.tally import Promise, Tally

ROUNDS = 10  # of each kind, so 20 on each engine
NAMES = [f"m{number}" for number in range(1, 25)]


def address(name: str) -> str:
    return f"172.31.0.{20 + int(name[1:])}"


@pytest.fixture(autouse=True)
def _zone(lab: world.Lab, network: str) -> None:
    assert network
    images.ensure(lab.engine, images.BUSYBOX)
    zone = zones.LOCAL
    for name in NAMES:
        zone = zone.replacing(name, f"A {address(name)}")
    lab.nameserver.publish(zone, zones.REVERSE)


@pytest.fixture
def client(lab: world.Lab) -> Iterator[sdk.DockerClient]:
    with lab.engine.client() as client:
        yield client


def create(client: sdk.DockerClient, name: str, *, known: bool) -> str:
    """Create a container of the crowd, as `docker create --network` would; return its id."""
    options = {"fullhost.name": name} if known else {}
    api = client.api
    # The stubs know one endpoint only; the API takes one for each network.
    attached = api.create_networking_config({"fullhost": api.create_endpoint_config(driver_opt=options)})  # type: ignore[arg-type]
    made = api.create_container(images.BUSYBOX, ["sleep", "600"], name=name, networking_config=attached)
    return str(made["Id"])


def together(pool: concurrent.futures.Executor, act: Callable[[str], object], crowd: Iterable[str]) -> None:
    """Do it with all at the same time, and wait for all."""
    for done in [pool.submit(act, container) for container in crowd]:
        done.result()


def given(lab: world.Lab) -> dict[str, str]:
    """Return the addresses of settled endpoints by name, as the driver has them."""
    found = lab.driver.get("/v1/status")
    assert isinstance(found, dict)
    return {endpoint["name"]: endpoint["address"] for endpoint in found["endpoints"] if endpoint["settled"]}


def inside(lab: world.Lab, client: sdk.DockerClient, crowd: dict[str, str]) -> dict[str, str]:
    """Return the addresses that the kernel has in each container's own namespace, by name."""
    pids = [str(client.api.inspect_container(container)["State"]["Pid"]) for container in crowd]
    script = "for pid; do echo =; cat /proc/$pid/net/fib_trie; done"
    shown = commands.run([*lab.engine.enter, "--pid", "sh", "-c", script, "sh", *pids]).split("=\n")[1:]
    local = [set(re.findall(r"-- (\S+)\n +/32 host LOCAL", trie)) - {"127.0.0.1"} for trie in shown]
    return {name: " ".join(sorted(found)) for name, found in zip(crowd.values(), local, strict=True)}


def nothing_left(lab: world.Lab) -> bool:
    found = lab.driver.get("/v1/status")
    assert isinstance(found, dict)
    return not found["endpoints"] and not re.findall(r"fh[0-9a-f]{12}", lab.host.ip("-br", "link"))


@pytest.mark.timeout(900)
@pytest.mark.parametrize("known", [True, False], ids=["with names", "without names"])
def test_two_dozen_started_and_stopped_at_once(
    lab: world.Lab, client: sdk.DockerClient, known: bool, tally: Tally
) -> None:
    crowd = {create(client, name, known=known): name for name in NAMES}
    right = {name: address(name) for name in NAMES}
    kept = 0
    try:
        with concurrent.futures.ThreadPoolExecutor(len(NAMES)) as pool:
            for _ in range(ROUNDS):
                together(pool, client.api.start, crowd)
                commands.wait("each to have its own address", lambda: given(lab) == right, seconds=60)
                found = inside(lab, client, crowd)
                kept += sum(found[name] == right[name] for name in NAMES)
                assert found == right
                together(pool, client.api.kill, crowd)
                commands.wait("nothing to be left", lambda: nothing_left(lab))
    finally:
        tally.add(Promise.STARTS, kept=kept, of=ROUNDS * len(NAMES))
