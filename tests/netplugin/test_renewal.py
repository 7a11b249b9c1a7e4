"""Leases of machines that run are renewed; those of containers that are gone are given back."""

import dataclasses
import ipaddress
import pathlib

import pytest

from netplugin import driver, model, naming, registration, renewal
from tests.netplugin import fakes, pool
from tests.netplugin.conftest import NETWORK, Clock
from tests.netplugin.test_leasing import ELSEWHERE, FIRST, LEASED, LEASING, drive, join, start, stop

CONTAINER = registration.Container(id="c0" * 32, name="scratch", endpoints=frozenset({FIRST}))


@pytest.fixture
def world() -> fakes.World:
    world = fakes.World(links={"br0": None}, listed=[CONTAINER])
    world.pool.offers = [str(LEASED)]
    return world


@pytest.fixture
def use(world: fakes.World, clock: Clock, tmp_path: pathlib.Path) -> driver.Driver:
    use = drive(world, clock, tmp_path, LEASING)
    start(use)
    join(use, world)
    return use


@pytest.fixture
def renewer(use: driver.Driver, world: fakes.World) -> renewal.Renewer:
    return pool.renew(use.assigner.leaser, engine=world, wake=world.wake)


def test_a_lease_is_renewed_at_half_of_its_time(
    use: driver.Driver, renewer: renewal.Renewer, world: fakes.World, clock: Clock
) -> None:
    renewer.look()
    clock.move(59)
    renewer.look()
    assert len(world.pool.asked) == 1
    clock.move(2)
    for _ in range(3):
        renewer.look()
    assert world.pool.asked == [("scratch", None), ("scratch", LEASED)]
    (bound,) = use.store.bindings()
    assert (bound.expires - clock()).total_seconds() == pytest.approx(120, abs=1)
    assert (bound.container, renewer.told) == (CONTAINER.id, {})


def test_who_does_not_run_is_not_renewed(
    use: driver.Driver, renewer: renewal.Renewer, world: fakes.World, clock: Clock
) -> None:
    stop(use)
    clock.move(500)
    renewer.look()
    assert len(world.pool.asked) == 1
    assert len(use.store.bindings()) == 1, "who starts again asks for the same address"


def test_a_silent_server_is_told_and_asked_again_and_nobody_is_cut_off(
    use: driver.Driver, renewer: renewal.Renewer, world: fakes.World, clock: Clock
) -> None:
    world.pool.silent = True
    clock.move(61)
    for _ in range(3):
        renewer.look()
    assert len(world.pool.asked) == 2, "not at each look"
    (told,) = renewer.told.values()
    assert told.startswith("no DHCP server answers, and the lease of 172.31.0.50 by scratch ends at 2026-11-24 10:02:0")
    clock.move(100)
    renewer.look()
    (told,) = renewer.told.values()
    assert " was over at " in told
    assert [e.address for e in use.store.endpoints()] == [LEASED]
    world.pool.silent = False
    clock.move(100)
    renewer.look()
    assert renewer.told == {}
    assert world.moved == []


def test_another_address_moves_the_container(
    use: driver.Driver, renewer: renewal.Renewer, world: fakes.World, clock: Clock
) -> None:
    world.pool.offers = [str(ELSEWHERE)]
    clock.move(61)
    renewer.look()
    (told,) = renewer.told.values()
    assert "does not renew 172.31.0.50 of scratch, and leases it 172.31.0.51: its container is moved there" in told
    assert (world.woken, world.counts["dhcp.changed"]) == (1, 1)
    world.attached = {FIRST: model.Attachment(container=CONTAINER.id, name="scratch")}
    fakes.settle(world, use.store, clock).settle()
    assert world.moved == [(CONTAINER.id, "scratch")]
    stop(use)
    assert start(use, "cd" * 32).address == ELSEWHERE
    renewer.look()
    assert renewer.told == {}


def test_what_dns_has_heard_of_the_lease_before_is_no_record_of_the_zones(
    use: driver.Driver, renewer: renewal.Renewer, world: fakes.World, clock: Clock
) -> None:
    world.pool.offers = [str(ELSEWHERE)]
    clock.move(61)
    renewer.look()
    world.zone["scratch"] = (str(LEASED),)
    stop(use)
    assert start(use, "cd" * 32).address == ELSEWHERE


def test_an_answer_that_cannot_be_given_is_told(
    use: driver.Driver, renewer: renewal.Renewer, world: fakes.World, clock: Clock
) -> None:
    world.pool.offers = ["10.0.0.9"]
    clock.move(61)
    for _ in range(3):
        renewer.look()
    (told,) = renewer.told.values()
    assert told.startswith(
        "the lease of 172.31.0.50 by scratch is not renewed: cannot give scratch the address 10.0.0.9"
    )
    assert (world.counts["dhcp.told"], world.counts["dhcp.refused"]) == (1, 1)
    assert [e.address for e in use.store.endpoints()] == [LEASED]
    assert [bound.address for bound in use.store.bindings()] == [LEASED]


def test_a_lease_goes_back_when_its_container_is_removed(
    use: driver.Driver, renewer: renewal.Renewer, world: fakes.World, clock: Clock
) -> None:
    renewer.look()
    stop(use)
    world.listed = []
    world.silent.add("engine")
    for _ in range(3):
        clock.move(20)
        renewer.look()
    assert len(use.store.bindings()) == 1, "an engine that is silent removes nothing"
    world.silent.clear()
    renewer.look()
    clock.move(2)
    renewer.look()
    assert (use.store.bindings(), world.pool.given) == ((), {})
    assert (world.counts["dhcp.released"], renewer.told) == (1, {})


def test_a_container_of_another_name_keeps_what_was_leased_for_its_option(
    use: driver.Driver, renewer: renewal.Renewer, world: fakes.World, clock: Clock
) -> None:
    world.listed = [dataclasses.replace(CONTAINER, name="somebody")]
    renewer.look()
    stop(use)
    world.listed = [dataclasses.replace(CONTAINER, name="somebody", endpoints=frozenset())]
    for _ in range(3):
        clock.move(20)
        renewer.look()
    assert len(use.store.bindings()) == 1


def test_servers_of_a_network_that_are_silent_are_asked_once_in_a_pass(
    use: driver.Driver, renewer: renewal.Renewer, world: fakes.World, clock: Clock
) -> None:
    world.pool.offers = [str(ELSEWHERE)]
    start(use, "cd" * 32, "other")
    world.pool.silent = True
    clock.move(61)
    renewer.look()
    assert len(world.pool.asked) == 3


def test_what_a_life_of_the_driver_left_half_done_is_swept(renewer: renewal.Renewer, world: fakes.World) -> None:
    pair = naming.client(NETWORK.id, "scratch")
    world.pool.plug(pair, LEASING, mac="02:68:00:00:00:01", address=ipaddress.IPv4Address("172.31.0.9"))
    with renewer.leaser.asker.turn("scratch", LEASING):
        renewer.look()
        assert world.pool.plugged() == (pair.host,), "it is in use"
    renewer.look()
    assert world.pool.plugged() == ()
    assert world.counts["dhcp.swept"] == 1
