"""What happens without a request."""

import dataclasses
import datetime
import pathlib

import pytest

from netplugin import exposure, keeper, model, naming, parents, store
from tests.netplugin import fakes
from tests.netplugin.conftest import ADDRESS, ENDPOINT, NETWORK, Clock

HOST_END = naming.veth(ENDPOINT.id).host
HERE = model.Port(bridge="br0", peer=model.Whereabouts.HERE)
AWAY = model.Port(bridge="br0", peer=model.Whereabouts.AWAY)
ASLEEP = model.Port(bridge="br0", peer=model.Whereabouts.ASLEEP)
NO_GRACE = datetime.timedelta(0)


@pytest.fixture
def world() -> fakes.World:
    """Return a world in which all is well."""
    return fakes.World(links={"br0": None, HOST_END: AWAY}, rules={NETWORK.id}, networks={NETWORK.id})


@pytest.fixture
def keep(world: fakes.World, clock: Clock, tmp_path: pathlib.Path) -> keeper.Keeper:
    state = store.Store(tmp_path / "driver.db")
    with state.transaction() as transaction:
        transaction.add_network(NETWORK)
        transaction.add_endpoint(ENDPOINT)
    return fakes.keep(world, state, clock)


def test_where_all_is_well_nothing_happens(keep: keeper.Keeper, world: fakes.World) -> None:
    before = dict(world.links)
    keep.keep()
    assert (world.links, world.counts) == (before, {})
    assert keep.store.endpoints() == (ENDPOINT,)


def test_after_a_reboot_everything_is_there_again(
    keep: keeper.Keeper, world: fakes.World, caplog: pytest.LogCaptureFixture
) -> None:
    world.links, world.rules = {}, set()
    keep.keep()
    assert world.links == {"br0": None}
    assert world.rules == {NETWORK.id}
    assert keep.store.networks() == (NETWORK,)
    assert keep.store.endpoints() == (), "the containers get new endpoints"
    assert set(world.counts) == {"keeper.restored.bridge", "keeper.restored.rules", "keeper.collected.endpoint"}
    assert "keeper: restored bridge: br0" in caplog.messages


def test_a_live_machine_is_plugged_in_again(keep: keeper.Keeper, world: fakes.World) -> None:
    world.links[HOST_END] = dataclasses.replace(AWAY, bridge=None)
    keep.keep()
    assert world.links[HOST_END] == AWAY
    assert world.counts == {"keeper.restored.port": 1}


def test_the_interface_to_the_lan_is_put_back_last(keep: keeper.Keeper, world: fakes.World) -> None:
    lan = dataclasses.replace(NETWORK, address=None, snat=False, parent="eth1")
    with keep.store.transaction() as transaction:
        transaction.remove_network(NETWORK.id)
        transaction.add_network(lan)
        transaction.add_endpoint(ENDPOINT)
    world.lan.interfaces["eth1"] = parents.Interface(name="eth1", kind="", loopback=False, mtu=1500, up=True)
    world.rules, world.failing = set(), 2
    keep.keep()
    assert world.rules == {NETWORK.id}, "an interface that is gone keeps no rule waiting"
    assert "on purpose" in keep.told[NETWORK.id]
    keep.keep()
    assert world.lan.stands(lan)
    assert keep.told == {}
    assert world.counts["keeper.restored.uplink"] == 1


def test_a_bridge_that_firewalld_forgot_is_put_into_its_zone(keep: keeper.Keeper, world: fakes.World) -> None:
    world.firewalld.runs = True
    for _ in range(2):
        keep.keep()
    assert world.firewalld.zone == {"br0"}
    assert world.counts == {"keeper.restored.zone": 1}


def test_a_bridge_of_somebody_else_is_not_made(keep: keeper.Keeper, world: fakes.World) -> None:
    with keep.store.transaction() as transaction:
        transaction.remove_network(NETWORK.id)
        transaction.add_network(dataclasses.replace(NETWORK, bridge_made=False))
    keep.keep()
    assert "br0" in world.links
    assert world.counts["keeper.restored.bridge"] == 0


def test_one_network_that_fails_keeps_none_of_the_others_waiting(keep: keeper.Keeper, world: fakes.World) -> None:
    other = dataclasses.replace(NETWORK, id="2e" * 32, bridge="br1")
    with keep.store.transaction() as transaction:
        transaction.add_network(other)
    world.links, world.failing = {"br1": None}, 1
    keep.keep()
    assert world.counts["keeper.restore.failed"] == 1
    assert other.id in world.rules


def test_a_failure_that_lasts_is_told_once(keep: keeper.Keeper, world: fakes.World) -> None:
    with keep.store.transaction() as transaction:
        transaction.remove_network(NETWORK.id)
        transaction.add_network(dataclasses.replace(NETWORK, bridge_made=False))
        transaction.add_endpoint(ENDPOINT)
    del world.links["br0"]
    for _ in range(3):
        keep.keep()
    assert world.counts["keeper.restore.failed"] == 1
    assert "it is not there" in keep.told[NETWORK.id], "fhv status shows it"
    world.links["br0"] = None
    keep.keep()
    assert keep.told == {}
    del world.links["br0"]
    keep.keep()
    assert world.counts["keeper.restore.failed"] == 2


def test_a_network_that_is_deleted_while_the_keeper_looks_stays_deleted(
    keep: keeper.Keeper, world: fakes.World
) -> None:
    class Deleting(fakes.World):
        def missing(self, network: model.Network, ways: tuple[exposure.Way, ...] = ()) -> tuple[str, ...]:
            with keep.store.transaction() as transaction:
                transaction.remove_network(network.id)
            return ("its rules",)

    late = Deleting(links={"br0": None})
    dataclasses.replace(keep, links=late, firewall=late).keep()
    assert late.rules == set()
    assert world.counts["keeper.restored.rules"] == 0


@pytest.mark.parametrize(("age", "kept"), [(119, True), (121, False)])
def test_a_start_that_nobody_finished_is_collected_after_a_grace(
    keep: keeper.Keeper, world: fakes.World, clock: Clock, age: float, kept: bool
) -> None:
    world.links[HOST_END] = HERE
    clock.move(age)
    keep.keep()
    assert bool(keep.store.endpoints()) is kept
    assert (HOST_END in world.links) is kept


def test_a_new_engine_has_no_start_under_way(keep: keeper.Keeper, world: fakes.World) -> None:
    world.links[HOST_END] = HERE
    keep.collect(grace=NO_GRACE)
    assert keep.store.endpoints() == ()
    assert HOST_END not in world.links


def test_a_veth_of_no_endpoint_is_collected_and_no_live_one(keep: keeper.Keeper, world: fakes.World) -> None:
    stray = naming.veth("cd" * 32).host
    world.links[stray] = HERE
    keep.keep()
    assert set(world.links) == {"br0", HOST_END}
    assert world.counts == {"keeper.collected.veth": 1}


def test_a_pass_that_fails_is_told_and_tried_again(keep: keeper.Keeper, world: fakes.World) -> None:
    stray = naming.veth("cd" * 32).host
    world.links[stray], world.failing = HERE, 2
    keep.keep()
    assert world.counts == {"keeper.pass.failed": 1}
    keep.keep()
    assert stray not in world.links


def test_a_veth_of_an_unknown_machine_that_runs_is_left_to_it_and_told_once(
    keep: keeper.Keeper, world: fakes.World
) -> None:
    stranger = naming.veth("cd" * 32).host
    world.links[stranger] = AWAY
    for _ in range(3):
        keep.keep()
    assert world.links[stranger] == AWAY
    assert world.counts == {"keeper.unknown.veth": 1}
    assert "restart the machine" in keep.told[stranger]
    del world.links[stranger]
    keep.keep()
    assert keep.told == {}


def test_a_host_end_that_someone_set_down_is_set_up(keep: keeper.Keeper, world: fakes.World) -> None:
    world.links[HOST_END] = dataclasses.replace(AWAY, up=False)
    keep.keep()
    assert world.links[HOST_END] == AWAY
    assert world.counts == {"keeper.restored.port": 1}


def test_an_endpoint_that_left_is_collected_at_once_and_without_a_word(keep: keeper.Keeper, world: fakes.World) -> None:
    world.links[HOST_END] = HERE
    with keep.store.transaction() as transaction:
        transaction.unseat(ENDPOINT.id)
    keep.keep()
    assert keep.store.endpoints() == ()
    assert HOST_END not in world.links
    assert world.counts == {"keeper.collected.veth": 1}


def test_a_network_that_the_engine_has_no_more_is_taken_away_after_two_looks(
    keep: keeper.Keeper, world: fakes.World, clock: Clock
) -> None:
    keep.keep()
    world.networks = set()
    clock.move(29)
    keep.keep()
    assert not keep.absences.doubtful, "the engine is not asked all the time"
    clock.move(1)
    keep.keep()
    assert keep.store.networks() == (NETWORK,), "one look only, and it may be just being made"
    clock.move(1)
    keep.keep()
    assert keep.store.networks() == ()
    assert world.counts["keeper.collected.network"] == 1


def test_an_engine_that_is_silent_has_all_its_networks(keep: keeper.Keeper, world: fakes.World, clock: Clock) -> None:
    world.networks = set()
    for silent in (set(), {"engine"}, set()):
        world.silent = silent
        keep.keep()
        clock.move(30)
    assert keep.store.networks() == (NETWORK,)


@pytest.mark.parametrize("port", [HERE, ASLEEP], ids=["not taken", "taken by an engine that died"])
def test_an_endpoint_that_the_engine_never_kept_is_collected_soon(
    keep: keeper.Keeper, world: fakes.World, clock: Clock, port: model.Port
) -> None:
    world.links[HOST_END] = port
    keep.keep()
    assert keep.store.endpoints() == (ENDPOINT,), "its start may be under way"
    clock.move(1)
    keep.keep()
    assert keep.store.endpoints() == ()
    assert HOST_END not in world.links


@pytest.mark.parametrize("port", [HERE, ASLEEP], ids=["not taken", "taken, or set down by its machine"])
def test_an_endpoint_that_the_engine_lists_is_being_started(
    keep: keeper.Keeper, world: fakes.World, clock: Clock, port: model.Port
) -> None:
    world.links[HOST_END] = port
    world.attached = {ENDPOINT.id: model.Attachment(container=None, name="web")}
    for _ in range(5):
        keep.keep()
        clock.move(1)
    assert keep.store.endpoints() == (ENDPOINT,)
    assert world.links[HOST_END] == port


def test_an_endpoint_of_this_life_may_be_in_the_making_for_as_long_as_a_call_takes(
    keep: keeper.Keeper, world: fakes.World, clock: Clock
) -> None:
    keep.keep()
    young = dataclasses.replace(ENDPOINT, id="cd" * 32, address=ADDRESS + 1, created=clock())
    with keep.store.transaction() as transaction:
        transaction.add_endpoint(young)
    world.links[naming.veth(young.id).host] = HERE
    for _ in range(10):
        keep.keep()
        assert young in keep.store.endpoints()
        clock.move(1)
    keep.keep()
    assert keep.store.endpoints() == (ENDPOINT,)
