"""Machines with an AAAA record alone: their address, routes, hardware address and pins; nothing of IPv4."""

import dataclasses
import ipaddress
import pathlib
import typing

import hypothesis
import pytest
from hypothesis import strategies as st

from netplugin import (
    addressing,
    answers,
    driver,
    exposure,
    frames,
    inventory,
    ipv6,
    model,
    naming,
    pairs,
    pins,
    protocol,
    store,
)
from tests.netplugin import fakes
from tests.netplugin.conftest import ADDRESS, ENDPOINT, NETWORK, Clock

PREFIX = ipaddress.IPv6Network("fd00:31::/64")
DUAL = dataclasses.replace(NETWORK, subnet6=PREFIX, gateway6=PREFIX[1])
REGISTERING = dataclasses.replace(DUAL, unlisted=model.Unlisted.REGISTER)
SIX, WEB = PREFIX[6], pairs.Pair(four=ADDRESS, six=PREFIX[2])
ALONE = dataclasses.replace(ENDPOINT, name="six", address=None, address6=SIX, mac=naming.mac(SIX))
DEFAULT, HALVES = ("::/0",), ("::/1", "8000::/1")


def led(*routes: str) -> list[dict[str, object]]:
    return [{"Destination": route, "RouteType": 0, "NextHop": "fd00:31::1"} for route in routes]


@pytest.mark.parametrize(
    ("four", "six", "given"),
    [
        ((ADDRESS,), (PREFIX[2],), WEB),
        ((ADDRESS,), (), pairs.Pair(four=ADDRESS)),
        ((), (PREFIX[2],), pairs.Pair(six=PREFIX[2])),
    ],
)
def test_a_name_has_what_dns_gives_it_of_either_version(
    four: tuple[ipaddress.IPv4Address, ...], six: tuple[ipaddress.IPv6Address, ...], given: pairs.Pair
) -> None:
    assert addressing.decide(inventory.Record(name="web", addresses=four, addresses6=six), DUAL) == given


@pytest.mark.parametrize(
    ("four", "six", "why"),
    [
        ((), (), r"has no A and no AAAA record for web\.local; add one"),
        ((), (PREFIX[1],), "the gateway's own address"),
        ((ipaddress.IPv4Address("10.0.0.1"),), (PREFIX[2],), r"10\.0\.0\.1, no address of 172\.31\.0\.0/24"),
    ],
)
def test_what_is_wrong_of_either_version_is_refused(
    four: tuple[ipaddress.IPv4Address, ...], six: tuple[ipaddress.IPv6Address, ...], why: str
) -> None:
    with pytest.raises(model.Cannot, match=why):
        addressing.decide(inventory.Record(name="web", addresses=four, addresses6=six), DUAL)


def test_its_hardware_address_follows_from_the_whole_address() -> None:
    assert naming.mac(SIX) == "06:b4:4e:f3:ab:7c"
    hardware = {naming.mac(PREFIX[n]) for n in range(2000)} | {
        naming.mac(PREFIX[(n << 32) + 6]) for n in range(1, 2000)
    }
    assert len(hardware) == 2000 + 1999, "the last octets of the second ones are all the same"
    for octets in (bytes.fromhex(one.replace(":", "")) for one in hardware):
        assert octets[0] & 0b11 == 0b10, "locally administered, unicast (IEEE 802, 8.2)"
    assert not {one[:5] for one in hardware} & {"02:66", "02:67", "02:42", "fe:66"}


@pytest.mark.parametrize(
    ("subnet6", "address", "beside"),
    [
        ("fd00:31::/64", "172.31.0.211", "fd00:31::d3"),
        ("fd00:31::/48", "172.31.0.2", "fd00:31::2"),
        ("2001:db8::ff00/120", "172.31.0.211", "2001:db8::ffd3"),
        ("2001:db8::ff00/120", "172.31.0.0", "2001:db8::ff00"),
    ],
)
def test_the_address_beside_another_is_of_the_same_number(subnet6: str, address: str, beside: str) -> None:
    network = dataclasses.replace(DUAL, subnet6=ipaddress.IPv6Network(subnet6))
    assert ipv6.beside(ipaddress.IPv4Address(address), network) == ipaddress.IPv6Address(beside)
    wide = dataclasses.replace(network, subnet=ipaddress.IPv4Network("172.31.0.0/16"))
    assert ipv6.beside(ipaddress.IPv4Address("172.31.5.2"), wide) in wide.subnet6  # type: ignore[operator]
    assert ipv6.beside(ADDRESS, NETWORK) is None


@hypothesis.given(
    st.lists(st.ip_addresses(v=4) | st.ip_addresses(network="172.31.0.0/24"), max_size=3, unique=True),
    st.lists(st.ip_addresses(v=6) | st.ip_addresses(network="fd00:31::/120"), max_size=3, unique=True),
)
def test_a_dns_answer_of_neither_version_escapes_its_network(
    four: list[ipaddress.IPv4Address], six: list[ipaddress.IPv6Address]
) -> None:
    found = inventory.Record(name="web", addresses=tuple(four), addresses6=tuple(six))
    try:
        given = addressing.decide(found, DUAL)
    except model.Cannot:
        return
    assert any(given)
    assert set(given) <= {*four, *six}
    assert (given.four is None, given.six is None) == (not four, not six), (
        "what DNS has of a version is given or refused"
    )
    assert addressing.can_have(given, DUAL)


def test_a_provisional_address_has_one_beside_it_where_it_may_stay() -> None:
    first = NETWORK.range[0]
    assert addressing.lent(first, DUAL) == pairs.Pair(four=first)
    assert addressing.lent(first, REGISTERING) == pairs.Pair(four=first, six=PREFIX[192])
    assert addressing.provisional(DUAL, frozenset({PREFIX[192]})) == first
    assert addressing.provisional(REGISTERING, frozenset({PREFIX[192]})) == NETWORK.range[1], "whose other one is free"


@pytest.mark.parametrize(
    ("version", "last", "several", "routes"),
    [
        ("20.10.24+dfsg1", "", False, DEFAULT),
        ("26.1.5", "28.5.2", True, DEFAULT),
        ("27.5.1", "", False, DEFAULT),
        ("28.5.2+dfsg4", "26.1.5", True, ()),
        ("29.1", "", False, ()),
        ("", "28.5.2", True, ()),
        ("", "26.1.5", False, HALVES),
        ("", "26.1.5", True, DEFAULT),
        ("", "", False, HALVES),
    ],
)
def test_engines_need_another_route_or_none(version: str, last: str, several: bool, routes: tuple[str, ...]) -> None:
    assert answers.ways_out(version, last=last, several=several) == routes


class TestEndpoint:
    """Endpoints of names that have an AAAA record alone."""

    @pytest.fixture
    def world(self) -> fakes.World:
        return fakes.World(
            zone={"web": ("172.31.0.2",)},
            zone6={"web": ("fd00:31::2",), "six": (str(SIX),)},
            links={"br0": None},
            engine_version="26.1.5",
        )

    @pytest.fixture
    def use(self, world: fakes.World, clock: Clock, tmp_path: pathlib.Path) -> driver.Driver:
        state = store.Store(tmp_path / "driver.db")
        with state.transaction() as writes:
            writes.add_network(DUAL)
        return fakes.drive(world, state, clock)

    @staticmethod
    def start(
        use: driver.Driver,
        endpoint_id: str,
        name: str | None,
        sandbox: str = "/run/netns/x",
        *,
        publishes: bool = False,
    ) -> tuple[object, dict[str, object]]:
        request = protocol.CreateEndpoint(
            network_id=DUAL.id, endpoint_id=endpoint_id, name=name, address=None, mac=None, publishes=publishes
        )
        created = use.create_endpoint(request).body
        assert use.create_endpoint(request).body == created, "which may come twice"
        join = protocol.Join(network_id=DUAL.id, endpoint_id=endpoint_id, sandbox=sandbox)
        answer = use.join(join).body
        assert use.join(join).body == answer
        return created["Interface"], {key: answer[key] for key in answer if key != "InterfaceName"}

    def test_it_has_an_ipv6_address_and_nothing_else(self, use: driver.Driver) -> None:
        interface, joined = self.start(use, "ab" * 32, "six")
        assert interface == {"AddressIPv6": "fd00:31::6/64", "MacAddress": naming.mac(SIX)}
        assert joined == {
            "Gateway": "",
            "GatewayIPv6": "fd00:31::1",
            "StaticRoutes": led(*DEFAULT),
            "DisableGatewayService": True,
        }
        assert use.store.endpoint("ab" * 32) == use.store.holder(DUAL.id, SIX)
        assert use.store.held(DUAL.id) == {SIX}

    def test_a_new_engine_sets_its_default_route_itself(self, use: driver.Driver, world: fakes.World) -> None:
        world.engine_version = "28.5.2"
        _, joined = self.start(use, "ab" * 32, "six")
        assert joined["StaticRoutes"] == []
        assert joined["DisableGatewayService"] is True

    def test_an_engine_that_boots_is_taken_for_what_it_was(self, use: driver.Driver, world: fakes.World) -> None:
        world.engine_version = ""
        assert self.start(use, "ab" * 32, "six")[1]["StaticRoutes"] == led(*HALVES), "nobody knows"
        for version in ("28.5.2", "26.1.5"):
            world.engine_version = version
            self.start(use, "cd" * 32, "six", "/run/netns/y")
            assert use.store.engine() == version
            use.delete_endpoint(protocol.EndpointRef(network_id=DUAL.id, endpoint_id="cd" * 32))
            world.engine_version = ""
            routes = () if version.startswith("28") else HALVES
            assert self.start(use, "ef" * 32, "six", "/run/netns/z")[1]["StaticRoutes"] == led(*routes)
            use.delete_endpoint(protocol.EndpointRef(network_id=DUAL.id, endpoint_id="ef" * 32))
        other = dataclasses.replace(DUAL, id="2e" * 32, bridge="br8")
        with use.store.transaction() as writes:
            writes.add_network(other)
            writes.lease(other.id, "six", pairs.Pair(six=PREFIX[9]))
        assert self.start(use, "ef" * 32, "six", "/run/netns/z")[1]["StaticRoutes"] == led(*DEFAULT), "on two networks"

    def test_a_machine_on_two_networks_has_the_routes_once(self, use: driver.Driver, world: fakes.World) -> None:
        world.zone6["seven"] = ("fd00:31::7",)
        assert self.start(use, "ab" * 32, "six")[1]["StaticRoutes"] == led(*DEFAULT)
        assert self.start(use, "cd" * 32, "seven")[1]["StaticRoutes"] == [], "the same sandbox"
        world.zone6["eight"] = ("fd00:31::8",)
        assert self.start(use, "ef" * 32, "eight", "/run/netns/y")[1]["StaticRoutes"] == led(*DEFAULT)
        assert self.start(use, "12" * 32, "web", "/run/netns/z")[1]["Gateway"] == "172.31.0.1"
        world.zone6["nine"] = ("fd00:31::9",)
        assert self.start(use, "34" * 32, "nine", "/run/netns/z")[1]["StaticRoutes"] == [], "web has both"

    def test_a_silent_server_has_the_last_address_given(self, use: driver.Driver, world: fakes.World) -> None:
        given = self.start(use, "ab" * 32, "six")
        use.delete_endpoint(protocol.EndpointRef(network_id=DUAL.id, endpoint_id="ab" * 32))
        world.silent = {"dns"}
        assert self.start(use, "cd" * 32, "six") == given
        assert use.store.endpoints()[0].source is model.Source.CACHE

    def test_a_new_start_supersedes_and_who_lives_at_the_address_stays(
        self, use: driver.Driver, world: fakes.World
    ) -> None:
        self.start(use, "ab" * 32, "six")
        self.start(use, "cd" * 32, "six")
        assert [endpoint.id for endpoint in use.store.endpoints()] == ["cd" * 32]
        world.take("cd" * 32)
        world.zone6["other"] = (str(SIX),)
        with pytest.raises(model.Cannot, match=r"cannot give other the address fd00:31::6: the endpoint cdcd.* of six"):
            self.start(use, "ef" * 32, "other")

    def test_two_with_one_hardware_address_are_not_both_there(self, use: driver.Driver) -> None:
        twin = dataclasses.replace(ALONE, id="ef" * 32, name="twin", address6=PREFIX[9])
        with use.store.transaction() as writes:
            writes.add_endpoint(twin)
        with pytest.raises(
            model.Cannot, match=f"cannot give six .*hardware address would be {ALONE.mac}, and twin has"
        ):
            self.start(use, "ab" * 32, "six")

    def test_no_port_leads_to_it(self, use: driver.Driver) -> None:
        with pytest.raises(model.Cannot, match=r"cannot publish ports of six: it has fd00:31::6 alone, .*an A record"):
            self.start(use, "ab" * 32, "six", publishes=True)
        assert use.store.endpoints() == ()
        self.start(use, "cd" * 32, "web", publishes=True)
        self.start(use, "ab" * 32, "six")
        wish = exposure.parse("8080:80")
        with pytest.raises(model.Cannot, match="cannot publish ports of six"):
            use.publisher.publish(protocol.Publish(network_id=DUAL.id, endpoint_id="ab" * 32, wishes=wish))
        with pytest.raises(model.Cannot, match="cannot publish ports of six"):
            use.publisher.expose(DUAL.id, {"name": "six", "ports": ["8080:80"]})
        assert use.publisher.exposures() == {"exposures": []}

    def test_a_port_that_its_name_had_leads_nowhere(self, use: driver.Driver) -> None:
        use.publisher.expose(DUAL.id, {"name": "six", "ports": ["8080:80"]})
        self.start(use, "ab" * 32, "six")
        (found,) = typing.cast("list[dict[str, object]]", use.publisher.exposures()["exposures"])
        assert found["address"] is None

    def test_who_was_guessed_settles_and_who_is_elsewhere_is_moved(
        self, use: driver.Driver, world: fakes.World
    ) -> None:
        world.waiting = ("six",)
        self.start(use, "ab" * 32, None)
        world.waiting = ()
        self.start(use, "cd" * 32, None)
        world.take("cd" * 32)
        world.zone6["seven"] = ("fd00:31::7",)
        world.attached = {
            "ab" * 32: model.Attachment(container="c0", name="six"),
            "cd" * 32: model.Attachment(container="c1", name="seven"),
        }
        settler = fakes.settle(world, use.store)
        settler.settle()
        assert world.moved == [("c1", "seven")]
        assert use.store.endpoint("ab" * 32).settled  # type: ignore[union-attr]
        assert use.store.leased(DUAL.id, "seven") == pairs.Pair(six=PREFIX[7])

    def test_what_is_told_of_it_has_no_ipv4_address(self, use: driver.Driver, world: fakes.World, clock: Clock) -> None:
        self.start(use, "ab" * 32, "six")
        asked = fakes.uses(world, use.store, clock).control
        (told,) = typing.cast("list[dict[str, object]]", asked.status()["endpoints"])
        assert (told["address"], told["address6"]) == (None, "fd00:31::6")
        assert asked.record(DUAL.id, "six") == {"name": "six", "address": None, "address6": "fd00:31::6"}
        assert asked.record(DUAL.id, "web")["address"] == "172.31.0.2"


def test_it_is_pinned_to_its_address_and_may_send_nothing_of_ipv4() -> None:
    pinned = pins.pin(ALONE, DUAL)
    assert pinned.addresses == (SIX,)
    names = {element.set for element in pinned.elements}
    assert names == {"ports", "hosts", "owners", "inet6", "targets"}
    assert "inet4" in frames.ruleset()
