"""What was not known for sure at the start, found out afterwards."""

import dataclasses
import ipaddress
import pathlib

import pytest

from netplugin import model, settlement, store
from tests.netplugin import fakes
from tests.netplugin.conftest import ENDPOINT, NETWORK

CONTAINER = "c0" * 32
GUESSED = dataclasses.replace(ENDPOINT, rung=model.Rung.CANDIDATE, settled=False)
CACHED = dataclasses.replace(ENDPOINT, source=model.Source.CACHE, settled=False)
PROVISIONAL = dataclasses.replace(
    ENDPOINT,
    name=None,
    address=ipaddress.IPv4Address("172.31.0.192"),
    rung=model.Rung.PROVISIONAL,
    source=model.Source.RANGE,
    settled=False,
)


@pytest.fixture
def world() -> fakes.World:
    return fakes.World(zone={"web": ("172.31.0.2",), "db": ("172.31.0.3",)})


@pytest.fixture
def settler(world: fakes.World, tmp_path: pathlib.Path) -> settlement.Settler:
    state = store.Store(tmp_path / "driver.db")
    with state.transaction() as transaction:
        transaction.add_network(NETWORK)
    return fakes.settle(world, state)


def given(settler: settlement.Settler, world: fakes.World, endpoint: model.Endpoint, *, joined: str | None) -> None:
    with settler.store.transaction() as transaction:
        transaction.add_endpoint(endpoint)
    if joined:
        world.attached = {endpoint.id: model.Attachment(container=CONTAINER, name=joined)}


@pytest.mark.parametrize("endpoint", [GUESSED, CACHED], ids=["guessed", "cached"])
def test_what_turns_out_right_settles(
    settler: settlement.Settler, world: fakes.World, endpoint: model.Endpoint
) -> None:
    given(settler, world, endpoint, joined="web")
    assert settler.pending()
    settler.settle()
    assert not settler.pending()
    assert settler.store.endpoints()[0].settled
    assert world.moved == []
    assert world.counts == {f"settled.{endpoint.rung}": 1}


@pytest.mark.parametrize("endpoint", [GUESSED, PROVISIONAL], ids=["guessed", "provisional"])
def test_a_container_with_another_address_than_its_own_is_moved(
    settler: settlement.Settler, world: fakes.World, endpoint: model.Endpoint
) -> None:
    given(settler, world, endpoint, joined="db")
    settler.settle()
    assert world.moved == [(CONTAINER, "db")]
    assert world.counts == {"moved": 1}
    assert str(settler.store.leased(NETWORK.id, "db")) == "172.31.0.3", "for an endpoint that is made meanwhile"


@pytest.mark.parametrize("ipam", [model.Ipam.NULL, model.Ipam.OWN, model.Ipam.ENGINE])
def test_who_is_moved_on_a_network_with_a_pool_asks_for_the_address(
    world: fakes.World, tmp_path: pathlib.Path, ipam: model.Ipam
) -> None:
    state = store.Store(tmp_path / "other.db")
    with state.transaction() as transaction:
        transaction.add_network(dataclasses.replace(NETWORK, ipam=ipam))
    settler = fakes.settle(world, state)
    given(settler, world, dataclasses.replace(PROVISIONAL, name="db", rung=model.Rung.OPTION), joined="other")
    settler.settle()
    assert world.moved == [(CONTAINER, "db")]
    assert str(world.asked_for) == ("None" if ipam is model.Ipam.NULL else "172.31.0.3")


def test_nobody_is_moved_to_the_same_place_over_and_over(settler: settlement.Settler, world: fakes.World) -> None:
    given(settler, world, PROVISIONAL, joined="db")
    for _ in range(3):
        settler.settle()
    assert world.moved == [(CONTAINER, "db")]
    assert world.counts == {"moved": 1, "settle.failed": 1}


def test_a_cached_address_that_changed_meanwhile_moves_its_machine_by_the_name_it_was_given(
    settler: settlement.Settler, world: fakes.World
) -> None:
    world.zone["web"] = ("172.31.0.9",)
    given(settler, world, CACHED, joined="container-of-web")
    settler.settle()
    assert world.moved == [(CONTAINER, "web")]


def test_a_container_that_is_being_started_is_moved_when_it_runs(
    settler: settlement.Settler, world: fakes.World
) -> None:
    given(settler, world, PROVISIONAL, joined=None)
    settler.settle()
    world.attached = {PROVISIONAL.id: model.Attachment(container=None, name="web")}
    settler.settle()
    assert world.moved == []
    assert settler.pending()
    world.attached = {PROVISIONAL.id: model.Attachment(container=CONTAINER, name="web")}
    settler.settle()
    assert world.moved == [(CONTAINER, "web")]


@pytest.mark.parametrize(
    ("name", "why"),
    [("nobody", "has no A record for nobody.local"), ("a_b", "cannot name a machine"), ("db", "of db has it")],
)
def test_what_cannot_settle_keeps_what_it_has_and_is_told_once(
    settler: settlement.Settler, world: fakes.World, caplog: pytest.LogCaptureFixture, name: str, why: str
) -> None:
    holder = dataclasses.replace(ENDPOINT, id="ef" * 32, name="db", address=ipaddress.IPv4Address("172.31.0.3"))
    with settler.store.transaction() as transaction:
        transaction.add_endpoint(holder)
    given(settler, world, PROVISIONAL, joined=name)
    for _ in range(3):
        settler.settle()
    assert world.moved == []
    assert world.counts == {"settle.failed": 1}
    assert why in caplog.text
    assert "keeps 172.31.0.192" in caplog.text
    assert not settler.pending(), "nothing to hurry for"


def test_an_engine_or_a_name_server_that_is_silent_is_asked_again(
    settler: settlement.Settler, world: fakes.World
) -> None:
    given(settler, world, GUESSED, joined="web")
    for silent in ({"engine"}, {"dns"}):
        world.silent = silent
        settler.settle()
        assert not settler.store.endpoints()[0].settled
    world.silent = set()
    settler.settle()
    assert settler.store.endpoints()[0].settled


def test_a_move_that_was_cut_off_is_completed_in_the_next_life(settler: settlement.Settler, world: fakes.World) -> None:
    given(settler, world, PROVISIONAL, joined="db")
    world.failing = world.acts + 4  # attachments, the zone, prepare, complete
    settler.settle()
    assert world.moved == []
    assert [move.name for move in settler.store.moves()] == ["db"]
    world.attached = {}
    dataclasses.replace(settler, told={}, moved={}).settle()
    assert world.moved == [(CONTAINER, "db")]
    assert settler.store.moves() == ()


def test_a_move_of_a_container_that_is_gone_ends(settler: settlement.Settler, world: fakes.World) -> None:
    given(settler, world, PROVISIONAL, joined=None)
    world.attached = {PROVISIONAL.id: model.Attachment(container="gone", name="db")}
    settler.settle()
    assert settler.store.moves() == ()
