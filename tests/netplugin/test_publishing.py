"""Ports that the world may see: published by the engine, exposed by fhv, and gone with what they led to."""

import dataclasses
import pathlib

import pytest

from netplugin import driver, exposure, model, naming, networks, protocol, publishing, store
from tests.netplugin import fakes
from tests.netplugin.conftest import NETWORK, Clock

WEB, DB = "ab" * 32, "cd" * 32
CREATE = protocol.CreateNetwork(
    network_id=NETWORK.id,
    options={},
    pools=("0.0.0.0/0",),
    spaces=frozenset({"null"}),
    gateway="",
    reserved=False,
    internal=False,
    ipv4=True,
    ipv6=False,
)
ORDER = {"name": "web", "ports": ["8080:80"]}


@pytest.fixture
def world() -> fakes.World:
    return fakes.World(zone={"web": ("172.31.0.2",), "db": ("172.31.0.3",)}, networks={NETWORK.id})


@pytest.fixture
def use(world: fakes.World, tmp_path: pathlib.Path, clock: Clock) -> driver.Driver:
    state = store.Store(tmp_path / "driver.db")
    made: networks.Networks = fakes.make(world, state, clock)
    made.create(CREATE)
    return fakes.drive(world, state, clock)


@pytest.fixture
def publisher(use: driver.Driver) -> publishing.Publisher:
    return use.publisher


def start(use: driver.Driver, endpoint: str, name: str) -> None:
    use.create_endpoint(
        protocol.CreateEndpoint(network_id=NETWORK.id, endpoint_id=endpoint, name=name, address=None, mac=None)
    )
    use.join(protocol.Join(network_id=NETWORK.id, endpoint_id=endpoint, sandbox="/run/netns/1"))


def ref(endpoint: str) -> protocol.EndpointRef:
    return protocol.EndpointRef(network_id=NETWORK.id, endpoint_id=endpoint)


def asked(endpoint: str, *texts: str) -> protocol.Publish:
    wishes = tuple(wish for text in texts for wish in exposure.parse(text))
    return protocol.Publish(network_id=NETWORK.id, endpoint_id=endpoint, wishes=wishes)


def led(world: fakes.World) -> list[str]:
    return [f"{way.exposure} {way.address}" for way in world.ways.get(NETWORK.id, ())]


def test_what_docker_publishes_leads_to_the_endpoint_until_it_leaves(
    use: driver.Driver, publisher: publishing.Publisher, world: fakes.World
) -> None:
    start(use, WEB, "web")
    for _ in range(2):  # the engine may say it twice
        publisher.publish(asked(WEB, "8080:80", "53:53/udp"))
        assert led(world) == ["53:53/udp 172.31.0.2", "8080:80/tcp 172.31.0.2"]
    use.leave(ref(WEB))
    assert (led(world), world.held, use.store.exposures()) == ([], set(), ())


@pytest.mark.parametrize("way", ["revoke", "leave", "delete", "supersede"])
def test_they_go_whichever_call_is_the_only_one_that_comes(
    use: driver.Driver, publisher: publishing.Publisher, world: fakes.World, clock: Clock, way: str
) -> None:
    start(use, WEB, "web")
    publisher.publish(asked(WEB, "8080:80"))
    match way:
        case "revoke":
            publisher.revoke(ref(WEB))
        case "leave":
            use.leave(ref(WEB))
        case "delete":
            use.delete_endpoint(ref(WEB))
        case _:
            del world.links[naming.veth(WEB).host]
            clock.move(60)
            start(use, DB, "web")
    assert (led(world), world.held, use.store.exposures()) == ([], set(), ())
    publisher.revoke(ref(WEB))


def test_an_endpoint_that_is_unknown_has_nothing_published(publisher: publishing.Publisher) -> None:
    assert publisher.publish(asked(WEB)).body == {}
    with pytest.raises(model.Cannot, match="cannot publish ports of the endpoint abababababab: the driver has no rec"):
        publisher.publish(asked(WEB, "8080:80"))
    assert publisher.revoke(ref(WEB)).body == {}


def test_what_fhv_exposes_waits_for_the_machine_and_outlives_its_stop(
    use: driver.Driver, publisher: publishing.Publisher, world: fakes.World
) -> None:
    assert publisher.expose(NETWORK.id, ORDER) == {"name": "web", "exposed": ["8080:80/tcp"], "there": 0}
    assert publisher.expose(NETWORK.id, ORDER) == {"name": "web", "exposed": [], "there": 1}
    assert (led(world), world.held) == ([], {"8080:80/tcp"})
    for endpoint, address in ((WEB, "172.31.0.2"), (DB, "172.31.0.9")):
        world.zone["web"] = (address,)
        start(use, endpoint, "web")
        assert led(world) == [f"8080:80/tcp {address}"]
        use.leave(ref(endpoint))
        use.delete_endpoint(ref(endpoint))
        assert (led(world), world.held) == ([], {"8080:80/tcp"})
    assert publisher.unexpose(NETWORK.id, {"name": "web"}) == {"name": "web", "taken": ["8080:80/tcp"]}
    assert publisher.unexpose(NETWORK.id, {"name": "web"}) == {"name": "web", "taken": []}
    assert world.held == set()


def test_a_port_in_use_is_refused_before_anything_changes(
    use: driver.Driver, publisher: publishing.Publisher, world: fakes.World
) -> None:
    start(use, WEB, "web")
    publisher.expose(NETWORK.id, ORDER)
    world.listening = {9000}
    for ports in (["81:81", "9000:80"], ["82:82", "8080:80"]):
        with pytest.raises(model.Cannot, match="cannot publish"):
            publisher.expose(NETWORK.id, {"name": "db", "ports": ports})
    start(use, DB, "db")
    with pytest.raises(model.Cannot, match="cannot publish 8080:80/tcp: web has it, as 8080:80/tcp"):
        publisher.publish(asked(DB, "8080:80"))
    assert led(world) == ["8080:80/tcp 172.31.0.2"]
    assert world.held == {"8080:80/tcp"}


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ({"name": "web"}, "cannot expose web: no port is given; fhv expose web 8080:80"),
        ({"ports": ["80:80"]}, "cannot name a machine"),
        ({"name": "web", "ports": "80:80"}, "cannot read the order: ports is no list of texts"),
        ({"name": "web", "ports": [80]}, "cannot read the order: ports is no list of texts"),
        ({"name": 7, "ports": ["80:80"]}, "cannot read the request: name is no string"),
    ],
)
def test_an_order_that_cannot_be_read_changes_nothing(
    publisher: publishing.Publisher, body: dict[str, object], why: str
) -> None:
    with pytest.raises(model.Cannot) as refused:
        publisher.expose(NETWORK.id, body)
    assert str(refused.value).startswith(why)
    assert publisher.store.exposures() == ()


def test_a_network_on_the_lan_publishes_nothing(publisher: publishing.Publisher) -> None:
    lan = dataclasses.replace(NETWORK, id="2e" * 32, bridge="br1", parent="eth1")
    with publisher.store.transaction() as transaction:
        transaction.add_network(lan)
    with pytest.raises(model.Cannot, match="cannot publish ports on br1: its machines are on the LAN"):
        publisher.expose(lan.id, ORDER)


def test_each_act_that_fails_leaves_nothing(
    use: driver.Driver, publisher: publishing.Publisher, world: fakes.World
) -> None:
    start(use, WEB, "web")
    world.failing = world.acts + 1
    with pytest.raises(model.Cannot, match="on purpose"):
        publisher.publish(asked(WEB, "8080:80"))
    assert (led(world), world.held, use.store.exposures()) == ([], set(), ())
    publisher.publish(asked(WEB, "8080:80"))
    assert led(world) == ["8080:80/tcp 172.31.0.2"]


def test_a_machine_starts_and_stops_although_its_ports_cannot_follow_at_once(
    use: driver.Driver, publisher: publishing.Publisher, world: fakes.World
) -> None:
    publisher.expose(NETWORK.id, ORDER)
    world.failing = world.acts + 4  # after DNS, its veth and its pins
    start(use, WEB, "web")
    assert (led(world), world.counts["published.late"]) == ([], 1)
    assert publisher.missing(NETWORK) == ("its ways",)
    publisher.ensure(NETWORK)  # the keeper
    assert led(world) == ["8080:80/tcp 172.31.0.2"]


def test_a_port_that_was_taken_meanwhile_is_told_once(publisher: publishing.Publisher, world: fakes.World) -> None:
    publisher.expose(NETWORK.id, ORDER)
    world.listening = {8080}
    for _ in range(2):
        publisher.hold()
    assert world.counts["published.unheld"] == 1
    assert publisher.told.keys() == {"cannot hold the port of 8080:80/tcp: taken; see ss -tulpn"}
    world.listening = set()
    publisher.hold()
    assert publisher.told == {}


def test_everything_is_listed(use: driver.Driver, publisher: publishing.Publisher) -> None:
    start(use, WEB, "web")
    publisher.publish(asked(WEB, "8080:80"))
    publisher.expose(NETWORK.id, {"name": "db", "ports": ["5432:5432"]})
    listed = publisher.exposures()["exposures"]
    assert isinstance(listed, list)
    assert [(e["name"], e["host_port"], e["address"], e["lasting"]) for e in listed] == [
        ("db", 5432, None, True),
        ("web", 8080, "172.31.0.2", False),
    ]


def test_a_network_takes_its_exposures_with_it(
    publisher: publishing.Publisher, world: fakes.World, clock: Clock
) -> None:
    publisher.expose(NETWORK.id, ORDER)
    fakes.make(world, publisher.store, clock).delete(protocol.NetworkRef(network_id=NETWORK.id))
    assert publisher.store.exposures() == ()
    publisher.hold()
    assert world.held == set()
