"""The use cases of the driver, over a real store and a world that fails on demand."""

import dataclasses
import ipaddress
import pathlib

import pytest

from netplugin import driver, model, naming, networks, protocol, store
from tests.netplugin import fakes
from tests.netplugin.conftest import NETWORK, Clock

WEB, DB = "ab" * 32, "cd" * 32
ELSEWHERE = ipaddress.IPv4Address("172.31.0.9")
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


def endpoint(endpoint_id: str, name: str | None) -> protocol.CreateEndpoint:
    return protocol.CreateEndpoint(network_id=NETWORK.id, endpoint_id=endpoint_id, name=name, address=None, mac=None)


def ref(endpoint_id: str) -> protocol.EndpointRef:
    return protocol.EndpointRef(network_id=NETWORK.id, endpoint_id=endpoint_id)


@pytest.fixture
def world() -> fakes.World:
    return fakes.World(zone={"web": ("172.31.0.2",), "db": ("172.31.0.3",), "twin": ("172.31.0.2",)})


@pytest.fixture
def made(world: fakes.World, clock: Clock, tmp_path: pathlib.Path) -> networks.Networks:
    return fakes.make(world, store.Store(tmp_path / "driver.db"), clock)


@pytest.fixture
def use(world: fakes.World, clock: Clock, tmp_path: pathlib.Path) -> driver.Driver:
    return fakes.drive(world, store.Store(tmp_path / "driver.db"), clock)


class TestNetwork:
    """Networks come with a bridge and rules, and go with them."""

    def test_it_is_made_once_however_often_it_is_asked_for(
        self, use: driver.Driver, made: networks.Networks, world: fakes.World
    ) -> None:
        for _ in range(2):
            assert made.create(CREATE).body == {}
        (network,) = use.store.networks()
        assert network.bridge_made
        assert world.links == {"br0": None}
        assert world.rules == {NETWORK.id}

    def test_it_takes_all_that_it_made_away_and_twice(
        self, use: driver.Driver, made: networks.Networks, world: fakes.World
    ) -> None:
        made.create(CREATE)
        use.create_endpoint(endpoint(WEB, "web"))
        for _ in range(2):
            assert made.delete(protocol.NetworkRef(network_id=NETWORK.id)).body == {}
        assert (world.links, world.rules, world.fence.table, use.store.networks()) == ({}, set(), False, ())

    def test_a_bridge_that_stood_before_stays(
        self, use: driver.Driver, made: networks.Networks, world: fakes.World
    ) -> None:
        world.links["br0"] = None
        made.create(CREATE)
        assert not use.store.network(NETWORK.id).bridge_made
        made.delete(protocol.NetworkRef(network_id=NETWORK.id))
        assert world.links == {"br0": None}

    @pytest.mark.parametrize("failing", [1, 2])
    @pytest.mark.parametrize("stood", [True, False])
    def test_a_failure_leaves_nothing(
        self, use: driver.Driver, made: networks.Networks, world: fakes.World, failing: int, stood: bool
    ) -> None:
        before: dict[str, model.Port | None] = {"br0": None} if stood else {}
        world.links, world.failing = dict(before), failing
        with pytest.raises(model.Cannot, match="on purpose"):
            made.create(CREATE)
        assert (world.links, world.rules, use.store.networks()) == (before, set(), ())

    @pytest.mark.parametrize(
        ("change", "why"),
        [
            ({"pools": ()}, "one IPv4 subnet"),
            ({"pools": ("10.0.0.0/24", "10.1.0.0/24")}, "one IPv4 subnet"),
            ({"ipv4": False}, "one IPv4 subnet"),
            ({"reserved": True}, "--aux-address"),
            ({"ipv6": True}, "fullhost.subnet6"),
            ({"internal": True}, "--internal"),
        ],
    )
    def test_what_is_not_served_is_refused_with_the_command_to_type(
        self, made: networks.Networks, world: fakes.World, change: dict[str, object], why: str
    ) -> None:
        request = protocol.CreateNetwork(**{**dataclasses.asdict(CREATE), **change})
        with pytest.raises(model.Cannot, match="type: docker network create -d fullhost --ipam-driver null") as caught:
            made.create(request)
        assert why in str(caught.value)
        assert world.acts == 0

    @pytest.mark.parametrize("version", ["29.0.0", "29.0.2+dfsg1"])
    def test_an_engine_that_falls_over_us_is_refused(
        self, made: networks.Networks, world: fakes.World, version: str
    ) -> None:
        world.engine_version = version
        with pytest.raises(model.Cannot, match=r"this version panics .*; upgrade the engine to 29\.0\.3 or later"):
            made.create(CREATE)
        assert world.acts == 0

    @pytest.mark.parametrize("version", ["29.0.3", "29.1.0", "20.10.24+dfsg1"])
    def test_other_engines_are_served_and_so_is_one_that_does_not_say(
        self, made: networks.Networks, world: fakes.World, version: str
    ) -> None:
        world.engine_version = version
        made.create(CREATE)
        made.delete(protocol.NetworkRef(network_id=NETWORK.id))
        world.silent = {"engine"}
        made.create(CREATE)

    def test_a_second_one_in_the_way_of_the_first_is_refused(self, made: networks.Networks, world: fakes.World) -> None:
        made.create(CREATE)
        world.networks = {NETWORK.id}
        second = dataclasses.replace(CREATE, network_id="2e" * 32)
        with pytest.raises(model.Cannot, match=r"the network 1f1f1f1f1f1f has the bridge br0; give other ones"):
            made.create(second)

    def test_one_whose_deletion_never_came_makes_way(
        self, use: driver.Driver, made: networks.Networks, world: fakes.World
    ) -> None:
        made.create(CREATE)
        use.create_endpoint(endpoint(WEB, "web"))
        made.create(dataclasses.replace(CREATE, network_id="2e" * 32))
        assert [network.id for network in use.store.networks()] == ["2e" * 32]
        assert world.links == {"br0": None}
        assert world.rules == {"2e" * 32}
        assert world.counts["collected.network"] == 1


def test_a_subnet_of_another_interface_is_refused_and_leaves_nothing(
    use: driver.Driver, made: networks.Networks, world: fakes.World
) -> None:
    world.uplink = NETWORK.subnet
    with pytest.raises(model.Cannot, match=r"eth0 has 172\.31\.0\.1/24, which is part of it"):
        made.create(CREATE)
    assert (world.links, world.rules, world.fence.table, use.store.networks()) == ({}, set(), False, ())


class TestEndpoint:
    """Endpoints get the address of their name, and a veth."""

    @pytest.fixture(autouse=True)
    def _network(self, made: networks.Networks, world: fakes.World) -> None:
        made.create(CREATE)
        world.acts = 0

    def test_it_gets_the_address_of_its_name_however_often_it_is_asked_for(
        self, use: driver.Driver, world: fakes.World
    ) -> None:
        for _ in range(2):
            answer = use.create_endpoint(endpoint(WEB, "web"))
            assert answer.body == {"Interface": {"Address": "172.31.0.2/24", "MacAddress": "02:66:ac:1f:00:02"}}
            assert answer.note == "name=web address=172.31.0.2 rung=option source=dns"
        assert list(world.ports()) == [naming.veth(WEB).host]
        assert world.counts["rung.option"] == 1

    def test_without_an_option_the_only_candidate_has_it(self, use: driver.Driver, world: fakes.World) -> None:
        world.waiting = ("db",)
        assert "name=db address=172.31.0.3 rung=candidate" in use.create_endpoint(endpoint(DB, None)).note
        (kept,) = use.store.endpoints()
        assert not kept.settled, "a container that runs could have been connected meanwhile"

    def test_the_only_candidate_is_verified_at_join(self, use: driver.Driver, world: fakes.World) -> None:
        world.waiting = ("db",)
        use.create_endpoint(endpoint(DB, None))
        join = protocol.Join(network_id=NETWORK.id, endpoint_id=DB, sandbox="/run/docker/netns/1")
        world.attached = {DB: model.Attachment(container=None, name="intruder")}
        with pytest.raises(model.Cannot, match=r"cannot give intruder the address of db: .*fullhost\.name=intruder"):
            use.join(join)
        assert not use.store.endpoints()[0].settled
        world.silent = {"engine"}
        use.join(join)
        assert not use.store.endpoints()[0].settled
        assert world.woken == 1, "the keeper finds out"
        world.silent = set()
        world.attached = {DB: model.Attachment(container=None, name="db")}
        use.join(join)
        assert use.store.endpoints()[0].settled
        assert world.woken == 1

    @pytest.mark.parametrize("waiting", [(), ("db", "web")])
    def test_where_nobody_can_tell_it_gets_a_provisional_address(
        self, use: driver.Driver, world: fakes.World, waiting: tuple[str, ...]
    ) -> None:
        world.waiting = waiting
        world.zone["squatter"] = ("172.31.0.193",)
        assert (
            "name=None address=172.31.0.192 rung=provisional source=range"
            in use.create_endpoint(endpoint(WEB, None)).note
        )
        answer = use.create_endpoint(endpoint(DB, None)).body
        assert answer == {"Interface": {"Address": "172.31.0.194/24", "MacAddress": "02:66:ac:1f:00:c2"}}
        assert world.counts["rung.provisional"] == world.counts["address.range"] == 2

    def test_a_range_that_is_used_up_is_a_clear_error(self, use: driver.Driver, world: fakes.World) -> None:
        world.zone = {f"m{host}": (f"172.31.0.{host}",) for host in range(192, 256)}
        with pytest.raises(model.Cannot, match=r"the range 172\.31\.0\.192/26 has no free one; name it: docker run"):
            use.create_endpoint(endpoint(WEB, None))
        assert (world.ports(), use.store.endpoints()) == ({}, ())

    def test_an_engine_that_boots_keeps_no_start_waiting(self, use: driver.Driver, world: fakes.World) -> None:
        world.silent = {"engine"}
        assert "rung=provisional" in use.create_endpoint(endpoint(WEB, None)).note
        assert "rung=option" in use.create_endpoint(endpoint(DB, "db")).note
        assert world.counts["engine.silent"] == 1

    def test_a_name_server_that_is_silent_leaves_the_last_known_address(
        self, use: driver.Driver, world: fakes.World
    ) -> None:
        use.create_endpoint(endpoint(WEB, "web"))
        use.delete_endpoint(ref(WEB))
        world.silent = {"dns"}
        note = use.create_endpoint(endpoint(WEB, "web")).note
        assert note == "name=web address=172.31.0.2 rung=option source=cache"
        assert not use.store.endpoints()[0].settled
        with pytest.raises(model.Cannot, match="dns is silent"):
            use.create_endpoint(endpoint(DB, "db"))
        assert world.counts["address.cache"] == 1

    def test_a_name_server_that_was_silent_is_not_waited_for_by_each(
        self, use: driver.Driver, world: fakes.World, clock: Clock
    ) -> None:
        for endpoint_id, name in ((WEB, "web"), (DB, "db")):
            use.create_endpoint(endpoint(endpoint_id, name))
            use.delete_endpoint(ref(endpoint_id))
        world.silent = {"dns"}
        use.create_endpoint(endpoint(WEB, "web"))
        acts = world.acts
        use.create_endpoint(endpoint(DB, "db"))
        assert world.acts == acts + 2, "the veth and its pins, and no question"
        assert world.counts["address.cache"] == world.counts["dns.silent"] == 2
        world.silent = set()
        use.delete_endpoint(ref(DB))
        clock.move(5)
        assert "source=dns" in use.create_endpoint(endpoint(DB, "db")).note

    def test_a_network_can_refuse_what_dns_does_not_say_now(
        self, use: driver.Driver, made: networks.Networks, world: fakes.World
    ) -> None:
        made.delete(protocol.NetworkRef(network_id=NETWORK.id))
        made.create(dataclasses.replace(CREATE, options={"fullhost.stale": "refuse"}))
        use.create_endpoint(endpoint(WEB, "web"))
        use.delete_endpoint(ref(WEB))
        world.silent = {"dns"}
        with pytest.raises(model.Cannot, match="dns is silent"):
            use.create_endpoint(endpoint(WEB, "web"))

    def test_the_last_known_address_is_not_for_a_name_that_dns_denies(
        self, use: driver.Driver, world: fakes.World
    ) -> None:
        use.create_endpoint(endpoint(WEB, "web"))
        use.delete_endpoint(ref(WEB))
        del world.zone["web"]
        with pytest.raises(model.Cannot, match=r"has no A record for web\.local"):
            use.create_endpoint(endpoint(WEB, "web"))

    def test_the_keeper_is_woken_at_join_only_for_what_is_not_settled(
        self, use: driver.Driver, world: fakes.World
    ) -> None:
        use.create_endpoint(endpoint(WEB, "web"))
        use.join(protocol.Join(network_id=NETWORK.id, endpoint_id=WEB, sandbox="/run/docker/netns/1"))
        assert world.woken == 0
        use.create_endpoint(endpoint(DB, None))
        use.join(protocol.Join(network_id=NETWORK.id, endpoint_id=DB, sandbox="/run/docker/netns/2"))
        assert world.woken == 1

    def test_a_mac_that_the_user_gave_is_kept_and_not_given_back(self, use: driver.Driver) -> None:
        request = dataclasses.replace(endpoint(WEB, "web"), mac="02:00:00:00:00:09")
        assert use.create_endpoint(request).body == {"Interface": {"Address": "172.31.0.2/24"}}
        (kept,) = use.store.endpoints()
        assert kept.mac == "02:00:00:00:00:09"

    @pytest.mark.parametrize("failing", [1, 2])
    def test_a_failure_leaves_nothing(self, use: driver.Driver, world: fakes.World, failing: int) -> None:
        world.failing = failing
        with pytest.raises(model.Cannot, match="on purpose"):
            use.create_endpoint(endpoint(WEB, "web"))
        assert (world.ports(), use.store.endpoints()) == ({}, ())
        use.create_endpoint(endpoint(WEB, "web"))

    @pytest.mark.parametrize(
        ("request_", "why"),
        [
            (endpoint(WEB, "nobody"), "has no A record for nobody.local"),
            (endpoint(WEB, "a_b"), "cannot name a machine 'a_b'"),
            (
                dataclasses.replace(endpoint(WEB, "web"), address=ELSEWHERE),
                "DNS gives web.local 172.31.0.2; ask for it",
            ),
            (dataclasses.replace(endpoint(WEB, None), address=ELSEWHERE), "has no PTR record for it in local"),
            (dataclasses.replace(endpoint(WEB, "web"), network_id="9" * 64), "the driver has no record of it"),
        ],
    )
    def test_a_refusal_changes_nothing(
        self, use: driver.Driver, world: fakes.World, request_: protocol.CreateEndpoint, why: str
    ) -> None:
        with pytest.raises(model.Cannot) as caught:
            use.create_endpoint(request_)
        assert why in str(caught.value)
        assert (world.ports(), use.store.endpoints()) == ({}, ())

    def test_an_address_of_a_live_machine_is_refused_and_the_machine_left_alone(
        self, use: driver.Driver, world: fakes.World, clock: Clock
    ) -> None:
        use.create_endpoint(endpoint(WEB, "web"))
        world.take(WEB)
        clock.move(3600)
        before = dict(world.links)
        for name in ("twin", "web"):
            with pytest.raises(model.Cannot, match=r"the endpoint abababababab of web has it; stop web, or give"):
                use.create_endpoint(endpoint(DB, name))
        assert world.links == before
        assert [kept.id for kept in use.store.endpoints()] == [WEB]

    @pytest.mark.parametrize(("name", "wait"), [("web", 0), ("twin", 121)])
    def test_an_endpoint_whose_deletion_never_came_makes_way(
        self, use: driver.Driver, world: fakes.World, clock: Clock, name: str, wait: float
    ) -> None:
        use.create_endpoint(endpoint(WEB, "web"))
        clock.move(wait)
        use.create_endpoint(endpoint(DB, name))
        assert [kept.id for kept in use.store.endpoints()] == [DB]
        assert list(world.ports()) == [naming.veth(DB).host]
        assert world.counts["superseded"] == 1

    def test_it_is_deleted_twice_and_in_any_state(self, use: driver.Driver, world: fakes.World) -> None:
        use.create_endpoint(endpoint(WEB, "web"))
        for _ in range(2):
            assert use.leave(ref(WEB)).body == {}
            assert use.delete_endpoint(ref(WEB)).body == {}
        assert (world.ports(), use.store.endpoints()) == ({}, ())

    def test_a_deletion_that_failed_is_tried_again(self, use: driver.Driver, world: fakes.World) -> None:
        use.create_endpoint(endpoint(WEB, "web"))
        world.failing = world.acts + 1
        with pytest.raises(model.Cannot, match="on purpose"):
            use.delete_endpoint(ref(WEB))
        assert len(use.store.endpoints()) == 1
        use.delete_endpoint(ref(WEB))
        assert (world.ports(), use.store.endpoints()) == ({}, ())

    def test_join_names_the_peer_and_the_gateway(self, use: driver.Driver) -> None:
        use.create_endpoint(endpoint(WEB, "web"))
        join = protocol.Join(network_id=NETWORK.id, endpoint_id=WEB, sandbox="/run/docker/netns/1")
        assert use.join(join).body["Gateway"] == "172.31.0.1"
        assert use.join(join).body["InterfaceName"] == {"SrcName": naming.veth(WEB).peer, "DstPrefix": "eth"}
        assert use.store.endpoints()[0].sandbox == "/run/docker/netns/1"
        use.leave(ref(WEB))
        assert use.store.endpoints()[0].sandbox is None
        with pytest.raises(model.Cannot, match=r"cannot join the endpoint cdcdcdcdcdcd: .*; start the container again"):
            use.join(dataclasses.replace(join, endpoint_id=DB))


@pytest.mark.parametrize("failing", range(1, 5))
def test_a_network_is_deleted_as_far_as_can_be_and_the_rest_next_time(
    use: driver.Driver, made: networks.Networks, world: fakes.World, failing: int
) -> None:
    made.create(CREATE)
    use.create_endpoint(endpoint(WEB, "web"))
    world.failing = world.acts + failing
    with pytest.raises(model.Cannot, match="on purpose"):
        made.delete(protocol.NetworkRef(network_id=NETWORK.id))
    assert len(world.links) + len(world.rules) + world.fence.table == 1, "each other step was done"
    made.delete(protocol.NetworkRef(network_id=NETWORK.id))
    assert (world.links, world.rules, world.fence.table, use.store.networks()) == ({}, set(), False, ())
