"""Leases that are given back: with their network, where they are of no use, and to servers that do not hear of it."""

import pathlib

import pytest

from netplugin import driver, model, protocol
from tests.netplugin import fakes
from tests.netplugin.conftest import NETWORK, Clock
from tests.netplugin.test_leasing import LEASED, LEASING, drive, start, stop


@pytest.fixture
def world() -> fakes.World:
    world = fakes.World(links={"br0": None})
    world.pool.offers = [str(LEASED)]
    return world


@pytest.fixture
def use(world: fakes.World, clock: Clock, tmp_path: pathlib.Path) -> driver.Driver:
    return drive(world, clock, tmp_path, LEASING)


def test_a_network_gives_its_leases_back(use: driver.Driver, world: fakes.World, clock: Clock) -> None:
    start(use)
    stop(use)
    made = fakes.make(world, use.store, clock)
    made.delete(protocol.NetworkRef(network_id=NETWORK.id))
    assert (use.store.bindings(), use.store.networks(), world.pool.given) == ((), (), {})
    assert world.counts["dhcp.released"] == 1


def test_who_asked_for_the_name_meanwhile_keeps_what_was_leased(
    use: driver.Driver, world: fakes.World, clock: Clock
) -> None:
    start(use)
    stop(use)
    (seen,) = use.store.bindings()
    clock.move(20)
    start(use)
    use.assigner.leaser.give_back(seen, "its container was removed")
    assert [bound.address for bound in use.store.bindings()] == list(world.pool.given.values()) == [LEASED]


@pytest.mark.parametrize("failing", [1, 2])
def test_what_fails_as_an_address_is_given_back_hides_no_refusal(
    use: driver.Driver, world: fakes.World, failing: int
) -> None:
    world.pool.offers = ["10.0.0.50"]
    world.failing = 3 + failing  # DNS, the interface and the question go well
    with pytest.raises(model.Cannot, match=r"cannot give scratch the address 10\.0\.0\.50"):
        start(use)
    assert (use.store.bindings(), world.pool.pairs) == ((), {})


def test_a_lease_of_which_no_server_hears_is_over_by_itself(
    use: driver.Driver, world: fakes.World, clock: Clock
) -> None:
    start(use)
    stop(use)
    (bound,) = use.store.bindings()
    world.pool.silent = True
    use.assigner.leaser.give_back(bound, "its container was removed")
    assert (use.store.bindings(), world.counts["dhcp.lapsed"]) == ((), 1)
