"""A network namespace of its own for each test that touches the kernel, and the nouns that tests share."""

import dataclasses
import datetime
import ipaddress
import itertools
import os
from collections.abc import Callable, Iterator

import pytest
from pyroute2 import netns

from netplugin import model

NETWORK = model.Network(
    id="1f" * 32,
    bridge="br0",
    bridge_made=True,
    subnet=ipaddress.IPv4Network("172.31.0.0/24"),
    gateway=ipaddress.IPv4Address("172.31.0.1"),
    address=ipaddress.IPv4Address("172.31.0.1"),
    domain="local",
    dns=model.Server(address=ipaddress.IPv4Address("127.0.0.1"), port=53),
    snat=True,
    mtu=1500,
    range=ipaddress.IPv4Network("172.31.0.192/26"),
    stale=model.Stale.SERVE,
    created=datetime.datetime(2026, 11, 24, 10, 0, tzinfo=datetime.UTC),
)
ADDRESS = ipaddress.IPv4Address("172.31.0.2")
ENDPOINT = model.Endpoint(
    id="ab" * 32,
    network_id=NETWORK.id,
    name="web",
    address=ADDRESS,
    mac="02:66:ac:1f:00:02",
    rung=model.Rung.OPTION,
    source=model.Source.DNS,
    settled=True,
    created=NETWORK.created,
)
_serial = itertools.count()


@dataclasses.dataclass
class Clock:
    """A clock that goes a microsecond on at each look, as a real one does, and further when a test moves it."""

    time: datetime.datetime = NETWORK.created

    def __call__(self) -> datetime.datetime:
        self.time += datetime.timedelta(microseconds=1)
        return self.time

    def move(self, seconds: float) -> None:
        self.time += datetime.timedelta(seconds=seconds)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def namespace() -> Iterator[str]:
    """Put the test into a network namespace of its own, and take it away afterwards; needs root, and says so."""
    assert os.geteuid() == 0, "tests that touch the kernel need root: run ./test.sh as root"
    name = f"fhtest-{os.getpid()}-{next(_serial)}"
    netns.create(name)
    try:
        netns.pushns(name)
        try:
            yield name
        finally:
            netns.popns()
    finally:
        netns.remove(name)


@pytest.fixture
def other_namespace(namespace: str) -> Iterator[str]:
    """Make a second namespace, as a sandbox would be one."""
    name = f"{namespace}-sandbox"
    netns.create(name)
    yield name
    netns.remove(name)


@pytest.fixture
def machine(namespace: str) -> Iterator[str]:
    """Make a third namespace, of a machine beside another one."""
    name = f"{namespace}-machine"
    netns.create(name)
    yield name
    netns.remove(name)


Tally = Callable[[str], None]
