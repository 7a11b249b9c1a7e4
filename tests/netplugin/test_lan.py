"""The use cases of networks on a LAN, over a real store and a world that fails on demand."""

import dataclasses
import pathlib

import pytest

from netplugin import model, networks, parents, protocol, store
from tests.netplugin import fakes
from tests.netplugin.conftest import NETWORK, Clock
from tests.netplugin.test_driver import CREATE

ON_THE_LAN = dataclasses.replace(CREATE, options={"fullhost.parent": "eth1", "fullhost.vlan": "20"})


@pytest.fixture
def world() -> fakes.World:
    return fakes.World()


@pytest.fixture
def made(world: fakes.World, clock: Clock, tmp_path: pathlib.Path) -> networks.Networks:
    return fakes.make(world, store.Store(tmp_path / "driver.db"), clock)


def test_an_interface_to_the_lan_comes_and_goes_with_it(made: networks.Networks, world: fakes.World) -> None:
    world.lan.interfaces["eth1"] = parents.Interface(name="eth1", kind="", loopback=False, mtu=9000, up=False)
    made.create(ON_THE_LAN)
    (network,) = made.store.networks()
    assert (network.mtu, network.uplink_made, world.lan.stands(network)) == (9000, True, True)
    made.delete(protocol.NetworkRef(network_id=NETWORK.id))
    assert world.links == {}


@pytest.mark.parametrize("failing", [1, 2, 3])
def test_a_failure_on_the_lan_leaves_nothing(made: networks.Networks, world: fakes.World, failing: int) -> None:
    world.lan.interfaces["eth1"] = parents.Interface(name="eth1", kind="", loopback=False, mtu=1500, up=True)
    world.failing = failing
    with pytest.raises(model.Cannot, match="on purpose"):
        made.create(ON_THE_LAN)
    assert (world.links, world.rules, made.store.networks()) == ({}, set(), ())


def test_a_parent_that_does_not_fit_changes_nothing(made: networks.Networks, world: fakes.World) -> None:
    with pytest.raises(model.Cannot, match="there is no such interface"):
        made.create(dataclasses.replace(CREATE, options={"fullhost.parent": "eth1"}))
    assert (world.acts, made.store.networks()) == (0, ())


def test_firewalld_knows_the_bridge_for_as_long_as_the_network_is_there(
    made: networks.Networks, world: fakes.World
) -> None:
    world.firewalld.runs = True
    made.create(CREATE)
    assert world.firewalld.zone == {"br0"}
    made.delete(protocol.NetworkRef(network_id=NETWORK.id))
    assert world.firewalld.zone == set()


def test_the_mtu_is_that_of_the_bridge_that_is_found(made: networks.Networks, world: fakes.World) -> None:
    world.links["br0"] = None
    world.lan.interfaces["br0"] = parents.Interface(name="br0", kind="bridge", loopback=False, mtu=1400, up=True)
    made.create(CREATE)
    assert made.store.network(NETWORK.id).mtu == 1400
